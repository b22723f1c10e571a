#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
#
# xfrmi why: what it says of a packet is what becomes of one.
#
#	left ---- gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#	           red: towards left

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/xfrmi.sh"

left=''

# A tenant in a VRF with a host of its own, and one without.
world()
{
	defer reset_world
	device a external 5
	device b external 5
	tunnel id=5
	tunnel id=6 n=2
	ip -n "$gwa" -batch - <<-END
		link add red type vrf table 100
		link set red up
		link add host type veth peer name eth0 netns $left
		link set host master red up
		addr add 10.9.0.1/24 dev host
		route add 10.2.0.0/24 vrf red dev ipsec encap xfrm if_id 6
	END
	forwarding_link "$gwa" host
	inside "$gwa" sysctl -qw net.ipv4.ip_forward=1
	ip -n "$left" -batch - <<-END
		addr add 10.9.0.2/24 dev eth0
		link set eth0 up
	END
}

# shellcheck disable=SC2329
reset_world()
{
	ip -n "$gwa" link del host 2>/dev/null
	ip -n "$gwa" link del red 2>/dev/null
	reset_gateways
}

# ends TEXT ARGUMENT...: why says that the packet ends, and why.
ends()
{
	local text=$1
	shift

	xfrmi "$gwa" why "$@"
	expect "how 'why $*' ends" $? 2
	printed "^It ends here: $text"
}

gets_through()
{
	world
	check reach "$gwa" 10.1.0.2 -- 'the tunnel does not carry'
	succeeds "$gwa" why 10.1.0.2 || return
	printed '^route +10\.1\.0\.2/32 dev ipsec$'
	printed '^connection +if_id 5 by ipsec$'
	printed '^policy +out 0\.0\.0\.0/0 to 0\.0\.0\.0/0, priority 0$'
	printed "^state +esp from ${under4[a]} to ${under4[b]}, SPI 0x00001010, "
	printed '^back +10\.1\.0\.1 is an address of this machine$'
	printed '^It gets through the tunnel\.$'
	succeeds "$gwa" why fd00:1::2 --json || return
	json '.if_id == 5 and .device == "ipsec" and .end == null and .from == "fd00:1::1" and .warnings == []'
}

# The same destination, from behind another device.
forwarded_in_a_vrf()
{
	world
	succeeds "$gwa" why 10.2.0.7 --vrf red --from 10.9.0.2 || return
	printed '^route +10\.2\.0\.0/24 vrf red dev ipsec$'
	printed '^connection +if_id 6 by ipsec$'
	printed '^back +10\.9\.0\.0/24 vrf red dev host$'
	ends 'there is no route$' 10.2.0.7
	check_fail "$(xfrmi "$gwa" why 10.2.0.7 --vrf blue; echo $?)" 'a VRF that is not there is taken'
	complains "there is no VRF 'blue'"
}

# One that fits passes, one of a byte more does not.
mtu_is_right()
{
	local kind=$1 inner=$2 to=10.1.0.2 headers=28 size

	[ "$inner" = 4 ] || to=fd00:1::2 headers=48
	defer reset_gateways
	device a "$kind" 5
	device b "$kind" 5
	tunnel id=5
	ip -n "$gwa" link set ipsec mtu 9000
	succeeds "$gwa" why $to --json || return
	json '.mtu > 1300 and .mtu < 1500'
	size=$(jq .mtu "$tmp/out")
	check fits $((size - headers)) -- "$size bytes do not fit"
	check_fail "$(fits $((size + 1 - headers)); echo $?)" "more than $size bytes fit"
}

fits()
{
	inside "$gwa" ping -n -q -c 1 -W 2 -M 'do' -s "$1" "$to" >/dev/null 2>&1
}

# Of each end: what is said, and what becomes of a packet.
ends_as_it_says()
{
	world
	ip -n "$gwa" route add 10.50.0.0/24 dev ipsec
	ends 'the route names no connection' 10.50.0.1
	check silent "$gwa" 10.50.0.1 -- 'it is answered'

	ip -n "$gwa" route add 10.51.0.0/24 dev ipsec encap xfrm if_id 9
	ends 'no policy of if_id 9 is for packets from ' 10.51.0.1
	check silent "$gwa" 10.51.0.1 -- 'it is answered'

	ip -n "$gwa" route add prohibit 10.52.0.0/24
	ends 'the route prohibits it' 10.52.0.1
	ip -n "$gwa" route del prohibit 10.52.0.0/24

	ends 'it leaves by under, which is no XFRM interface' "${under4[b]}"

	ip -n "$gwa" xfrm policy add dst 10.1.0.2 dir out if_id 5 action block priority 0
	ip -n "$gwa" xfrm policy update src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 5 priority 9 \
		tmpl src "${under4[a]}" dst "${under4[b]}" proto esp reqid 9 mode tunnel
	ends 'the policy blocks it' 10.1.0.2
	check silent "$gwa" 10.1.0.2 -- 'it is answered'
	ip -n "$gwa" xfrm policy del dst 10.1.0.2 dir out if_id 5

	ip -n "$gwa" xfrm state delete src "${under4[a]}" dst "${under4[b]}" proto esp spi 0x1010
	ends "no state from ${under4[a]} to ${under4[b]} yet" 10.1.0.2
	tunnel id=5 what=state way=out ns_b=
	check reach "$gwa" 10.1.0.2 -- 'the tunnel does not carry any more'

	ip -n "$gwa" link set ipsec down
	ends 'there is no route' 10.1.0.2
}

way_back()
{
	world
	ip -n "$gwa" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 5
	succeeds "$gwa" why 10.1.0.2 || return
	printed '^! +an answer is dropped: no policy lets it in, from 10\.1\.0\.2 to 10\.1\.0\.1$'
	check silent "$gwa" 10.1.0.2 -- 'it is answered'
}

setup_gateways
setup_ns left
quiet "$left"
for name in gets_through forwarded_in_a_vrf ends_as_it_says way_back; do
	subtest $name $name
done
for kind in static external; do
	for inner in 4 6; do
		subtest "mtu_${inner}_$kind" mtu_is_right $kind $inner
	done
done
finish
