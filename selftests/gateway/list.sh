#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 30
#
# xfrmi list: what it tells of connections, and what it finds inconsistent.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/xfrmi.sh"

# Two tenants of an external device: one in a VRF, the other one not.
world()
{
	defer reset_world
	device a external 5
	device b external 5
	tunnel id=5
	tunnel id=6 n=2
	ip -n "$gwa" link add red type vrf table 100
	ip -n "$gwa" link set red up
	ip -n "$gwa" route add 10.2.0.0/24 vrf red dev ipsec encap xfrm if_id 6
}

# shellcheck disable=SC2329
reset_world()
{
	ip -n "$gwa" link del red 2>/dev/null
	ip -n "$gwa" route flush proto 77
	reset_gateways
}

all_is_well()
{
	world
	check reach "$gwa" 10.1.0.2 -- 'the tunnel does not carry'
	succeeds "$gwa" list || return
	printed '^if_id 5  dev ipsec$'
	printed '^if_id 6  vrf red  dev ipsec$'
	printed '^  route 10\.2\.0\.0/24 vrf red dev ipsec  proto boot$'
	printed "^  state out esp from ${under4[a]} to ${under4[b]}  SPI 0x[0-9a-f]{8}  [0-9.]+ k?B, [1-9][0-9]* packets  age [0-9]+ s$"
	printed "^  state in esp from ${under4[b]} to ${under4[a]}  "
	check [ "$(grep -c '  !' "$tmp/out")" -eq 0 ] -- "it finds: $(grep '  !' "$tmp/out" | paste -sd';')"
	xfrmi "$gwa" list --json
	json 'map(.if_id) == [5, 6]'
	json '.[1].vrfs == ["red"] and .[0].vrfs == [] and .[1].routes[0].table == 100'
	json '.[0].states | length == 2 and (map(.direction) | sort) == ["in", "out"]'
	json '.[0].states[] | select(.direction == "out") | .packets > 0 and .bytes > 0 and .age_seconds < 600'
}

# What belongs to others is not there.
by_name()
{
	world
	succeeds "$gwa" list red || return
	expect 'the connections of red' "$(grep '^if_id' "$tmp/out")" 'if_id 6  vrf red  dev ipsec'
	xfrmi "$gwa" list 0x5 --json
	json 'map(.if_id) == [5]'
	check_fail "$(xfrmi "$gwa" list blue; echo $?)" 'a tenant that nobody knows is listed'
	complains "no connection is called 'blue'"
}

# finds TEXT: that, of one connection, and it says so when it ends.
finds()
{
	xfrmi "$gwa" list --wrong
	expect 'how it ends' $? 2
	printed "^  ! $1\$"
	check [ "$(grep -c '^if_id' "$tmp/out")" -eq 1 ] -- "so has another one: $(paste -sd';' "$tmp/out")"
}

findings()
{
	world
	ip -n "$gwa" route add 10.77.0.0/24 dev ipsec proto 77 encap xfrm if_id 7
	finds 'route 10\.77\.0\.0/24 dev ipsec: no policy of the connection is for it'
	ip -n "$gwa" route flush proto 77

	ip -n "$gwa" xfrm state delete src "${under4[a]}" dst "${under4[b]}" proto esp spi 0x1020
	finds "policy out .*: no esp state from ${under4[a]} to ${under4[b]}.*"
	tunnel id=6 n=2 what=state way=out ns_b=

	ip -n "$gwa" link add blue type vrf table 101
	defer ip -n "$gwa" link del blue
	ip -n "$gwa" link set blue up
	ip -n "$gwa" route add 10.2.0.0/24 vrf blue dev ipsec encap xfrm if_id 6
	finds 'several VRFs have it: red, blue; with vrf-by-route what comes in is dropped'
	ip -n "$gwa" link del blue

	ip -n "$gwa" route add 10.2.1.0/24 vrf red dev under encap xfrm if_id 6
	finds 'route 10\.2\.1\.0/24 vrf red dev under: under is no external device.*'
}

setup_gateways
for name in all_is_well by_name findings; do
	subtest $name $name
done
finish
