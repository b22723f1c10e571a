#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 46
#
# What the patches in patches/7.3 add to the kernel, used as an operator would: with iproute2 as it
# is, and without BPF. Tenants that share one external device are told apart on the way in by
# routing rules and by filters. What the patches must leave alone is tested on all kernels.

. "$(dirname "$0")/../lib/tenants.sh"
. "$(dirname "$0")/../lib/patches.sh"

################################################################################
# Routing rules

# rule GATEWAY TUN_ID TABLE [WHAT]: what comes in with that tunnel id is routed by that table, if
# the rest of the rule says so, too: "iif ipsec" unless given.
rule()
{
	local gateway=$1 rule="${4-iif ipsec} tun_id $2 lookup $3 pref 600" family

	for family in -4 -6; do
		ip -n "$gateway" $family rule add $rule
		defer ip -n "$gateway" $family rule del $rule
	done
}

rules()
{
	local gw i

	for gw in "$gwa" "$gwb"; do
		for i in 1 2 3; do
			rule "$gw" $i $((100 + i))
		done
	done
}

# Without rules, and with rules for other tunnels, nobody gets through.
route()
{
	local address=$1 gw i

	check silent "$left1" "$address" -- 'a tenant gets through without a rule'
	for gw in "$gwa" "$gwb"; do
		rule "$gw" 4 101
	done
	check silent "$left1" "$address" -- "a tenant gets through by another's rule"
	rules
	each_reaches_its_own "$address"
	at_once "$address"
}

# One tenant's rule is none of the others' business.
route_one()
{
	rule "$gwa" 2 102
	rule "$gwb" 2 102
	expect 'who answers tenant 1' "$(who 1 10.0.2.2 3)" ''
	expect 'who answers tenant 2' "$(who 2 10.0.2.2)" tenant2
	expect 'who answers tenant 3' "$(who 3 fd00:b::2 3)" ''
}

# All 32 bits of an if_id count.
route_large_if_id()
{
	local id=$((0xf0000002)) gw

	rule "$gwa" $id 102
	rule "$gwb" $id 102
	rule "$gwb" 2 101
	tunnel id=$id n=9
	way_of_2 "dev ipsec encap xfrm if_id $id" "dev ipsec encap xfrm if_id $id"
	expect 'who answers tenant 2' "$(who 2 10.0.2.2)" tenant2
	expect 'who answers tenant 2' "$(who 2 fd00:b::2)" tenant2
}

# Rules for IP tunnels, whose ids may be the same numbers, are no rules for connections. These match
# nobody, with and without the patches.
others_rules()
{
	local address=$1 gw

	for gw in "$gwa" "$gwb"; do
		ip -n "$gw" link add other type dummy
		defer ip -n "$gw" link del other
		rule "$gw" 2 102 ''
		rule "$gw" 2 102 'iif other'
		rule "$gw" 2 102 'iif red2'
	done
	check silent "$left2" "$address" -- 'a rule that names no interface, or another, matches'
	# One that names the interface does match, where the kernel can.
	patched || return 0
	rule "$gwa" 2 102
	rule "$gwb" 2 102
	expect 'who answers tenant 2' "$(who 2 "$address")" tenant2
}

# An inverted rule matches what it matched before: everything but the tunnel.
others_inverted_rules()
{
	rule "$gwa" 2 102 not
	rule "$gwb" 2 102 not
	expect 'who answers tenant 2' "$(who 2 "$1")" tenant2
}

# A packet of a connection that is redirected to another device keeps its metadata. It is no packet
# of a tunnel with that id for all that.
others_redirected()
{
	local gw

	for gw in "$gwa" "$gwb"; do
		ip -n "$gw" link add other type dummy
		defer ip -n "$gw" link del other
		ip -n "$gw" link set other up
		# Policies for packets of another device would be those without an if_id.
		inside "$gw" sysctl -qw net.ipv4.conf.other.disable_policy=1
		filter "$gw" ipsec ingress action mirred ingress redirect dev other
	done
	rule "$gwa" 2 102 'iif other'
	rule "$gwb" 2 102 'iif other'
	check silent "$left2" 10.0.2.2 -- 'a rule for the device that packets are redirected to matches'
	# They do get there.
	for gw in "$gwa" "$gwb"; do
		ip -n "$gw" rule add iif other lookup 102 pref 599
		defer ip -n "$gw" rule del iif other lookup 102 pref 599
	done
	expect 'who answers tenant 2' "$(who 2 10.0.2.2)" tenant2
}

# way_of_2 FROM-A FROM-B: the second tenant's packets are routed differently from then on, in both
# directions and families.
way_of_2()
{
	local way gw prefix route

	for way in 'gwa 10.0.2.0/24' 'gwa fd00:b::/64' 'gwb 10.0.1.0/24' 'gwb fd00:a::/64'; do
		read -r gw prefix <<<"$way"
		[ "$gw" = gwa ] && route=$1 || route=$2
		ip -n "${!gw}" route replace "$prefix" vrf red2 $route
		defer ip -n "${!gw}" route replace "$prefix" vrf red2 dev ipsec encap xfrm if_id 2
	done
}

################################################################################
# Filters

# counting_devices: on gwb, for each tenant a device that packets can be mirrored to.
counting_devices()
{
	local i

	for i in 1 2 3; do
		ip -n "$gwb" link add "seen$i" type dummy
		defer ip -n "$gwb" link del "seen$i"
		ip -n "$gwb" link set "seen$i" up
	done
}

# filter NS DEVICE DIRECTION WORDS...: a filter that is asked before those that are there.
filter()
{
	local ns=$1 dev=$2 direction=$3
	shift 3

	if ! tc -n "$ns" qdisc show dev "$dev" | grep -q clsact; then
		tc -n "$ns" qdisc add dev "$dev" clsact
		defer tc -n "$ns" qdisc del dev "$dev" clsact
	fi
	tc -n "$ns" filter add dev "$dev" "$direction" protocol all flower "$@"
}

# mirror DEVICE DIRECTION TO MATCH...: what matches on gwb is seen by another device as well.
mirror()
{
	local dev=$1 direction=$2 to=$3
	shift 3

	filter "$gwb" "$dev" "$direction" "$@" action mirred egress mirror dev "$to" continue
}

# Filters put a mark on what comes in, by which a rule picks the table.
mark_by_filter()
{
	local gw i family

	for gw in "$gwa" "$gwb"; do
		for i in 1 2 3; do
			filter "$gw" ipsec ingress enc_key_id $i action skbedit mark $i
			for family in -4 -6; do
				ip -n "$gw" $family rule add fwmark $i lookup $((100 + i)) pref 600
				defer ip -n "$gw" $family rule del fwmark $i lookup $((100 + i)) pref 600
			done
		done
	done
}

flower_mark()
{
	check silent "$left1" "$1" -- 'a tenant gets through without a filter'
	mark_by_filter
	each_reaches_its_own "$1"
	at_once "$1"
}

# mirrored DIRECTION: each tenant's packets on gwb's device, and nobody else's, are seen by its
# filter.
mirrored()
{
	local i left

	mark_by_filter
	counting_devices
	for i in 1 2 3; do
		mirror ipsec "$1" "seen$i" enc_key_id $i
	done
	for i in 1 2 3; do
		left=left$i
		check reach "${!left}" 10.0.2.2 $((i + 1)) -- "tenant $i is not answered over IPv4"
		check reach "${!left}" fd00:b::2 $((i + 4)) -- "tenant $i is not answered over IPv6"
	done
	for i in 1 2 3; do
		expect "packets of tenant $i" "$(stat "$gwb" "seen$i" tx_packets)" $((i + 1 + i + 4))
	done
}

# Only the key is known: a filter that asks for the tunnel's addresses as well matches nothing.
flower_addresses()
{
	counting_devices
	mark_by_filter
	filter "$gwb" ipsec ingress enc_key_id 1 enc_src_ip 192.0.2.1 action drop
	filter "$gwb" ipsec ingress enc_key_id 1 enc_dst_port 500 action drop
	filter "$gwb" ipsec ingress enc_key_id 1 enc_dst_ip 2001:db8::2 action drop
	expect 'who answers tenant 1' "$(who 1 10.0.2.2)" tenant1
	filter "$gwb" ipsec ingress enc_key_id 1 action drop
	expect 'who answers tenant 1 when its packets are dropped' "$(who 1 10.0.2.2 3)" ''
	expect 'who answers tenant 2' "$(who 2 10.0.2.2)" tenant2
}

################################################################################
# IP tunnels, which have had all this before

gre()
{
	local gw

	for gw in "$gwa" "$gwb"; do
		ip -n "$gw" link add gre type gre external || return
		defer ip -n "$gw" link del gre
		ip -n "$gw" link set gre up
	done
	way_of_2 'dev gre encap ip id 2 dst 192.0.2.2 key' 'dev gre encap ip id 2 dst 192.0.2.1 key'
}

gre_route()
{
	gre || { skip 'the kernel has no GRE'; return; }
	check silent "$left2" 10.0.2.2 -- 'a tenant gets through without a rule'
	rule "$gwa" 2 102 "$1"
	rule "$gwb" 2 102 "$1"
	expect 'who answers over IPv4' "$(who 2 10.0.2.2)" tenant2
	expect 'who answers over IPv6' "$(who 2 fd00:b::2)" tenant2
}

gre_flower()
{
	gre || { skip 'the kernel has no GRE'; return; }
	rule "$gwa" 2 102 'iif gre'
	rule "$gwb" 2 102 'iif gre'
	counting_devices
	mirror gre ingress seen1 enc_key_id 1
	mirror gre ingress seen2 enc_key_id 2
	mirror gre ingress seen3 enc_key_id 2 enc_src_ip 192.0.2.1 enc_dst_ip 192.0.2.2
	check reach "$left2" 10.0.2.2 5 -- 'it is not answered'
	expect 'packets with another id' "$(stat "$gwb" seen1 tx_packets)" 0
	expect 'packets with the id' "$(stat "$gwb" seen2 tx_packets)" 5
	expect 'packets with the id and the addresses' "$(stat "$gwb" seen3 tx_packets)" 5
}

################################################################################
# Transport mode

# Transport mode with an if_id is received on the external device; what is sent has none.
transport()
{
	local family=$1 address=${under4[b]}

	[ "$family" = 4 ] || address=${under6[b]}
	reset_gateways
	defer reset_gateways
	ip -n "$gwb" link add ipsec type xfrm external
	ip -n "$gwb" link set ipsec up
	tunnel outer="$family" inner="$family" chain=esp:transport ns_b=
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= way=out
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= id=7 way=in
	check reach "$gwa" "$address" 5 -- 'it is not answered'
	expect 'packets received on the device' "$(stat "$gwb" ipsec rx_packets)" 5
}

################################################################################
# Where the default is to block

# gateway_that_blocks KIND FAMILY: gwa lets nothing through that no policy allows. Those without an
# if_id are for the host behind it and for finding neighbours, which it would have to allow without
# xfrm devices, too.
gateway_that_blocks()
{
	local kind=$1 family=$2 encap=''

	[ "$kind" = static ] || encap='encap xfrm if_id 7'
	reset_gateways
	defer reset_gateways
	device a "$kind" 7
	device b "$kind" 7
	tunnel id=7 outer="$family"
	ip -n "$gwb" -batch - <<-END
		route add 10.3.0.0/24 dev ipsec $encap
		route add fd00:3::/64 dev ipsec $encap
	END
	ip -n "$gwa" -batch - <<-END
		xfrm policy add src 10.3.0.0/24 dst 0.0.0.0/0 dir fwd
		xfrm policy add src fd00:3::/64 dst ::/0 dir fwd
		xfrm policy add src 0.0.0.0/0 dst 10.3.0.0/24 dir out
		xfrm policy add src ::/0 dst fd00:3::/64 dir out
		xfrm policy add src ::/0 dst ::/0 proto ipv6-icmp type 135 dir out
		xfrm policy add src ::/0 dst ::/0 proto ipv6-icmp type 136 dir out
		xfrm policy add src ::/0 dst ::/0 proto ipv6-icmp type 135 dir in
		xfrm policy add src ::/0 dst ::/0 proto ipv6-icmp type 136 dir in
	END
	block_by_default "$gwa"
	# Elsewhere these are permanent.
	defer neighbours "$gwa" b "$gwb"
	ip -n "$gwa" neigh del "${under6[b]}" dev under
	capture "$gwb" under
}

block_by_default()
{
	ip -n "$1" xfrm policy setdefault in block fwd block out block
	defer ip -n "$1" xfrm policy setdefault in accept fwd accept out accept
}

nothing_in_the_clear()
{
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

# All that policies allow works, in both directions, for the gateway itself and for the host behind
# it.
block()
{
	local host=$behind

	gateway_that_blocks "$1" "$2"
	check reach "$gwa" 10.1.0.2 -- 'the gateway is not answered over IPv4'
	check reach "$gwa" fd00:1::2 -- 'the gateway is not answered over IPv6'
	check reach "$gwb" 10.1.0.1 -- 'the gateway does not answer over IPv4'
	check reach "$gwb" fd00:1::1 -- 'the gateway does not answer over IPv6'
	check reach "$host" 10.1.0.2 -- 'the host is not answered over IPv4'
	check reach "$host" fd00:1::2 -- 'the host is not answered over IPv6'
	check reach "$gwb" 10.3.0.2 -- 'the host does not answer over IPv4'
	check reach "$gwb" fd00:3::2 -- 'the host does not answer over IPv6'
	expect 'packets in ESP' "$(captured ': ESP\(' 48)" 48
	nothing_in_the_clear
}

# What is too big for the tunnel is refused, and its sender is told.
block_too_big()
{
	local address size

	gateway_that_blocks "$1" 4
	for address in 10.1.0.2 fd00:1::2; do
		[ "$address" = fd00:1::2 ] && size=1452 || size=1472
		check refused_as_too_big "$gwa" $address $size -- "the gateway is not told of $address"
		check refused_as_too_big "$behind" $address $size -- "the host is not told of $address"
	done
	nothing_in_the_clear
}

# Its own errors do not reach a gateway over IPv6, whose loopback device is blocked by default as
# any other is; but its route has learnt of it.
refused_as_too_big()
{
	[[ $(inside "$1" ping -n -c 4 -i 0.4 -W 3 -M "do" -s "$3" "$2" 2>&1) = \
		*@(@(mtu|MTU)[=:\ ]*1[34]*|'Message too long')* ]]
}

# A device whose states are in another namespace. What comes in by it has no states any more, so
# that there one has to trust the device.
block_netns()
{
	local kind=$1 name=ipsec net=1 ns=$inner self=1 peer=2 encap=''

	gateway_that_blocks "$kind" 4
	[ "$kind" = static ] || encap='encap xfrm if_id 7'
	ip -n "$gwa" link set ipsec netns "$inner"
	defer ip -n "$inner" link del ipsec
	device_address
	block_by_default "$inner"
	check silent "$inner" 10.1.0.2 -- 'an answer is let in over IPv4'
	check silent "$inner" fd00:1::2 -- 'an answer is let in over IPv6'
	inside "$inner" sysctl -qw net.ipv4.conf.ipsec.disable_policy=1 net.ipv6.conf.ipsec.disable_policy=1
	check reach "$inner" 10.1.0.2 -- 'it is not answered over IPv4'
	check reach "$inner" fd00:1::2 -- 'it is not answered over IPv6'
	nothing_in_the_clear
}

# What no policy allows gets out neither beside the device nor by it.
blocked()
{
	local kind=$1 dev=ipsec encap='' ns address before

	gateway_that_blocks "$kind" 4
	neighbours "$gwa" b "$gwb"
	# There is a state for this if_id, and a policy for another host.
	tunnel id=8 n=2 what=state
	tunnel id=8 n=2 what=policy inner=4 sel_b=10.5.0.1/32
	if [ "$kind" = static ]; then
		dev=ipsec8
		ip -n "$gwa" link add $dev type xfrm dev under if_id 8
		defer ip -n "$gwa" link del $dev
		ip -n "$gwa" link set $dev up
	else
		encap='encap xfrm if_id 8'
	fi
	ip -n "$gwa" -batch - <<-END
		route add 10.4.0.0/24 via ${under4[b]} src 10.1.0.1
		route add fd00:4::/64 via ${under6[b]} src fd00:1::1
		route add 10.5.0.0/24 dev $dev src 10.1.0.1 $encap
		route add fd00:5::/64 dev $dev src fd00:1::1 $encap
	END
	defer ip -n "$gwa" route del 10.4.0.0/24
	defer ip -n "$gwa" route del fd00:4::/64
	before=$(stat "$gwa" $dev tx_errors)
	for ns in "$gwa" "$behind"; do
		for address in 10.4.0.2 fd00:4::2 10.5.0.2 fd00:5::2; do
			check silent "$ns" $address -- "$address answers"
		done
	done
	expect 'packets that the device has dropped' $(($(stat "$gwa" $dev tx_errors) - before)) 12
	expect 'packets in ESP' "$(captured ': ESP\(')" 0
	nothing_in_the_clear
	# They would have been seen.
	ip -n "$gwa" xfrm policy setdefault in block fwd block out accept
	for ns in "$gwa" "$behind"; do
		check silent "$ns" 10.4.0.2 -- 'who answers?'
		check silent "$ns" fd00:4::2 -- 'who answers?'
	done
	expect 'packets in the clear, by default' "$(captured "$in_the_clear" 12)" 12
}

# A policy without an if_id that blocks is asked before the device, as ever.
blocked_by_policy()
{
	gateway_that_blocks "$1" 4
	ip -n "$gwa" -batch - <<-END
		xfrm policy add src 0.0.0.0/0 dst 10.1.0.2/32 dir out action block
		xfrm policy add src ::/0 dst fd00:1::2/128 dir out action block
	END
	check silent "$gwa" 10.1.0.2 -- 'the gateway is answered over IPv4'
	check silent "$gwa" fd00:1::2 -- 'the gateway is answered over IPv6'
	check silent "$behind" 10.1.0.2 -- 'the host is answered over IPv4'
	check silent "$behind" fd00:1::2 -- 'the host is answered over IPv6'
	expect 'packets in ESP' "$(captured ': ESP\(')" 0
}

# An encapsulation that sends packets elsewhere than to the device that the route names.
blocked_encap()
{
	gateway_that_blocks "$1" 4
	neighbours "$gwa" b "$gwb"
	if ! ip -n "$gwa" route add fd00:6::/64 encap seg6 mode encap segs "${under6[b]}" dev ipsec src fd00:1::1; then
		skip 'the kernel has no segment routing'
		return
	fi
	check silent "$gwa" fd00:6::2 -- 'it is answered'
	expect 'packets in the clear' "$(captured 'fd00:6::2')" 0
	ip -n "$gwa" xfrm policy setdefault in block fwd block out accept
	check silent "$gwa" fd00:6::2 -- 'it is answered'
	expect 'packets in the clear, by default' "$(captured 'fd00:6::2' 3)" 3
}

# Without the patch, a policy for the device, but not for what the gateway itself sends over IPv6.
others_block_by_device()
{
	gateway_that_blocks "$1" 4
	ip -n "$gwa" -batch - <<-END
		xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dev ipsec dir out
		xfrm policy add src ::/0 dst ::/0 dev ipsec dir out
	END
	check reach "$gwa" 10.1.0.2 -- 'the gateway is not answered over IPv4'
	check reach "$gwb" 10.1.0.1 -- 'the gateway does not answer over IPv4'
	check reach "$behind" 10.1.0.2 -- 'the host is not answered over IPv4'
	check reach "$behind" fd00:1::2 -- 'the host is not answered over IPv6'
	check reach "$gwb" 10.3.0.2 -- 'the host does not answer over IPv4'
	check reach "$gwb" fd00:3::2 -- 'the host does not answer over IPv6'
	patched || check silent "$gwa" fd00:1::2 -- 'the gateway is answered over IPv6'
	nothing_in_the_clear
}

setup_tenants

hook route_4 route 10.0.2.2
hook route_6 route fd00:b::2
hook route_one route_one
hook route_large_if_id route_large_if_id
hook flower_mark_4 flower_mark 10.0.2.2
hook flower_mark_6 flower_mark fd00:b::2
hook flower_mirror_ingress mirrored ingress
hook flower_mirror_egress mirrored egress
hook flower_addresses flower_addresses
for family in 4 6; do
	[ $family = 4 ] && address=10.0.2.2 || address=fd00:b::2
	subtest others_rules_$family others_rules $address
	subtest others_inverted_rules_$family others_inverted_rules $address
done
subtest others_redirected others_redirected
subtest gre_route gre_route 'iif gre'
subtest gre_route_by_id_alone gre_route ''
subtest gre_flower gre_flower
# These take the tenants' tunnels away.
hook transport_4 transport 4
subtest transport_6 transport 6

# And a host that is in no VRF.
behind='' inner=''
setup_ns behind inner || exit "$ksft_skip"
quiet "$behind" "$inner"
host_behind_gwa "$behind"
for kind in static external; do
	hook block_4_$kind block $kind 4
	hook block_6_$kind block $kind 6
	hook block_too_big_$kind block_too_big $kind
	hook block_netns_$kind block_netns $kind
	hook blocked_$kind blocked $kind
	hook blocked_by_policy_$kind blocked_by_policy $kind
	hook blocked_encap_$kind blocked_encap $kind
	subtest others_block_by_device_$kind others_block_by_device $kind
done

finish
