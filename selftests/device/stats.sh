#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
# Runs: alone
#
# What the driver says of its devices beyond what all devices say: ethtool's driver and statistics,
# and the tracepoints xfrm_interface:drop and xfrm_interface:lookup.

. "$(dirname "$0")/../lib/lib.sh"

tracing=/sys/kernel/tracing

# statistics NS NAME...: of the device ipsec.
statistics()
{
	local ns=$1 name
	shift

	inside "$ns" ethtool -S ipsec 2>/dev/null >"$tmp/statistics"
	for name in "$@"; do
		sed -n "s/^ *$name: //p" "$tmp/statistics"
	done | paste -sd' '
}

# driver_said: the driver's name is that of the kind, as with C; the version is the module's.
driver_said()
{
	setup external
	inside "$gwa" ethtool -i ipsec >"$tmp/driver"
	expect 'the driver' "$(sed -n 's/^driver: //p' "$tmp/driver")" xfrm
	expect 'the version' "$(sed -n 's/^version: //p' "$tmp/driver")" "$(modinfo -F version "$MODULE")"
}

# flow COUNT: so many packets of the same flow, from the same CPU.
flow()
{
	inside "$gwa" taskset 1 ping -n -q -c "$1" -i 0.02 -e 77 10.1.0.2 >/dev/null
}

# is_known: packets of the flow are not looked up.
is_known()
{
	local before

	before=$(statistics "$gwa" tx_bundle_known)
	flow 5
	[ "$(statistics "$gwa" tx_bundle_known)" = $((before + 5)) ]
}

# What has just changed is settled after a moment; only then are bundles remembered.
warm_up()
{
	slowwait 20 is_known && return
	check_err 1 "each packet is looked up: $(inside "$gwa" ethtool -S ipsec | tr -s ' \n' ' ')"
	return 1
}

# more_than STATISTIC COUNT
more_than()
{
	[ "$(statistics "$gwa" "$1")" -gt "$2" ]
}

# Packets of a flow whose bundle is known are not looked up.
bundles()
{
	local known looked_up now_known now_looked_up stale

	setup "$1"
	warm_up || return
	read -r known looked_up <<<"$(statistics "$gwa" tx_bundle_known tx_bundle_looked_up)"
	flow 20
	read -r now_known now_looked_up <<<"$(statistics "$gwa" tx_bundle_known tx_bundle_looked_up)"
	expect 'packets in all' $((now_known + now_looked_up)) $((known + looked_up + 20))
	# The kernel itself changes something now and then.
	check [ $((now_looked_up - looked_up)) -lt 5 ] -- "$((now_looked_up - looked_up)) of 20 are looked up"
	expect 'bundles evicted' "$(statistics "$gwa" tx_bundle_evicted)" 0
	# A change is noticed by the next packet of a flow that does not rest, and is not forgotten.
	known=$(statistics "$gwa" tx_bundle_known)
	job_start ip netns exec "$gwa" taskset 1 ping -n -q -i 0.02 -e 78 10.1.0.2 >/dev/null
	defer job_stop "$job"
	check slowwait 10 more_than tx_bundle_known "$((known + 10))" -- 'the second flow is looked up' || return
	stale=$(statistics "$gwa" tx_bundle_stale)
	ip -n "$gwa" xfrm state add src 192.0.2.9 dst 192.0.2.8 proto esp spi 0x99 mode tunnel \
		aead 'rfc4106(gcm(aes))' "0x$(printf '%040x' 1)" 128 if_id 7
	defer ip -n "$gwa" xfrm state deleteall spi 0x99
	check slowwait 10 more_than tx_bundle_stale "$stale" -- 'nothing is stale'
}

metadata()
{
	setup external
	# What another device has made for the same connection is forgotten by then.
	sleep 2.5
	check reach "$gwa" 10.1.0.2 20 -- 'no answer' || return
	statistics "$gwb" rx_metadata_shared rx_metadata_made >"$tmp/metadata"
	expect 'metadata shared and made, together' "$(awk '{ print $1 + $2 }' "$tmp/metadata")" 20
	# One on each CPU, at most.
	check awk -v most="$(nproc)" '$2 < 1 || $2 > most { exit 1 }' "$tmp/metadata" -- "shared and made: $(cat "$tmp/metadata")"
}

# drops CAUSE: what is dropped for that is counted, and told of with the connection and the packet.
drops()
{
	local cause=$1 kind=external dir=out to=10.1.0.2 id=7 ns=$gwa event

	setup "$kind"
	case $cause in
	no_connection)
		ip -n "$gwa" route add 10.7.7.7 dev ipsec
		to=10.7.7.7 id=0
		;;
	no_state) ip -n "$gwa" xfrm state deleteall reqid 9 ;;
	policy)
		ip -n "$gwa" xfrm policy flush
		ip -n "$gwa" xfrm policy add dst 10.7.7.7 dir out if_id 7 action block
		ip -n "$gwa" route add 10.7.7.7 dev ipsec encap xfrm if_id 7
		to=10.7.7.7
		;;
	no_policy) ip -n "$gwa" xfrm policy flush ;;
	too_big) ;;
	loop)
		ip -n "$gwa" route add 192.0.2.2 dev ipsec encap xfrm if_id 7
		defer ip -n "$gwa" route del 192.0.2.2
		;;
	down)
		ip -n "$gwb" link set ipsec down
		dir='in' ns=$gwb
		;;
	in_policy)
		ip -n "$gwb" xfrm policy flush
		tc -n "$gwb" qdisc add dev ipsec clsact
		cause=policy dir='in' ns=$gwb
		tc -n "$gwb" filter add dev ipsec ingress matchall action pass
		;;
	esac
	trace_start drop
	if [ "$cause" = too_big ]; then
		inside "$gwa" taskset 1 ping -n -q -c 1 -W 0.2 -M 'do' -s 1472 "$to" >/dev/null 2>&1
	else
		inside "$gwa" taskset 1 ping -n -q -c 1 -W 0.2 "$to" >/dev/null 2>&1
	fi
	case $dir in
	in) expect 'the statistic' "$(statistics "$ns" rx_drop_$cause)" 1 ;;
	*) expect 'the statistic' "$(statistics "$ns" tx_drop_$cause)" 1 ;;
	esac
	event=$(traced drop)
	check grep -qE "xfrm_interface:? ?drop|drop: " <<<"$event" -- "nothing was traced" || return
	for word in dev=ipsec "if_id=$id" "dir=$dir" "reason=$cause" family=2 "daddr=::ffff:$to" proto=1; do
		check grep -qw "$word" <<<"$event" -- "$word is not in: $event"
	done
}

# trace_start EVENT
trace_start()
{
	defer eval "echo 0 >$tracing/events/xfrm_interface/$1/enable"
	echo >$tracing/trace
	check eval "echo 1 2>/dev/null >$tracing/events/xfrm_interface/$1/enable" -- "there is no event $1"
}

# traced EVENT: the first one.
traced()
{
	grep -m 1 " $1: " $tracing/trace
}

# A look-up is told of, with its result; packets of which the bundle is known are not.
lookups()
{
	setup external
	trace_start lookup
	warm_up || return
	check grep -qE 'if_id=7 .*dir=out result=0 .*saddr=::ffff:10.1.0.1 ' <(traced lookup) -- \
		"the look-up is not in: $(traced lookup)"
	echo >$tracing/trace
	flow 5
	check [ "$(grep ' lookup: ' $tracing/trace | grep -c 'saddr=::ffff:10.1.0.1 ')" -lt 3 ] -- \
		'what is known is looked up'
	ip -n "$gwa" xfrm state deleteall reqid 9
	echo >$tracing/trace
	inside "$gwa" taskset 1 ping -n -q -c 1 -W 0.2 10.1.0.2 >/dev/null 2>&1
	check grep -qE 'if_id=7 .*result=-' <(traced lookup) -- "the error is not in: $(traced lookup)"
}

# Ports, and addresses of IPv6.
fields()
{
	setup static
	ip -n "$gwa" xfrm state deleteall reqid 9
	trace_start drop
	inside "$gwa" taskset 1 socat -u "OPEN:/etc/hostname" 'UDP6:[fd00:1::2]:53,sourceport=4000' 2>/dev/null
	for word in family=10 saddr=fd00:1::1 daddr=fd00:1::2 proto=17 sport=4000 dport=53 reason=no_state; do
		check grep -qw "$word" <(traced drop) -- "$word is not in: $(traced drop)"
	done
}

# The tools read the format of events, and what it says about names, by themselves.
by_trace_cmd()
{
	command -v trace-cmd >/dev/null || { skip 'trace-cmd is missing'; return; }
	setup external
	ip -n "$gwa" xfrm state deleteall reqid 9
	trace-cmd record -q -o "$tmp/trace.dat" -e xfrm_interface:drop \
		ip netns exec "$gwa" ping -n -q -c 1 -W 0.2 10.1.0.2 >"$tmp/trace-cmd" 2>&1
	trace-cmd report -q -i "$tmp/trace.dat" >"$tmp/report" 2>&1
	check grep -q 'drop:.*dev=ipsec if_id=7 .*dir=out reason=no_state .*daddr=::ffff:10.1.0.2 ' "$tmp/report" -- \
		"trace-cmd shows: $(tail -n 3 "$tmp/trace-cmd" "$tmp/report")"
}

by_perf()
{
	command -v perf >/dev/null || { skip 'perf is missing: install linux-perf'; return; }
	setup external
	ip -n "$gwa" xfrm state deleteall reqid 9
	perf trace --no-syscalls -e xfrm_interface:drop -o "$tmp/perf" \
		ip netns exec "$gwa" ping -n -q -c 1 -W 0.2 10.1.0.2 >"$tmp/said" 2>&1
	check grep -q 'xfrm_interface:drop(dev: "ipsec", .*if_id: 7, result: 4, out: 1' "$tmp/perf" -- \
		"perf shows: $(tail -n 1 "$tmp/perf") $(tail -n 1 "$tmp/said")"
}

by_bpftrace()
{
	command -v bpftrace >/dev/null || { skip 'bpftrace is missing'; return; }
	setup external
	ip -n "$gwa" xfrm state deleteall reqid 9
	job_start bpftrace -B line -e 'BEGIN { print("ready"); }
		tracepoint:xfrm_interface:drop { printf("%d %d %d\n", args.if_id, args.out, args.result); }' \
		>"$tmp/bpftrace" 2>&1
	defer job_stop "$job"
	if ! slowwait 60 grep -q ready "$tmp/bpftrace"; then
		check_err 1 "bpftrace does not start: $(tail -n 3 "$tmp/bpftrace")"
		return
	fi
	inside "$gwa" ping -n -q -c 1 -W 0.2 10.1.0.2 >/dev/null 2>&1
	slowwait 10 grep -qx '7 1 4' "$tmp/bpftrace" ||
		check_err 1 "bpftrace shows: $(tail -n 1 "$tmp/bpftrace")"
}

setup()
{
	reset_gateways
	device a "$1" 7
	device b "$1" 7
	tunnel id=7
}

setup_gateways

subtest driver driver_said
subtest bundles_static bundles static
subtest bundles_external bundles external
subtest metadata metadata
for cause in no_connection no_state policy no_policy loop too_big down in_policy; do
	subtest drop_$cause drops $cause
done
subtest lookups lookups
subtest fields fields
subtest by_trace_cmd by_trace_cmd
subtest by_bpftrace by_bpftrace
subtest by_perf by_perf

finish
