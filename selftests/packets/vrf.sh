#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 40
#
# Two underlays in two VRFs, whose addresses are the same: only the link that a route or a device
# names says which one a tunnel goes through.
#
#	                +---------- gwa ----------+
#	                |          ipsec          |
#	gwb --- under --|-- under1          under2 --|--- under --- gwc
#	192.0.2.2/24    |  [red 101]    [blue 102]   |    192.0.2.2/24
#	                |  192.0.2.1    192.0.2.1    |
#	                +----------------------------+
#
# gwa's connection to gwb has the if_id 1, the one to gwc the if_id 2.

. "$(dirname "$0")/../lib/lib.sh"

gwc=''

setup_vrfs()
{
	local i peer table

	setup_ns gwa gwb gwc
	quiet "$gwa" "$gwb" "$gwc"
	for i in 1 2; do
		[ $i = 1 ] && peer=$gwb table=101 vrf=red || peer=$gwc table=102 vrf=blue
		ip -n "$gwa" link add "under$i" type veth peer name under netns "$peer"
		ip -n "$gwa" -batch - <<-END
			link add $vrf type vrf table $table
			link set $vrf up
			link set under$i master $vrf
			addr add 192.0.2.1/24 dev under$i
			addr add 2001:db8::1/64 dev under$i nodad
			link set under$i up
		END
		gateway_address "$peer" b
	done
}

# peers FAMILY: devices on the other gateways, and both connections' states and policies.
peers()
{
	defer reset_gateways "$gwc"
	device b external 1 ns="$gwb" net=1
	device b external 2 ns="$gwc" net=2
	tunnel id=1 n=1 outer="$1" ns_b="$gwb"
	tunnel id=2 n=2 outer="$1" ns_b="$gwc"
}

# Both peers' tunnels have the same addresses, so what tells where a packet went is which of them
# received it.
both_reached()
{
	local family=$1 b c

	check reach "$gwa" 10.1.0.2 -- 'gwb is not reached over IPv4'
	check reach "$gwa" 10.2.0.2 -- 'gwc is not reached over IPv4'
	check reach "$gwa" fd00:1::2 -- 'gwb is not reached over IPv6'
	check reach "$gwa" fd00:2::2 -- 'gwc is not reached over IPv6'
	expect 'packets received by gwb' "$(stat "$gwb" ipsec rx_packets)" 6
	expect 'packets received by gwc' "$(stat "$gwc" ipsec rx_packets)" 6
	expect "states not found" "$(xfrm_stat "$gwb" XfrmInNoStates)$(xfrm_stat "$gwc" XfrmInNoStates)" \
		"$2$3"
}

no_states_before()
{
	before_b=$(xfrm_stat "$gwb" XfrmInNoStates)
	before_c=$(xfrm_stat "$gwc" XfrmInNoStates)
}

external_link_dev()
{
	local link1=$2 link2=$3

	no_states_before
	peers "$1"
	ip -n "$gwa" link add ipsec type xfrm external
	ip -n "$gwa" -batch - <<-END
		link set ipsec up
		addr add 10.1.0.1/32 dev ipsec
		addr add 10.2.0.1/32 dev ipsec
		addr add fd00:1::1/128 dev ipsec nodad
		addr add fd00:2::1/128 dev ipsec nodad
		route add 10.1.0.2 dev ipsec src 10.1.0.1 encap xfrm if_id 1 link_dev $link1
		route add 10.2.0.2 dev ipsec src 10.2.0.1 encap xfrm if_id 2 link_dev $link2
		route add fd00:1::2 dev ipsec src fd00:1::1 encap xfrm if_id 1 link_dev $link1
		route add fd00:2::2 dev ipsec src fd00:2::1 encap xfrm if_id 2 link_dev $link2
	END
	both_reached "$1" "$before_b" "$before_c"
}

# The wrong link takes the packets to the wrong peer, which has no state for them.
wrong_link_dev()
{
	local before_b before_c

	no_states_before
	peers 4
	ip -n "$gwa" link add ipsec type xfrm external
	ip -n "$gwa" -batch - <<-END
		link set ipsec up
		addr add 10.1.0.1/32 dev ipsec
		route add 10.1.0.2 dev ipsec src 10.1.0.1 encap xfrm if_id 1 link_dev under2
	END
	check silent "$gwa" 10.1.0.2 -- 'gwb answers what goes to gwc'
	expect 'packets that gwc has no state for' $(($(xfrm_stat "$gwc" XfrmInNoStates) - before_c)) 3
	expect 'packets received by gwb' "$(stat "$gwb" ipsec rx_packets)" 0
	# Without a link the underlay is looked for outside of both VRFs, where there is none.
	ip -n "$gwa" route replace 10.1.0.2 dev ipsec src 10.1.0.1 encap xfrm if_id 1
	check silent "$gwa" 10.1.0.2 -- 'gwb is reached without a link'
	expect 'packets without a route' "$(stat "$gwa" ipsec tx_carrier_errors)" 3
}

static_dev()
{
	local before_b before_c i

	no_states_before
	peers "$1"
	defer ip -n "$gwa" -force -batch - <<<$'link del ipsec1\nlink del ipsec2'
	device a static 1 name=ipsec1 net=1 dev="$2"
	device a static 2 name=ipsec2 net=2 dev="$3"
	both_reached "$1" "$before_b" "$before_c"
	expect 'packets sent by the first device' "$(stat "$gwa" ipsec1 tx_packets)" 6
	expect 'packets received by the second device' "$(stat "$gwa" ipsec2 rx_packets)" 6
	ip -n "$gwa" link del ipsec1
	ip -n "$gwa" link del ipsec2
}

# The xfrm device itself may be in a VRF, another one than its underlay's.
device_in_vrf()
{
	local kind=$1 encap=''

	peers 4
	defer ip -n "$gwa" link del green
	ip -n "$gwa" link add green type vrf table 103
	ip -n "$gwa" link set green up
	if [ "$kind" = static ]; then
		ip -n "$gwa" link add ipsec type xfrm dev under1 if_id 1
	else
		ip -n "$gwa" link add ipsec type xfrm external
		encap='encap xfrm if_id 1 link_dev under1'
	fi
	ip -n "$gwa" -batch - <<-END
		link set ipsec master green
		link set ipsec up
		addr add 10.1.0.1/32 dev ipsec
		addr add fd00:1::1/128 dev ipsec nodad
		route add 10.1.0.2 vrf green dev ipsec src 10.1.0.1 $encap
		route add fd00:1::2/128 vrf green dev ipsec src fd00:1::1 $encap
	END
	check reach "$gwa" 10.1.0.2 3 -I green -- 'the peer is not reached over IPv4'
	check reach "$gwa" fd00:1::2 3 -I green -- 'the peer is not reached over IPv6'
}

setup_vrfs

for family in 4 6; do
	subtest external_link_dev_over_$family external_link_dev $family under1 under2
	subtest external_link_dev_vrf_over_$family external_link_dev $family red blue
	subtest static_dev_over_$family static_dev $family under1 under2
	subtest static_dev_vrf_over_$family static_dev $family red blue
done
subtest wrong_link_dev wrong_link_dev
subtest device_in_vrf_static device_in_vrf static
subtest device_in_vrf_external device_in_vrf external

finish
