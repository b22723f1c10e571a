#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 40
# Runs: alone
#
# What a CPU remembers has room for the flows that send, and for no more than is needed.

. "$(dirname "$0")/../lib/stale.sh"

going=''

# remembers: whether the driver remembers the bundles of flows.
remembers()
{
	[ "$DRIVER" != c ] && ! debug_kernel && return
	skip 'it looks up for each packet'
	return 1
}

# trace_resizes: until the end, $resized tells of the tables that CPUs get.
trace_resizes()
{
	local event

	resized=/sys/kernel/tracing/instances/many-bundles.$$
	event=$resized/events/xfrm_interface/resize/enable
	[ -e /sys/kernel/tracing/instances ] || mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
	mkdir "$resized"
	defer rmdir "$resized"
	defer eval "echo 0 >$event"
	echo 1 >"$event"
	resized+=/trace
}

# entries: how many bundles the CPU has room for that was given another table last.
entries()
{
	awk 'BEGIN { room = 1024 } / resize: cache=bundles / { room = $NF; sub(/.*=/, "", room) } END { print room }' \
		"$resized"
}

room_is()
{
	[ "$(entries)" -eq "$1" ]
}

room_reaches()
{
	[ "$(entries)" -ge "$1" ]
}

# at_rest: nobody sends any more.
at_rest()
{
	remembers || return
	combination 4 4
	check slowwait 20 room_is 1024 -- "there is room for $(entries), though nobody sends"
}

# flows COUNT WARM TURNS FLOOD: they send, and how many look-ups they take after they have sent for
# WARM turns is in looked_up.
flows()
{
	connected
	count_calls_of 0 xfrm_state_find || return
	# The process is not known before it runs, and where it does these files have no names.
	# shellcheck disable=SC2016
	inside "$sender" taskset -c 0 bash -c 'echo "common_pid == $$" >&3 && exec python3 "$@" /dev/fd/4' - \
		"$(dirname "$0")/flows.py" "$to" "$@" >"$tmp/flows" 2>&1 \
		3>"$calls/events/kprobes/bundles_call_$$/filter" 4>"$calls/trace_marker"
	check [ $? -eq 0 ] -- "the flows do not send: $(tail -n 1 "$tmp/flows")" || return
	looked_up=$(awk -v name="bundles_call_$$" '/^[^#]/ && / counted$/ { begun = 1 }
		/^[^#]/ && index($0, name) && begun { count++ } END { print count + 0 }' "$calls/trace")
}

# More flows than there is room for at first.
room_grows()
{
	at_rest && flows 1300 8 8 0 || return
	check [ "$looked_up" -le 520 ] -- "$looked_up look-ups for 10400 packets of 1300 flows: $(entries) entries"
	check [ "$(entries)" -ge 2048 ] -- "there is room for $(entries)"
}

# As soon as they are not used any more, the room that they had is given back.
room_is_given_back()
{
	at_rest && flows 1300 8 0 0 || return
	check [ "$(entries)" -ge 2048 ] -- "there is room for $(entries)" && at_rest
}

# Flows that never come back don't push out those that do, and get no more room.
flood_passes_by()
{
	at_rest && flows 64 20 40 256 || return
	# Each packet of the flood is looked up.
	check [ "$looked_up" -ge 10240 ] -- "$looked_up look-ups for 10240 flows, so they were not tried"
	check [ "$looked_up" -le 10500 ] -- \
		"$((looked_up - 10240)) look-ups for 2560 packets of 64 flows in a flood of 10240 flows"
	expect 'the room for bundles' "$(entries)" 1024
}

# A namespace goes while what is remembered of it is on its way to a larger table, or just has been:
# in any case nothing holds it up.
namespace_goes()
{
	local i job

	for i in 1 2 3 4; do
		at_rest || return
		setup_ns going
		quiet "$going"
		device_in "$going"
		tunnel id=5 n=1 ns_b= way=out outer="$outer_family"
		ip -n "$going" link add end type veth peer name end netns "$gwa"
		# Its marker says that it is not through yet.
		job_start ip netns exec "$going" python3 "$(dirname "$0")/flows.py" "$to" 1300 200 1 0 "$tmp/through"
		# Or past that, if nobody looked when it was.
		if ! slowwait 20 room_reaches $((1024 << i % 2 + 1)); then
			check_err 1 "there is room for $(entries)"
			return
		fi
		job_stop "$job"
		cleanup_ns "$going"
		check slowwait 20 gone "$gwa" end -- 'the namespace is still there' || return
		reset_gateways
	done
	check [ ! -e "$tmp/through" ] -- 'the flows had been through before'
}

gone()
{
	! ip -n "$1" link show "$2" >/dev/null 2>&1
}

setup_namespaces
[ "$DRIVER" = c ] || trace_resizes

subtest room_grows room_grows
subtest room_is_given_back room_is_given_back
subtest flood_passes_by flood_passes_by
subtest namespace_goes namespace_goes

finish
