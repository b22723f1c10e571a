# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What it costs to receive a packet that comes in by a VRF: of a device that is a member, or, with our
# driver, of an external device whose connections have VRFs by their routes (vrf-by-route).
# shellcheck disable=SC2034 # Local variables here are what measure goes by.

[ -n "${FULL-}" ] && vrf_counts='1 10000' || vrf_counts='1 1000'

# tenant_address NUMBER: as udp.c numbers them.
tenant_address() { echo "10.$((128 + ($1 >> 16))).$(($1 >> 8 & 255)).$(($1 & 255))"; }

# vrf_tenants FIRST LAST: prints lines for ip -batch: connections that bench-b receives by a VRF each.
# The VRFs have no address, as usual: with one, the kernel looks up a route more for IPv4, to see
# whether it came in by the right device.
vrf_tenants()
{
	local i

	for ((i = $1; i <= $2; i++)); do
		cat <<-END
			link add red$i type vrf table $((1000 + i))
			link set red$i up
			route add local $(tenant_address "$i") dev red$i table $((1000 + i))
			route add ${source[4]} dev ipsec table $((1000 + i)) encap xfrm if_id $i
			$(state 4 "$i" "if_id $i")
			$(policy 4 "$i" in 0.0.0.0/0 0.0.0.0/0 "if_id $i")
		END
	done
}

# The sender has the same tenants on an external device; what it costs to transmit to a dummy is
# subtracted.
vrf_sender()
{
	underlay "$1"
	sender
	ip -n bench-a -batch - < <(device external 4)
}

# receive_from COUNT VARIANT KIND SETUP...: what it costs to receive from so many tenants in turn, which
# SETUP has made on bench-b.
receive_from()
{
	local count=$1 variant=$2 kind=$3 packets=$(($1 < 4096 ? 3000 : $1)) rounds=3
	shift 3

	vrf_sender dummy
	add_tenants external 1 "$count" | ip -n bench-a -batch -
	measure 4 external -t "$count"
	transmitting=$value
	remove_all
	vrf_sender veth
	add_tenants external 1 "$count" | ip -n bench-a -batch -
	ip netns exec bench-b sysctl -qw net.ipv4.udp_l3mdev_accept=1
	"$@"
	measure 4 external -t "$count" -i bench-b
	received vrf "$count tenants, $variant" "$kind"
	remove_all
}

by_route()
{
	ip -n bench-b addr del "${first[4]}/32" dev lo
	ip -n bench-b -batch - < <(device external 4)
	vrf_tenants 1 "$1" | ip -n bench-b -batch -
	ip netns exec bench-b ethtool --set-priv-flags ipsec vrf-by-route on
}

# by_member KIND
by_member()
{
	ip -n bench-b addr del "${first[4]}/32" dev lo
	ip -n bench-b -batch - <<-END
		$(id=1 && device "$1" 4)
		$(vrf_tenants 1 1)
		link set ipsec master red1
	END
}

# no_vrf KIND COUNT
no_vrf()
{
	ip -n bench-b -batch - < <(id=1 && device "$1" 4; receivers "$2")
}

vrf()
{
	local i

	ip -n bench-b -batch - < <(id=1 && device "$1" 4)
	for ((i = 1; i <= $2; i++)); do
		state 4 "$i" "if_id $i"
		policy 4 "$i" in 0.0.0.0/0 0.0.0.0/0 "if_id $i"
		echo "route replace local $(tenant_address "$i") dev lo"
	done | ip -n bench-b -batch -
}

vrf()
{
	local kind count

	modprobe vrf
	room_for_neighbours
	for kind in static external; do
		receive_from 1 'no VRF' "$kind" no_vrf "$kind" 1
		receive_from 1 'member of a VRF' "$kind" by_member "$kind"
	done
	for count in $vrf_counts; do
		[ "$count" = 1 ] || receive_from "$count" 'no VRF' external no_vrf external "$count"
		[ "$driver" = c ] || receive_from "$count" 'vrf-by-route' external by_route "$count"
	done
	restore_neighbours
}
