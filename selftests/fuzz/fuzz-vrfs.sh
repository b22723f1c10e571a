#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 70
#
# Routes, nexthop objects and VRFs that change at random on a gateway whose external device has
# vrf-by-route: after each change, each connection has to come in by the VRF that the kernel's own
# dump of all that says, or by none. vrfs/changes.py says how changes are drawn, vrfs/model.py what
# follows from a dump.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/fuzz.sh"

run()
{
	[ -n "${FUZZ_COUNT-}" ] || : "${FUZZ_SEED:=14}"
	fuzz_parameters 80
	fuzz python3 "$here/vrfs/changes.py" "$gwa" "$gwb" "$seed" "$count"
}

setup_gateways
for gw in "$gwa" "$gwb"; do
	ip -n "$gw" link add ipsec type xfrm external
	ip -n "$gw" link set ipsec up
done
for id in 1 2 3 4 5 6; do
	tunnel id=$id n=$id
	ip -n "$gwa" route add 10.9.0.$id dev ipsec src 10.9.9.9 encap xfrm if_id $id 2>/dev/null ||
		ip -n "$gwa" route add 10.9.0.$id dev ipsec encap xfrm if_id $id
done
ip -n "$gwa" addr add 10.9.9.9/32 dev ipsec
if inside "$gwb" ethtool --set-priv-flags ipsec vrf-by-route on 2>/dev/null; then
	subtest run run
else
	subtest run check_err 1 'the device has no vrf-by-route'
fi
finish
