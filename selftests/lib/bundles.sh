#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of remembered bundles share: another way to the peer, and how often the kernel
# calls what.

# A dummy beside the underlay, which shows what is sent over it.
other_underlay()
{
	defer eval "ip -n $gwa link del other 2>/dev/null"
	ip -n "$gwa" -batch - <<-END
		link add other type dummy
		addr add 198.51.100.1/24 dev other
		addr add 3fff::1/64 dev other nodad
		link set other up
		neigh add 198.51.100.2 dev other lladdr 02:00:00:00:00:09 nud permanent
		neigh add 3fff::2 dev other lladdr 02:00:00:00:00:09 nud permanent
	END
}

# probe NAME SYMBOL...: a probe of that name at the first of these functions that there is. It goes
# with the subtest, which is skipped where there is none.
probe()
{
	local name=$1 symbol
	trace=/sys/kernel/tracing
	shift

	[ -e $trace/kprobe_events ] || mount -t tracefs tracefs $trace 2>/dev/null
	for symbol in "$@"; do
		echo "p:$name $symbol" >>$trace/kprobe_events 2>/dev/null || continue
		defer eval "echo '-:$name' >>$trace/kprobe_events"
		return 0
	done
	skip 'this kernel has no kprobes'
	return 1
}

# count_calls_of PID SYMBOL: counts the calls that this process makes of it, from now on. Other
# tests may be running, and softirqs, which handle packets of theirs, interrupt it.
count_calls_of()
{
	local name=bundles_call_$$

	probe "$name" "$2" || return
	calls=$trace/instances/$name
	mkdir -p "$calls"
	defer rmdir "$calls"
	echo "common_pid == $1" >"$calls/events/kprobes/$name/filter"
	defer eval "echo 0 >$calls/events/kprobes/$name/enable"
	echo 1 >"$calls/events/kprobes/$name/enable"
}

calls()
{
	# The third field says in which context: irqs or softirqs disabled, need to reschedule, hardirq
	# or softirq, preemption.
	awk -v name="bundles_call_$$" '/^[^#]/ && index($0, name) && $3 ~ /^..\./ { count++ }
		END { print count + 0 }' "$calls/trace"
}
