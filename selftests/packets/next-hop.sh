#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
#
# Routes that name a router instead of a connection, as routing daemons make them: the connection is
# that of the route to the router, in the VRF of the packet.
#
# Behind each right host is a network, with the same addresses for all tenants: 10.7.0.0/24,
# fd00:7::/64.

. "$(dirname "$0")/../lib/tenants.sh"

# behind FAMILY: an address in the network behind a right host.
behind()
{
	if [ "$1" = 4 ]; then
		echo 10.7.0.2
	else
		echo fd00:7::2
	fi
}

# networks: behind the right hosts, as far as their own gateway knows them.
networks()
{
	local i right

	for i in 1 2 3; do
		right=right$i
		ip -n "${!right}" addr add 10.7.0.2/32 dev lo
		ip -n "${!right}" addr add fd00:7::2/128 dev lo nodad
		# From which it asks for its router.
		ip -n "${!right}" addr add fe80::2/64 dev eth0 nodad
		ip -n "$gwb" route add 10.7.0.0/24 vrf red$i via 10.0.2.2
		ip -n "$gwb" route add fd00:7::/64 vrf red$i via fd00:b::2
	done
}

# learned NUMBER FAMILY [ROUTE]: the route that a daemon would have learned for that tenant.
learned()
{
	local i=$1 net=10.7.0.0/24 router=10.0.2.1

	[ "$2" = 4 ] || net=fd00:7::/64 router=fd00:b::1
	# shellcheck disable=SC2086
	ip -n "$gwa" route add $net vrf "red$i" ${3:-via $router dev ipsec onlink} proto bgp &&
		defer ip -n "$gwa" route del $net vrf "red$i" proto bgp
}

# learned_by_all FAMILY [ROUTE]
learned_by_all()
{
	local i

	for i in 1 2 3; do
		check learned $i "$@" -- "tenant $i: the route is refused" || return
	done
}

forwarded()
{
	learned_by_all "$1" || return
	each_reaches_its_own "$(behind "$1")"
	at_once "$(behind "$1")"
}

# FRR gives routes to the same router the same nexthop object, in whatever VRF they are.
by_nexthop_object()
{
	local router=10.0.2.1

	[ "$1" = 4 ] || router=fd00:b::1
	ip -n "$gwa" nexthop add id 70 via "$router" dev ipsec onlink
	defer ip -n "$gwa" nexthop del id 70
	learned_by_all "$1" 'nhid 70' || return
	each_reaches_its_own "$(behind "$1")"
	at_once "$(behind "$1")"
}

by_router_of_other_family()
{
	learned_by_all 4 'via inet6 fd00:b::1 dev ipsec onlink' || return
	each_reaches_its_own "$(behind 4)"
}

# The way to the router changes, and with it that of the packets.
router_moves()
{
	local net=10.0.2.0/24 router=10.0.2.1 to

	to=$(behind "$1")
	[ "$1" = 4 ] || net=fd00:b::/64 router=fd00:b::1
	learned 1 "$1" || return
	expect 'who answers' "$(who 1 "$to")" tenant1
	defer ip -n "$gwa" route replace $net vrf red1 dev ipsec encap xfrm if_id 1
	ip -n "$gwa" route replace $net vrf red1 dev ipsec encap xfrm if_id 3
	expect 'the connection of a packet' "$(connection_of "$to")" 3
	ip -n "$gwa" route add $router vrf red1 dev ipsec encap xfrm if_id 2
	expect 'the connection of a packet' "$(connection_of "$to")" 2
	ip -n "$gwa" route del $router vrf red1 dev ipsec
}

# connection_of ADDRESS: by which connection a packet of tenant 1 leaves.
connection_of()
{
	local i before after

	before=$(sent_by_connection)
	inside "$left1" ping -n -q -c 1 -W 0.1 "$1" >/dev/null
	after=$(sent_by_connection)
	diff <(echo "$before") <(echo "$after") | sed -n 's/^> \([0-9]*\) .*/\1/p'
}

# The number of packets that went through the states of each.
sent_by_connection()
{
	ip -n "$gwa" -s xfrm state list src 192.0.2.1 | awk '
		$1 == "if_id" { id = substr($2, 3) }
		/[0-9]\(bytes\), [0-9]+\(packets\)/ { print id, $2 }' | sort
}

# refused WHY COMMAND...: after the command, packets of tenant 1 have no connection.
refused()
{
	local why=$1 dropped
	shift

	learned 1 4 || return
	check reach "$left1" "$(behind 4)" -- 'it is not answered'
	check "$@" -- "not done: $*" || return
	dropped=$(stat "$gwa" ipsec tx_dropped)
	check silent "$left1" "$(behind 4)" -- "it is answered, though $why"
	expect 'packets that were dropped' "$(($(stat "$gwa" ipsec tx_dropped) - dropped))" 3
}

# What leads to the router is another device, or no connection, or nothing; also where it is in main,
# which belongs to somebody else.
router_elsewhere()
{
	defer ip -n "$gwa" route del 10.0.2.1 vrf red1 dev host1
	refused 'the router is behind another device' ip -n "$gwa" route add 10.0.2.1 vrf red1 dev host1
}

router_without_connection()
{
	defer ip -n "$gwa" route del 10.0.2.1 vrf red1 dev ipsec
	refused 'the router is behind no connection' ip -n "$gwa" route add 10.0.2.1 vrf red1 dev ipsec
}

router_unreachable()
{
	defer ip -n "$gwa" route del unreachable 10.0.2.1 vrf red1
	ip -n "$gwa" route add 10.0.2.1 dev ipsec encap xfrm if_id 3
	defer ip -n "$gwa" route del 10.0.2.1 dev ipsec
	refused 'there is no way to the router' ip -n "$gwa" route add unreachable 10.0.2.1 vrf red1
}

# The gateway itself, by a socket that is bound to the VRF.
from_the_vrf()
{
	learned_by_all "$1" || return
	inside "$gwa" ethtool --set-priv-flags ipsec vrf-by-route on 2>/dev/null
	defer inside "$gwa" ethtool --set-priv-flags ipsec vrf-by-route off
	check reach "$gwa" "$(behind "$1")" 3 -I red2 -- 'it is not answered'
	expect 'who answers' "$(inside "$gwa" socat -u -T 30 \
		"TCP:$(bracketed "$(behind "$1")"):7,connect-timeout=20,so-bindtodevice=red3" -)" tenant3
}

bracketed()
{
	if [[ $1 = *:* ]]; then
		echo "[$1]"
	else
		echo "$1"
	fi
}

# What the kernel answers by itself is sent from a socket that is bound to no VRF. Rather than by
# the router that another tenant, who lives in main, has at the same address, it does not go.
answer_of_the_kernel()
{
	local lost

	learned_by_all 4 || return
	ip -n "$gwa" -batch - <<-END
		route add 10.0.2.1 dev ipsec encap xfrm if_id 3
		route add 10.7.0.0/24 via 10.0.2.1 dev ipsec onlink
	END
	defer ip -n "$gwa" route del 10.0.2.1 dev ipsec
	defer ip -n "$gwa" route del 10.7.0.0/24 dev ipsec
	lost=$(stat "$gwa" ipsec tx_dropped)
	check silent "$right1" 10.0.1.1 -I 10.7.0.2 -- 'it is answered'
	expect 'answers that were dropped' "$(($(stat "$gwa" ipsec tx_dropped) - lost))" 3
}

# A tunnel puts a packet of the VRF into one of its own, which is routed in main, and keeps the socket.
# It must not go by the connection that the VRF has to a router of the same address.
tunnel_inside()
{
	local before lost

	ip -n "$gwa" link add tun type ipip local 192.0.2.1 remote 203.0.113.2 ||
		{ skip 'the kernel has no IP in IP'; return; }
	defer ip -n "$gwa" link del tun
	ip -n "$gwa" -batch - <<-END
		link set tun master red1
		link set tun up
		route add 10.9.0.0/24 vrf red1 dev tun
		route add 10.0.2.1 dev ipsec encap xfrm if_id 3
		route add 203.0.113.2 via 10.0.2.1 dev ipsec onlink
	END
	defer ip -n "$gwa" route del 10.0.2.1 dev ipsec
	defer ip -n "$gwa" route del 203.0.113.2 dev ipsec
	before=$(sent_by_connection)
	lost=$(stat "$gwa" ipsec tx_dropped)
	inside "$gwa" ping -n -q -c 3 -i 0.02 -W 0.1 -I red1 10.9.0.9 >/dev/null
	expect 'packets that went through states' "$(sent_by_connection)" "$before"
	expect 'packets that were dropped' "$(($(stat "$gwa" ipsec tx_dropped) - lost))" 3
}

# Without VRFs there is nothing that would have to be known.
without_vrfs()
{
	local net=10.7.0.0/24 router=10.1.0.2 from=10.1.0.1

	[ "$1" = 4 ] || net=fd00:7::/64 router=fd00:1::2 from=fd00:1::1
	ip -n "$gwa" route add $net via $router dev ipsec onlink src $from
	defer ip -n "$gwa" route del $net dev ipsec
	check reach "$gwa" "$(behind "$1")" 3 -- 'it is not answered'
}

setup_without_vrfs()
{
	device a "$1" 7
	device b "$1" 7
	tunnel id=7
}

setup_gateways
ip -n "$gwb" addr add 10.7.0.2/32 dev lo
ip -n "$gwb" addr add fd00:7::2/128 dev lo nodad
for kind in external static; do
	reset_gateways
	setup_without_vrfs $kind
	for family in 4 6; do
		subtest without_vrfs_${kind}_$family without_vrfs $family
	done
done

setup_tenants
mark_by_connection "$gwa"
mark_by_connection "$gwb"
networks

for family in 4 6; do
	subtest forwarded_$family forwarded $family
	subtest by_nexthop_object_$family by_nexthop_object $family
	subtest router_moves_$family router_moves $family
	subtest from_the_vrf_$family from_the_vrf $family
done
subtest by_router_of_other_family by_router_of_other_family
subtest router_elsewhere router_elsewhere
subtest router_without_connection router_without_connection
subtest router_unreachable router_unreachable
subtest answer_of_the_kernel answer_of_the_kernel
subtest tunnel_inside tunnel_inside

finish
