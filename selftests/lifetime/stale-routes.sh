#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 56
#
# The next packet of a flow that does not pause is right after the way to the peer has changed:
# gateways, routes and rules of the underlay, of either family.

. "$(dirname "$0")/../lib/stale.sh"

################################################################################
# Gateways

# Two ways to a peer that is behind gateways; each of them answers who asks for its hardware
# address.
two_ways()
{
	local i side ns

	defer eval "ip -n $gwa link del way1; ip -n $gwa link del way2; ip -n $gwa addr flush dev lo scope global"
	ip -n "$gwa" addr add 203.0.113.1/32 dev lo
	ip -n "$gwa" addr add 2001:db8:9::1/128 dev lo
	for i in 1 2; do
		ip -n "$gwa" link add way$i type veth peer name way$i netns "$gwb"
		side=1
		for ns in "$gwa" "$gwb"; do
			forwarding_link "$ns" way$i
			ip -n "$ns" -batch - <<-END
				addr add 198.18.$i.$side/24 dev way$i
				addr add 2001:db8:$i::$side/64 dev way$i nodad
				link set way$i up
			END
			side=2
		done
		# A gateway that does not answer any more is noticed soon.
		inside "$gwa" sysctl -qw net.ipv4.neigh.way$i.{base_reachable_time_ms=2000,delay_first_probe_time=1} \
			net.ipv4.neigh.way$i.{ucast_solicit=1,mcast_solicit=1,retrans_time_ms=200} \
			net.ipv6.neigh.way$i.{base_reachable_time_ms=2000,delay_first_probe_time=1} \
			net.ipv6.neigh.way$i.{ucast_solicit=1,mcast_solicit=1,retrans_time_ms=200}
		tc -n "$gwb" qdisc add dev way$i clsact
	done
	if [ "$outer_family" = 4 ]; then
		self=203.0.113.1 peer=203.0.113.2 gateway=198.18.%s.2
	else
		self=2001:db8:9::1 peer=2001:db8:9::2 gateway=2001:db8:%s::2
	fi
}

# route_by KIND: the route to the peer by both ways.
route_by()
{
	local i ids='' hops=''

	for i in 1 2; do
		# shellcheck disable=SC2059
		hops+=" nexthop via $(printf "$gateway" $i) dev way$i"
	done
	if [ "$1" = group ]; then
		defer eval "ip -n $gwa nexthop flush >/dev/null"
		for i in 1 2; do
			# shellcheck disable=SC2059
			ip -n "$gwa" nexthop add id $i via "$(printf "$gateway" $i)" dev way$i
		done
		ip -n "$gwa" nexthop add id 10 group 1/2
		ip -n "$gwa" route add "$peer" nhid 10
	else
		inside "$gwa" sysctl -qw net.ipv4.fib_multipath_use_neigh=1
		# shellcheck disable=SC2086
		ip -n "$gwa" route add "$peer" $hops
	fi
}

# gateway_dies KIND OUTER: the one in use does. As soon as that is known, packets take the other
# way, and the first again as soon as it is back.
gateway_dies()
{
	local i in_use other

	combination 4 "$2"
	defer reset_gateways
	two_ways
	route_by "$1"
	device a static 5
	tunnel id=5 n=1 ns_b= way=out outer="$outer_family" a="$self" b="$peer"
	for i in 1 2; do
		# shellcheck disable=SC2059
		check reach "$gwa" "$(printf "$gateway" $i)" 1 -- "gateway $i does not answer" || return
	done
	watch "$gwa"
	flow "$gwa" "$to"
	check await_seen 5 -- 'the flow has sent less than 5 packets' || return
	in_use=${seen[-1]%%:*}
	other=way$((3 - ${in_use#way}))
	go "$in_use:0x1010" 3 'the start' || return
	ask_for_dead "$in_use" 0
	tc -n "$gwb" filter add dev "$in_use" ingress matchall action drop
	tell_alive "$other"
	check slowwait 30 is_dead "$in_use" -- "the gateway is taken for alive: $(neighbour "$in_use")" || return
	since_now
	go "$other:0x1010" 3 'the death of the gateway'
	tc -n "$gwb" filter del dev "$in_use" ingress
	ask_for_dead "$in_use" 1
	# shellcheck disable=SC2059
	check reach "$gwa" "$(printf "$gateway" "${in_use#way}")" 1 -- 'the gateway is not back' || return
	since_now
	go "$in_use:0x1010" 3 'its return'
	# The same at once, as a routing daemon or a user can do it.
	ask_for_dead "$in_use" 0
	# shellcheck disable=SC2059
	after "$other:0x1010" ip -n "$gwa" neigh change "$(printf "$gateway" "${in_use#way}")" dev "$in_use" nud failed
}

# ask_for_dead WAY TIMES: how often a gateway that is known to be dead is asked for when there is a
# packet for it. While it is, IPv6 takes it for reachable; so a packet that was already on its way
# when it died would make the next ones follow.
ask_for_dead()
{
	inside "$gwa" sysctl -qw net.ipv{4,6}.neigh."$1".mcast_solicit="$2"
}

# tell_alive WAY: its gateway stays known for the rest of the subtest, though nobody sends to it.
tell_alive()
{
	# shellcheck disable=SC2059
	ip -n "$gwa" neigh change "$(printf "$gateway" "${1#way}")" dev "$1" nud permanent
}

# shellcheck disable=SC2059
neighbour()
{
	ip -n "$gwa" neigh show to "$(printf "$gateway" "${1#way}")" dev "$1"
}

is_dead()
{
	[[ $(neighbour "$1") = *FAILED* ]]
}

################################################################################
# Routes and rules

# around: another way to the peer, over a dummy, for routes in other tables than the one in use.
around()
{
	combination 4 "$1"
	family_option=-$1
	defer reset_gateways
	other_underlay
	defer eval "{ ip -n $gwa $family_option rule del pref 100; ip -n $gwa $family_option route flush table 100; } 2>/dev/null"
	# Neither covers the flow's own addresses, nor the other gateway.
	if [ "$1" = 4 ]; then
		via=198.51.100.2 wide=192.0.0.0/16 prefix=192.0.2.0/24 one=$peer/32
	else
		via=3fff::2 wide=2001:db8::/32 prefix=2001:db8::/64 one=$peer/128
	fi
}

way()
{
	ip -n "$gwa" "$family_option" "$@"
}

# A route in a table that is looked at before.
route_in_earlier_table()
{
	around "$1"
	way rule add pref 100 lookup 100
	flowing || return
	after other:0x1010 way route add "$one" via $via dev other table 100
	after under:0x1010 way route del "$one" table 100
	after other:0x1010 way route add "$wide" via $via dev other table 100
	after under:0x1010 way route flush table 100
}

route_in_local_table()
{
	around "$1"
	flowing || return
	after other:0x1010 way route add "$one" via $via dev other table local
	after under:0x1010 way route del "$one" table local
}

rule_added_later()
{
	around "$1"
	way route add "$one" via $via dev other table 100
	flowing || return
	after other:0x1010 way rule add pref 100 lookup 100
	after under:0x1010 way rule del pref 100
	after other:0x1010 way rule add pref 100 to "$one" from "$self" lookup 100
	after under:0x1010 way rule del pref 100
	after - way rule add pref 100 to "$one" prohibit
}

# A table whose wide route does not count.
table_suppressed()
{
	around "$1"
	way rule add pref 100 lookup 100 suppress_prefixlength "${wide#*/}"
	way route add "$wide" via $via dev other table 100
	flowing || return
	after other:0x1010 way route add "$prefix" via $via dev other table 100
	after under:0x1010 way route del "$prefix" table 100
	way rule add pref 99 lookup 100
	since_now
	go other:0x1010 3 'a rule that does not suppress'
	after under:0x1010 way rule del pref 99
}

# It sends those who look on to the next rule.
throw_deleted()
{
	around "$1"
	way route add throw "$one" table 100
	way route add "$wide" via $via dev other table 100
	way rule add pref 100 lookup 100
	flowing || return
	after other:0x1010 way route del throw "$one" table 100
	after under:0x1010 way route add throw "$one" table 100
}

route_more_specific()
{
	around "$1"
	flowing || return
	after other:0x1010 way route add "$one" via $via dev other
	after under:0x1010 way route del "$one"
}

route_from_source()
{
	around 6
	if ! way route add "$prefix" from "$self/128" via $via dev other 2>/dev/null; then
		skip 'the kernel has no routes by source'
		return
	fi
	way route del "$prefix" from "$self/128"
	flowing || return
	after other:0x1010 way route add "$prefix" from "$self/128" via $via dev other
	after under:0x1010 way route del "$prefix" from "$self/128"
}

# The template leaves the outer source address open, and the one in use has been preferred for long
# enough. Nobody tells of that.
source_address_deprecated()
{
	local self peer in_use other=0x2010 another=2001:db8::8000:0:0:1

	combination 6 6
	defer reset_gateways
	device a static 5
	ip -n "$gwa" addr add $another/64 dev under nodad
	defer ip -n "$gwa" addr del $another/64 dev under
	defer ip -n "$gwa" addr change "$self/64" dev under valid_lft forever preferred_lft forever
	esp add 0x1010 9
	self=$another esp add 0x2010 9
	xfrm policy add $everything dir out if_id 5 tmpl src :: dst "$peer" proto esp reqid 9 mode tunnel
	watch "$gwa"
	flow "$gwa" "$to"
	check await_seen 5 -- 'the flow has sent less than 5 packets' || return
	in_use=${seen[-1]#under:}
	[ "$in_use" = 0x1010 ] || self=$another other=0x1010
	go "under:$in_use" 3 'the start' || return
	ip -n "$gwa" addr change "$self/64" dev under valid_lft forever preferred_lft 3
	since_now
	go "under:$in_use" 3 'the time was set'
	check slowwait 30 is_deprecated "$self" -- 'the address is preferred for ever' || return
	since_now
	go under:$other 3 'its time was over'
}

is_deprecated()
{
	[ -n "$(ip -n "$gwa" -6 addr show dev under deprecated to "$1")" ]
}

setup_namespaces

for family in 4 6; do
	subtest gateway_of_group_dies_$family gateway_dies group $family
	subtest gateway_of_multipath_dies_$family gateway_dies multipath $family
	subtest route_in_earlier_table_$family route_in_earlier_table $family
	subtest route_in_local_table_$family route_in_local_table $family
	subtest rule_added_later_$family rule_added_later $family
	subtest table_suppressed_$family table_suppressed $family
	subtest throw_deleted_$family throw_deleted $family
	subtest route_more_specific_$family route_more_specific $family
done
subtest route_from_source_6 route_from_source
subtest source_address_deprecated_6 source_address_deprecated

finish
