#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 14
# Runs: alone
#
# Why packets are dropped, as the tracepoint skb:kfree_skb tells: what `perf trace -e skb:kfree_skb`
# and dropwatch show an operator.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"

# The tracepoint in an instance of its own, so that other users of tracing are left alone.
tracefs=/sys/kernel/tracing
[ -d "$tracefs/instances" ] || mount -t tracefs tracefs "$tracefs" 2>/dev/null
trace=$tracefs/instances/drops.$$

trace_start()
{
	mkdir "$trace"
	echo 1 >"$trace/events/skb/kfree_skb/enable"
}

# shellcheck disable=SC2329
trace_stop()
{
	[ ! -d "$trace" ] || rmdir "$trace"
}

# dropped_for REASON: whether the driver has dropped three packets for this reason, and none for
# another. Only drops in the driver's own code count.
dropped_for()
{
	local place="[^ ]* \\[$driver_name\\]" reasons

	# What is built in is known by its symbols, which in Rust begin with the crate.
	! driver_built_in || place="[^ ]*${driver_name}[^ ]*"
	reasons=$(sed -n "s/.*location=$place .*reason: //p" "$trace/trace" | sort | uniq -c |
		awk '{ print $1, $2 }')
	expect 'drops by the driver' "$reasons" "3 $1"
}

# three NS ADDRESS [PING-OPTIONS...]: sends three packets that nobody answers.
three()
{
	local ns=$1 address=$2

	shift 2
	ip netns exec "$ns" ping -q -n -c 3 -i 0.05 -W 1 "$@" "$address" >/dev/null 2>&1
}

drop_test()
{
	defer reset_gateways
	: >"$trace/trace"
}

no_metadata()
{
	drop_test
	ip -n "$gwa" link add ipsec type xfrm external
	ip -n "$gwa" link set ipsec up
	ip -n "$gwa" addr add 10.1.0.1/24 dev ipsec
	three "$gwa" 10.1.0.2
	dropped_for TUNNEL_TXINFO
}

# The id of a tunnel that can't be an if_id.
tunnel_id()
{
	drop_test
	device a external 5
	tunnel id=5
	tc -n "$gwa" qdisc add dev ipsec clsact
	tc -n "$gwa" filter add dev ipsec egress matchall \
		action tunnel_key set id 0 src_ip 198.51.100.1 dst_ip 198.51.100.2
	three "$gwa" 10.1.0.2
	dropped_for TUNNEL_TXINFO
}

no_policy()
{
	drop_test
	device a "$1" 5
	three "$gwa" 10.1.0.2
	dropped_for XFRM_POLICY
}

blocked()
{
	drop_test
	device a "$1" 5
	ip -n "$gwa" xfrm policy add src 10.1.0.0/24 dst 10.1.0.0/24 dir out if_id 5 action block
	three "$gwa" 10.1.0.2
	dropped_for XFRM_POLICY
}

too_big()
{
	drop_test
	device a "$1" 5
	device b "$1" 5
	tunnel id=5
	# The sender is told, and would send no more; probing sends all the same.
	three "$gwa" 10.1.0.2 -M probe -s 1460
	dropped_for PKT_TOO_BIG
}

no_route()
{
	drop_test
	device a static 5
	# Redirected to the device, a packet comes without a route, and no route leads through the
	# device to its destination. (IPv4 would take the destination to be on the link.)
	tc -n "$gwa" qdisc add dev under clsact
	tc -n "$gwa" filter add dev under ingress protocol ipv6 prio 1 matchall \
		action mirred egress redirect dev ipsec
	ip -n "$gwb" route add 2001:db8:ffff::/64 via "${under6[a]}" dev under
	three "$gwb" 2001:db8:ffff::1
	tc -n "$gwa" qdisc del dev under clsact
	dropped_for IP_OUTNOROUTES
}

# raw PROTOCOL BYTES: gives the device three packets of so many bytes, which it takes for that
# protocol.
raw()
{
	inside "$gwa" python3 -c '
import socket, sys
protocol, size = (int(number, 0) for number in sys.argv[1:])
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
for i in range(3):
    s.sendto(b"E" * size, ("ipsec", protocol))' "$@"
}

neither_ipv4_nor_ipv6()
{
	drop_test
	device a static 5
	raw 0x88b5 64
	dropped_for UNHANDLED_PROTO
}

# One byte is missing of the header.
too_short()
{
	drop_test
	device a static 5
	raw "$1" "$2"
	dropped_for PKT_TOO_SMALL
}

# What has come through a tunnel, whose policies do not let it in, and would enter another.
nested_without_policy()
{
	drop_test
	defer ip -n "$gwa" link del outer
	defer ip -n "$gwb" link del outer
	device a static 6 name=outer net=2
	device b static 6 name=outer net=2
	device a static 5 dev=
	device b static 5 dev=
	tunnel id=6 n=2 ns_b=
	tunnel id=6 n=2 ns_a= what=state
	tunnel id=5 n=1 a=10.2.0.1 b=10.2.0.2
	three "$gwa" 10.1.0.2
	dropped_for XFRM_POLICY
}

loop()
{
	drop_test
	# The outer packets take a route that leads to the device itself.
	device a static 5 dev=
	tunnel id=5 a=10.1.0.1 b=198.51.100.2
	ip -n "$gwa" route add 198.51.100.2 dev ipsec
	three "$gwa" 10.1.0.2
	dropped_for RECURSION_LIMIT
}

setup_gateways
trace_start
trap 'trace_stop; cleanup_test' EXIT

for kind in static external; do
	subtest "no_policy_$kind" no_policy $kind
	subtest "blocked_$kind" blocked $kind
	subtest "too_big_$kind" too_big $kind
done
subtest no_metadata no_metadata
subtest tunnel_id tunnel_id
subtest no_route no_route
subtest neither_ipv4_nor_ipv6 neither_ipv4_nor_ipv6
subtest too_short_4 too_short 0x800 19
subtest too_short_6 too_short 0x86dd 39
subtest nested_without_policy nested_without_policy
subtest loop loop

finish
