#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 35
#
# The updown script, as strongSwan and libreswan run it.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/encap.sh"

script=$(dirname "$lib")/../tools/xfrmi/updown/xfrmi-updown

# updown VERB CONNECTION PREFIX [NAME=VALUE...]: what a daemon does. What the script says is in $tmp/said.
updown()
{
	local verb=$1 connection=$2 prefix=$3
	shift 3

	ip netns exec "$gwa" env PLUTO_VERB="$verb" PLUTO_CONNECTION="$connection" PLUTO_PEER_CLIENT="$prefix" \
		XFRMI_DEVICE=ipsec XFRMI_UPDOWN_CONF="$tmp/updown.conf" "$@" "$script" 2>"$tmp/said"
}

# routes VRF: the script's routes there.
routes()
{
	routes_of "$gwa" "$1" 177
}

world()
{
	defer reset_world
	ip -n "$gwa" -batch - <<-END
		link add ipsec type xfrm external
		link set ipsec up
		link add red type vrf table 101
		link set red up
		link add blue type vrf table 102
		link set blue up
	END
	cat >"$tmp/updown.conf" <<-END
		# Whose the connections are.

		red-*	red	10.9.0.0/24,fd00:9::/64
		blue	blue	10.9.0.0/24
		main	-	-
	END
}

# shellcheck disable=SC2329
reset_world()
{
	ip -n "$gwa" -4 route flush table all proto 177
	ip -n "$gwa" -6 route flush table all proto 177
	ip -n "$gwa" -force -batch - 2>/dev/null <<-END
		link del ipsec
		link del red
		link del blue
	END
}

both_families()
{
	world
	updown up-client red-rw 10.9.0.1/32 PLUTO_IF_ID_OUT=3
	updown up-client-v6 red-rw fd00:9::1/128 PLUTO_IF_ID_OUT=3
	updown up-client blue 10.9.0.1/32 PLUTO_IF_ID_OUT=4
	expect 'routes of red' "$(routes red)" '10.9.0.1 3, fd00:9::1 3'
	expect 'routes of blue' "$(routes blue)" '10.9.0.1 4'
	updown down-client red-rw 10.9.0.1/32 PLUTO_IF_ID_OUT=3
	updown down-client-v6 red-rw fd00:9::1/128 PLUTO_IF_ID_OUT=3
	expect 'routes of red afterwards' "$(routes red)" ''
	expect 'routes of blue afterwards' "$(routes blue)" '10.9.0.1 4'
	updown up-client main 10.77.0.0/24 PLUTO_IF_ID_OUT=5
	check ip -n "$gwa" route get 10.77.0.1 -- 'there is no route in the main table' >/dev/null
	updown down-client main 10.77.0.0/24 PLUTO_IF_ID_OUT=5
	check_fail "$(ip -n "$gwa" route get 10.77.0.1 >/dev/null 2>&1; echo $?)" 'the route in the main table stays'
}

# At reauthentication the new one comes first.
takeover()
{
	local family prefix

	world
	for prefix in 10.9.0.1/32 fd00:9::1/128; do
		updown up-client red-rw $prefix PLUTO_IF_ID_OUT=3
		updown up-client red-rw $prefix PLUTO_IF_ID_OUT=5
		updown down-client red-rw $prefix PLUTO_IF_ID_OUT=3
	done
	expect 'routes' "$(routes red)" '10.9.0.1 5, fd00:9::1 5'
}

refused()
{
	local each

	world
	for each in 'red-rw 10.9.1.1/32' 'red-rw 10.0.0.0/8' 'red-rw fd00:9:0:1::1/128' 'blue fd00:9::1/128' 'green 10.9.0.1/32'; do
		# shellcheck disable=SC2086
		updown up-client $each PLUTO_IF_ID_OUT=3
		check grep -q 'refused' "$tmp/said" -- "$each is not refused"
	done
	# shellcheck disable=SC2016
	updown up-client red-rw '10.9.0.1/32; touch x' PLUTO_IF_ID_OUT=3
	check grep -q 'is no prefix' "$tmp/said" -- 'what is no prefix is taken for one'
	expect 'routes' "$(routes red)$(routes blue)" ''
	updown up-client red-rw 10.9.0.1/32
	updown route-client red-rw 10.9.0.1/32 PLUTO_IF_ID_OUT=3
	expect 'routes without an if_id, and of another verb' "$(routes red)" ''
}

# The daemon has died, and gives the if_id to somebody else.
reused()
{
	world
	updown up-client red-rw 10.9.0.1/32 PLUTO_IF_ID_OUT=1
	updown up-client-v6 red-rw fd00:9::1/128 PLUTO_IF_ID_OUT=1
	updown up-client red-rw 10.9.0.2/32 PLUTO_IF_ID_OUT=2
	updown up-client main 10.77.0.0/24 PLUTO_IF_ID_OUT=1
	expect 'routes of red' "$(routes red)" '10.9.0.2 2'
	updown up-client blue 10.9.0.1/32 PLUTO_IF_ID_OUT=1
	check_fail "$(ip -n "$gwa" route get 10.77.0.1 >/dev/null 2>&1; echo $?)" 'the route in the main table stays'
	expect 'routes of red' "$(routes red)" '10.9.0.2 2'
	expect 'routes of blue' "$(routes blue)" '10.9.0.1 1'
}

# It tells of a device, and no if_id.
libreswan()
{
	world
	ip -n "$gwa" link add ipsec9 type xfrm if_id 9
	defer ip -n "$gwa" link del ipsec9
	updown up-client red-libre 10.9.0.0/25 PLUTO_VIRT_INTERFACE=ipsec9
	expect 'routes' "$(routes red)" '10.9.0.0/25 9'
	updown down-client red-libre 10.9.0.0/25 PLUTO_VIRT_INTERFACE=ipsec9
	expect 'routes afterwards' "$(routes red)" ''
	updown up-client red-libre 10.9.0.0/25 PLUTO_VIRT_INTERFACE=under
	expect 'routes of another device' "$(routes red)" ''
}

setup_ns gwa
for name in both_families takeover refused reused libreswan; do
	subtest $name $name
done
finish
