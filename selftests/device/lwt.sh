#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 33
# Also: leaks
#
# Routes that say which connection of an external device a packet belongs to ("encap xfrm"): added,
# dumped, replaced, deleted, refused, as routes and as nexthops, and what they do to packets.
#
#	gwa[ipsec, external] ---- under ---- under ---- [ipsec, external]gwb
#	  routes: if_id 5, 6                              states: if_id 5, 6

. "$(dirname "$0")/../lib/lib.sh"

# shellcheck disable=SC2016
encap_jq='"\(.encap.encap_type) \(.encap.if_id) \(.encap.link_dev) \(.dev)"'

# route_shown ADDRESS JQ: a detail of the route to an address.
route_shown()
{
	local family=-4

	[[ $1 != *:* ]] || family=-6
	ip -n "$gwa" $family -j -d route show "$1" | jq -r "[.[] | $2] | join(\" \")"
}

for_family()
{
	[ "$1" = 4 ] && prefix=10.9.0.0/24 family=-4 || prefix=fd00:9::/64 family=-6
}

setup_devices()
{
	defer reset_gateways
	device a external 5
	device b external 5
}

add_and_dump()
{
	for_family "$1"
	setup_devices
	check ip -n "$gwa" $family route add "$prefix" dev ipsec encap xfrm if_id 5 -- 'not added'
	expect 'the route' "$(route_shown "$prefix" "$encap_jq")" 'xfrm 5 null ipsec'
	check ip -n "$gwa" $family route del "$prefix" -- 'not deleted'
	expect 'the route' "$(ip -n "$gwa" $family route show "$prefix")" ''
}

add_and_dump_link_dev()
{
	for_family "$1"
	setup_devices
	check ip -n "$gwa" $family route add "$prefix" dev ipsec encap xfrm if_id 0xfffffffe \
		link_dev under -- 'not added'
	expect 'the route' "$(route_shown "$prefix" "$encap_jq")" \
		'xfrm 4294967294 under ipsec'
}

replace_moves_traffic()
{
	local address=10.1.0.2 before after

	for_family "$1"
	[ "$1" = 4 ] || address=fd00:1::2
	setup_devices
	tunnel id=5 n=1
	tunnel id=6 n=2
	check reach "$gwa" $address -- 'if_id 5 does not reach the peer'
	used=$(state_packets 0x1010)
	expect 'packets of if_id 5' "$used" 3
	check ip -n "$gwa" $family route replace "$address" dev ipsec encap xfrm if_id 6 -- 'not replaced'
	check reach "$gwa" $address -- 'if_id 6 does not reach the peer'
	expect 'packets of if_id 5 after the change' "$(state_packets 0x1010)" 3
	expect 'packets of if_id 6' "$(state_packets 0x1020)" 3
	check ip -n "$gwa" $family route replace "$address" dev ipsec encap xfrm if_id 7 -- 'not replaced'
	check silent "$gwa" $address -- 'an if_id without states reaches the peer'
}

# How many packets gwa's state with that SPI has seen.
state_packets()
{
	ip -n "$gwa" -s xfrm state list spi "$1" | awk '/lifetime current:/ { getline; print +$2; exit }'
}

# Routes that differ in nothing but the if_id are different routes.
delete_compares()
{
	for_family "$1"
	setup_devices
	ip -n "$gwa" $family route add "$prefix" dev ipsec encap xfrm if_id 5
	if [ "$1" = 4 ]; then
		check_fail "$(status ip -n "$gwa" route del "$prefix" dev ipsec encap xfrm if_id 6)" \
			'a route with another if_id was deleted'
		check_fail "$(status ip -n "$gwa" route del "$prefix" dev ipsec encap xfrm if_id 5 \
			link_dev under)" 'a route with another link was deleted'
	fi
	check ip -n "$gwa" $family route del "$prefix" dev ipsec encap xfrm if_id 5 -- 'not deleted'
	expect 'the route' "$(ip -n "$gwa" $family route show "$prefix")" ''
}

status()
{
	"$@" >/dev/null 2>&1
	echo $?
}

# The same device may be a nexthop twice, with different if_ids.
multipath()
{
	local address=10.1.0.2

	for_family "$1"
	[ "$1" = 4 ] || address=fd00:1::2
	setup_devices
	defer ip -n "$gwa" nexthop flush
	tunnel id=5 n=1
	tunnel id=6 n=2
	check ip -n "$gwa" $family -batch - <<-END -- 'not added'
		nexthop add id 1 dev ipsec encap xfrm if_id 5
		nexthop add id 2 dev ipsec encap xfrm if_id 6
	END
	# A group is of no family.
	check ip -n "$gwa" -batch - <<-END -- 'not added'
		nexthop add id 3 group 1/2
		route replace $address nhid 3
	END
	expect 'if_ids' "$(ip -n "$gwa" $family route show "$address" | grep -o 'if_id [0-9a-fx]*' |
		sort | tr '\n' ' ')" 'if_id 5 if_id 6 '
	# Whichever is chosen, the peer is reached; if one has no states, it is not always.
	check reach "$gwa" $address 10 -- 'the peer is not reached'
}

nexthop_object()
{
	local address=10.1.0.2

	for_family "$1"
	[ "$1" = 4 ] || address=fd00:1::2
	setup_devices
	defer ip -n "$gwa" nexthop flush
	tunnel id_a=6 id_b=5
	check ip -n "$gwa" $family nexthop add id 1 dev ipsec encap xfrm if_id 6 -- 'nexthop not added'
	expect 'the nexthop' "$(ip -n "$gwa" -j nexthop show id 1 | jq -r ".[0] | $encap_jq")" \
		'xfrm 6 null ipsec'
	check ip -n "$gwa" $family route replace "$address" nhid 1 -- 'route not added'
	check reach "$gwa" $address -- 'the peer is not reached'
	check ip -n "$gwa" $family nexthop replace id 1 dev ipsec encap xfrm if_id 7 -- 'not replaced'
	check silent "$gwa" $address -- 'the replaced nexthop reaches the peer'
	check ip -n "$gwa" nexthop del id 1 -- 'nexthop not deleted'
	expect 'the route' "$(ip -n "$gwa" $family route show "$address")" ''
}

# Without a route or a program that says what connection is meant, a packet is dropped and counted.
no_metadata()
{
	local address=10.8.0.1

	for_family "$1"
	[ "$1" = 4 ] || address=fd00:8::1
	setup_devices
	tunnel id=5
	ip -n "$gwa" $family route add "$address" dev ipsec
	check silent "$gwa" $address -- 'it is answered'
	expect 'tx_errors tx_dropped tx_carrier_errors tx_packets' \
		"$(stat "$gwa" ipsec tx_errors tx_dropped tx_carrier_errors tx_packets)" '3 3 0 0'
}

# Routes through a device that is deleted go with it.
device_deleted()
{
	for_family "$1"
	setup_devices
	ip -n "$gwa" $family route add "$prefix" dev ipsec encap xfrm if_id 5 link_dev under
	ip -n "$gwa" link del ipsec
	expect 'the route' "$(ip -n "$gwa" $family route show "$prefix")" ''
}

# An encapsulation with an if_id can stand on a route of a static device, which does not need it.
static_ignores_route()
{
	defer reset_gateways
	device a static 5
	device b static 5
	tunnel id=5
	ip -n "$gwa" route replace 10.1.0.2 dev ipsec encap xfrm if_id 6
	check reach "$gwa" 10.1.0.2 -- 'the peer is not reached'
}

setup_gateways

for version in 4 6; do
	for name in add_and_dump add_and_dump_link_dev replace_moves_traffic delete_compares multipath \
		nexthop_object no_metadata device_deleted; do
		subtest ${name}_$version $name $version
	done
done
subtest static_ignores_route static_ignores_route

finish
