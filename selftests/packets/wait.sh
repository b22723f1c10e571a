#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 380
#
# Packets that wait for states: with net.core.xfrm_larval_drop=0 the first packets of a connection
# are kept while it is negotiated, as they are where there is no xfrm device.
#
#	inner ---- [in]gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"

# A host behind gwa, or a namespace that has the device, or that it sends to.
inner=''

# A host behind that.
src=''

# Who sends, if not gwa.
ns=''

# Where packets are sent to.
to=''

program=$tmp/metadata.bpf.o

errors='tx_errors tx_dropped tx_carrier_errors'

cat >"$tmp/receive.py" <<-END
	import socket
	s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
	s.bind(("::", 4000))
	while True:
	    print(s.recv(2000).decode().strip("."), flush=True)
END

cat >"$tmp/send.py" <<-END
	import socket, sys
	address, count, *more = sys.argv[1:]
	s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
	if more:
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(more[0]))
	for i in range(int(count)):
	    s.sendto(str(i + 1).ljust(100, ".").encode(), (address, 4000))
END

cat >"$tmp/connect.py" <<-END
	import socket, sys
	socket.create_connection((sys.argv[1], 4000), timeout=20)
END

# in_order N: "1 2 3" up to N.
in_order()
{
	seq -s ' ' "$1"
}

# What gwb has received, in its order.
arrived()
{
	tr '\n' ' ' <"$tmp/received" | sed 's/ $//'
}

# shellcheck disable=SC2329
has_arrived()
{
	[ "$(wc -l <"$tmp/received")" -ge "$1" ]
}

# Sent and not sent.
counted()
{
	# shellcheck disable=SC2086
	stat "${2:-$gwa}" "${1:-ipsec}" tx_packets $errors
}

# shellcheck disable=SC2329
has_counted()
{
	[ "$(counted)" = "$1" ]
}

# waiting KIND FAMILY [NS]: packets of if_id 5 wait in NS, for 30 seconds unless expires= says
# otherwise; sets $to. All is there but states for what gwa sends.
waiting()
{
	local kind=$1 family=$2 ns=${3:-$gwa} from

	[ "$family" = 4 ] && from=10.1.0.1 to=10.1.0.2 || from=fd00:1::1 to=fd00:1::2
	defer reset_gateways
	defer inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=1 net.core.xfrm_acq_expires=30
	inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=0 net.core.xfrm_acq_expires="${expires:-30}"
	if [ "$kind" = none ]; then
		without_device "$family" $from
	else
		device a "$kind" 5 ns="$ns"
		device b "$kind" 5
		tunnel id=5 ns_b= what=policy
		tunnel id=5 ns_a=
	fi
	job_start ip netns exec "$gwb" python3 "$tmp/receive.py" >"$tmp/received"
	defer job_stop "$job"
	slowwait 20 receives >/dev/null
	capture "$gwa" under
}

# The same policies for packets that need no device.
without_device()
{
	local family=$1 from=$2 via=${under4[b]} all=32

	[ "$family" = 4 ] || via=${under6[b]} all=128
	ip -n "$gwa" addr add "$from/$all" dev lo
	defer ip -n "$gwa" addr del "$from/$all" dev lo
	ip -n "$gwb" addr add "$to/$all" dev lo
	defer ip -n "$gwb" addr del "$to/$all" dev lo
	ip -n "$gwa" route add "$to" via "$via" dev under src "$from"
	defer ip -n "$gwa" route del "$to"
	tunnel inner="$family" sel_a="$from" sel_b="$to" ns_b= what=policy
	tunnel inner="$family" sel_a="$from" sel_b="$to" ns_a=
}

# shellcheck disable=SC2329
receives()
{
	inside "$gwb" grep -q ' 0\{32\}:0FA0 ' /proc/net/udp6
}

# send COUNT [MARK]
send()
{
	inside "${ns:-$gwa}" python3 "$tmp/send.py" "${to:?}" "$@"
}

# The negotiation has an end.
negotiated()
{
	tunnel id="${1:-5}" n="${2:-1}" ns_b= what=state
}

# first KIND FAMILY: what was sent before arrives then, all of it and in its order, and nothing in
# the clear.
first()
{
	local kind=$1 family=$2 id=5

	waiting "$kind" "$family"
	[ "$kind" != none ] || id=0
	send 8
	sleep 0.5
	expect 'what arrives before' "$(arrived)" ''
	[ "$kind" = none ] || expect "tx_packets $errors before" "$(counted)" '0 0 0 0'
	negotiated $id
	slowwait 10 has_arrived 8 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 8)"
	[ "$kind" = none ] || expect "tx_packets $errors" "$(counted)" '8 0 0 0'
	send 1
	slowwait 10 has_arrived 9 >/dev/null
	expect 'what arrives then' "$(arrived)" "$(in_order 8) 1"
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

# A key manager is asked once, however many wait and however often they are looked up.
asked_once()
{
	waiting "$1" 4
	job_start ip netns exec "$gwa" ip xfrm monitor acquire >"$tmp/acquires"
	defer job_stop "$job"
	slowwait 20 listens >/dev/null
	send 8
	sleep 1.5
	# What is negotiated meanwhile for another connection is none of its business.
	negotiated 6 2
	sleep 0.5
	expect 'acquires' "$(grep -c '^acquire' "$tmp/acquires")" 1
	expect 'what arrives before' "$(arrived)" ''
	negotiated
	slowwait 10 has_arrived 8 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 8)"
}

# shellcheck disable=SC2329
listens()
{
	# Protocol 6 is XFRM.
	inside "$gwa" awk '$2 == 6 && $4 != "00000000"' /proc/net/netlink | grep -q .
}

# TCP sends its SYN once, and knows that it has not left.
tcp()
{
	local before lookups

	waiting "$1" "$2"
	lookups=$(xfrm_stat "$gwa" XfrmOutNoStates)
	job_start ip netns exec "$gwb" socat -lf /dev/null TCP6-LISTEN:4000,fork /dev/null
	defer job_stop "$job"
	await_listener "$gwb" 4000
	before=$(tcp_retransmits)
	job_start ip netns exec "$gwa" python3 "$tmp/connect.py" "$to" 2>/dev/null
	slowwait 20 looked_up_since "$lookups" >/dev/null
	sleep 2
	negotiated
	check wait "$job" -- 'there is no connection'
	expect 'segments sent again' $(($(tcp_retransmits) - before)) 0
}

# looked_up_since LOOKUPS: whether there were look-ups without a result since then.
# shellcheck disable=SC2329
looked_up_since()
{
	[ "$(xfrm_stat "$gwa" XfrmOutNoStates)" -gt "$1" ]
}

tcp_retransmits()
{
	inside "$gwa" awk '/^Tcp:/ { if (!at) { for (at = 1; $at != "RetransSegs"; at++); } else print $at }' /proc/net/snmp
}

# What gwa forwards waits as well.
forwarded()
{
	local ns

	setup_ns inner
	defer cleanup_ns "$inner"
	quiet "$inner"
	host_behind_gwa "$inner"
	waiting "$1" "$2"
	ns=$inner
	# Who has to be found first would come late.
	inside "$inner" ping -n -q -c 1 -W 3 10.3.0.1 >/dev/null
	inside "$inner" ping -n -q -c 1 -W 3 fd00:3::1 >/dev/null
	send 8
	sleep 0.5
	expect "tx_packets $errors before" "$(counted)" '0 0 0 0'
	negotiated
	slowwait 10 has_arrived 8 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 8)"
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

# What was redirected to the device would take another way by its route.
redirected()
{
	waiting "$1" "$2"
	ip -n "$gwa" link add other type dummy
	defer ip -n "$gwa" link del other
	ip -n "$gwa" link set other up
	# shellcheck disable=SC2046
	ip -n "$gwa" route replace "$to" dev other src "${to%2}1" $(encap "$1")
	tc -n "$gwa" qdisc add dev other clsact
	tc -n "$gwa" filter add dev other egress matchall action mirred egress redirect dev ipsec
	send 8
	sleep 0.5
	negotiated
	slowwait 10 has_arrived 8 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 8)"
	expect "tx_packets $errors" "$(counted)" '8 0 0 0'
	expect 'packets seen twice' "$(stat "$gwa" other tx_packets)" 0
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

encap()
{
	[ "$1" = static ] || echo 'encap xfrm if_id 5'
}

# A packet keeps the connection that a program has set. The program sees it once.
program()
{
	local matched

	if [ ! -e "$program" ]; then
		skip 'there is no compiler for BPF'
		return
	fi
	waiting external "$1"
	ip -n "$gwa" route replace "$to" dev ipsec src "${to%2}1"
	tc -n "$gwa" qdisc add dev ipsec clsact
	tc -n "$gwa" filter add dev ipsec egress prio 1 matchall action continue
	tc -n "$gwa" filter add dev ipsec egress prio 2 bpf direct-action obj "$program" program if_id_is_mark
	send 8 5
	sleep 0.5
	expect "tx_packets $errors before" "$(counted)" '0 0 0 0'
	# States of another connection are not for them.
	negotiated 6 2
	sleep 0.5
	expect 'what arrives before' "$(arrived)" ''
	negotiated
	slowwait 10 has_arrived 8 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 8)"
	expect "tx_packets $errors" "$(counted)" '8 0 0 0'
	matched=$(tc -n "$gwa" -s -j filter show dev ipsec egress |
		jq '[.[].options.actions // [] | .[].stats.packets] | add')
	expect 'packets that the programs see' "$matched" 8
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

# The device is in another namespace than its policies and states.
other_netns()
{
	local ns

	setup_ns inner
	defer cleanup_ns "$inner"
	quiet "$inner"
	ns=$inner
	ip -n "$inner" link add ipsec link-netns "$gwa" type xfrm external
	waiting external "$1" "$inner"
	send 8
	sleep 0.5
	expect "tx_packets $errors before" "$(counted ipsec "$inner")" '0 0 0 0'
	negotiated
	slowwait 10 has_arrived 8 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 8)"
	expect "tx_packets $errors" "$(counted ipsec "$inner")" '8 0 0 0'
}

# Not more than 32 of one connection wait. They leave room for those of another.
room()
{
	local to

	waiting external 4
	ip -n "$gwa" route add 10.2.0.2 dev ipsec src 10.1.0.1 encap xfrm if_id 6
	ip -n "$gwb" addr add 10.2.0.2/32 dev ipsec
	tunnel id=6 n=2 ns_b= what=policy
	tunnel id=6 n=2 ns_a=
	send 40
	expect "tx_packets $errors before" "$(counted)" '0 8 8 8'
	to=10.2.0.2
	send 2
	sleep 0.5
	expect "tx_packets $errors before" "$(counted)" '0 8 8 8'
	negotiated
	slowwait 10 has_arrived 32 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 32)"
	negotiated 6 2
	slowwait 10 has_arrived 34 >/dev/null
	expect 'what arrives then' "$(arrived)" "$(in_order 32) 1 2"
	expect "tx_packets $errors" "$(counted)" '34 8 8 8'
}

# The wait ends, with as much as is counted where nobody waits, and nothing goes on after it.
ends()
{
	local expires=3 lookups

	! debug_kernel || expires=20
	waiting "$1" "$2"
	send 5
	expect "tx_packets $errors before" "$(counted)" '0 0 0 0'
	slowwait 60 has_counted '0 5 5 5' >/dev/null
	expect "tx_packets $errors" "$(counted)" '0 5 5 5'
	lookups=$(xfrm_stat "$gwa" XfrmOutNoStates)
	sleep 1.5
	expect 'look-ups that go on' $(($(xfrm_stat "$gwa" XfrmOutNoStates) - lookups)) 0
	negotiated
	sleep 1
	expect 'what arrives' "$(arrived)" ''
	expect "tx_packets $errors then" "$(counted)" '0 5 5 5'
}

# By default nobody waits.
nobody()
{
	waiting "$1" 4
	inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=1
	send 5
	expect "tx_packets $errors" "$(counted)" '0 5 5 5'
	negotiated
	sleep 0.5
	expect 'what arrives' "$(arrived)" ''
}

# refused WHAT KIND: so much for those that wait when an administrator decides otherwise.
refused()
{
	waiting "$2" 4
	send 5
	case $1 in
	policy_gone) ip -n "$gwa" xfrm policy flush ;;
	policy_blocks)
		ip -n "$gwa" xfrm policy update src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 5 action block
		;;
	nobody_waits) inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=1 ;;
	esac
	slowwait 5 has_counted '0 5 5 5' >/dev/null
	expect "tx_packets $errors" "$(counted)" '0 5 5 5'
	negotiated
	sleep 0.5
	expect 'what arrives' "$(arrived)" ''
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

# The device has become that of another connection.
changed()
{
	waiting static 4
	tunnel id=6 ns_b= what=policy
	send 4
	ip -n "$gwa" link change ipsec type xfrm if_id 6
	negotiated 6
	slowwait 10 has_arrived 4 >/dev/null
	expect 'what arrives' "$(arrived)" "$(in_order 4)"
}

# within SECONDS COMMAND...: whether the command takes no longer.
within()
{
	local seconds=$1 start=$SECONDS
	shift

	"$@" && ((SECONDS - start <= seconds))
}

# Who waits keeps nobody waiting.
deleted()
{
	waiting "$1" "$2"
	send 8
	check within 5 ip -n "$gwa" link del ipsec -- 'the device is not deleted'
	device a "$1" 5
	negotiated
	sleep 0.5
	expect 'what arrives' "$(arrived)" ''
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

switched_off()
{
	waiting "$1" "$2"
	send 8
	ip -n "$gwa" link set ipsec down
	sleep 0.5
	ip -n "$gwa" link set ipsec up
	negotiated
	sleep 0.5
	expect 'what arrives' "$(arrived)" ''
	expect "tx_packets $errors" "$(counted)" '0 0 0 0'
}

# netns_waiting FAMILY: a namespace forwards what src sends, and has it wait. Its policies are in
# another one.
netns_waiting()
{
	setup_ns inner src
	defer cleanup_ns "$src"
	quiet "$inner" "$src"
	gwa=$inner host_behind_gwa "$src"
	ip -n "$inner" link add ipsec link-netns "$gwa" type xfrm external
	waiting external "$1" "$inner"
	inside "$src" ping -n -q -c 1 -W 3 10.3.0.1 >/dev/null
	inside "$src" ping -n -q -c 1 -W 3 fd00:3::1 >/dev/null
	ns=$src send 8
	sleep 0.3
	expect "tx_packets $errors before" "$(counted ipsec "$inner")" '0 0 0 0'
}

# removed NS: removes the namespace, and says whether that takes no longer than it has to.
removed()
{
	cleanup_ns "$1"
	slowwait 10 gone "$src" eth0 >/dev/null
}

gone()
{
	! ip -n "$1" link show "$2" >/dev/null 2>&1
}

# The device is moved. What waits is of the old namespace, and does not keep that.
moved()
{
	netns_waiting "$1"
	ip -n "$inner" link set ipsec netns "$gwa"
	ip -n "$gwa" link set ipsec up
	negotiated
	sleep 0.5
	expect 'what arrives' "$(arrived)" ''
	check removed "$inner" -- 'the namespace is not removed'
}

# The namespace that the device is in goes.
netns_removed()
{
	netns_waiting "$1"
	check removed "$inner" -- 'the namespace is not removed'
	negotiated
	sleep 0.5
	expect 'what arrives' "$(arrived)" ''
}

# The namespace of the policies goes, and with it the device, which is elsewhere.
link_netns_removed()
{
	setup_ns inner src
	defer cleanup_ns "$src"
	quiet "$inner" "$src"
	ip -n "$inner" link add in type veth peer name eth0 netns "$src"
	waiting none "$1"
	inside "$inner" sysctl -qw net.core.xfrm_larval_drop=0
	ip -n "$gwa" link add ipsec link-netns "$inner" type xfrm if_id 5
	ip -n "$gwa" link set ipsec up
	ip -n "$gwa" xfrm policy flush
	ip -n "$gwa" route replace "$to" dev ipsec src "${to%2}1"
	tunnel id=5 ns_a="$inner" ns_b= what=policy
	send 8
	sleep 0.3
	expect "tx_packets $errors before" "$(counted)" '0 0 0 0'
	check removed "$inner" -- 'the namespace is not removed'
	check gone "$gwa" ipsec -- 'the device stays'
	ip -n "$gwa" route add "$to" dev under
}

setup_gateways
bpf_build "$tools/metadata.bpf.c" "$program" || rm -f "$program"

# What the kernel's own queue keeps of routes it never releases.
for family in 4 6; do
	if [ -e /sys/kernel/debug/kmemleak ]; then
		subtest first_none_$family skip 'the kernel leaks references to the routes of packets that wait'
	else
		subtest first_none_$family first none $family
	fi
done
for kind in static external; do
	for family in 4 6; do
		subtest first_${kind}_$family first $kind $family
	done
done
for pair in 'static 4' 'external 6'; do
	name=${pair/ /_}
	for what in tcp forwarded redirected ends deleted switched_off; do
		# shellcheck disable=SC2086
		subtest ${what}_$name $what $pair
	done
done
subtest asked_once asked_once static
subtest nobody nobody external
for what in policy_gone policy_blocks nobody_waits; do
	subtest $what refused $what static
done
subtest room room
subtest changed changed
subtest program_4 program 4
subtest program_6 program 6
subtest other_netns_4 other_netns 4
subtest moved_6 moved 6
# What is not released in time is noticed of IPv6.
subtest netns_removed_6 netns_removed 6
subtest link_netns_removed_6 link_netns_removed 6

finish
