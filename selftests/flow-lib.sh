#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For tests of where the packets of a flow go while something changes: a flow that sends without pause from
# one CPU, and for each of its packets what left for it, and by which device, as captures see it.

# watch NS...: the namespaces in which the next flow's packets, and what becomes of them, are looked for.
watch()
{
	local ns

	watched=("$@")
	for ns in "$@"; do
		[ ! -e "$tmp/watch.$ns" ] || continue
		# What it prints tells devices apart, and packets that leave from those that arrive.
		job_start ip netns exec "$ns" tcpdump -s 256 -B 4096 -Z root --immediate-mode -l -tt -n -i any -Q out \
			'icmp[0] == 8 or icmp6[0] == 128 or ip proto 50 or 51 or 108 or ip6 proto 50 or 51 or 108' \
			>"$tmp/watch.$ns" 2>"$tmp/watch.$ns.log"
		slowwait 20 grep -q 'listening on' "$tmp/watch.$ns.log" >/dev/null
	done
}
watched=()

# flow NS ADDRESS [PING-OPTIONS...]: sends to it through the device called "ipsec" until the subtest ends.
flow()
{
	local ns=$1
	shift

	since_now
	job_start ip netns exec "$ns" taskset -c 0 ping -n -q -i 0.02 "$@" >/dev/null 2>&1
	defer job_stop "$job"
}

# since_now: what go() looks at begins here.
since_now()
{
	local ns

	declare -gA watch_from=()
	for ns in "${watched[@]}"; do
		watch_from[$ns]=$(size "$tmp/watch.$ns")
	done
	flow_since=$EPOCHREALTIME
}

size()
{
	wc -c <"$1"
}

# seen: a line for each packet of the flow that was sent since then: what left for it. That is the device and
# the SPIs, outermost first, as in "under:0x2000+0x1010", or "-" for nothing. The last packet is left out, because
# it may still be on its way. A packet that leaves in the clear has no SPI. With two flows, $only is the
# identifier (ping -e) of the one that is meant.
seen()
{
	local ns

	for ns in "${watched[@]}"; do
		tail -c "+$((watch_from[$ns] + 1))" "$tmp/watch.$ns"
	done | sort -s -n -k 1,1 | awk -v since="$flow_since" -v only="${only-}" '
		$1 + 0 <= since + 0 || $3 != "Out" { next }
		$2 == "ipsec" {
			if (mine)
				print left == "" ? "-" : left
			mine = only == "" || index($0, " id " only ",")
			left = ""
			next
		}
		mine {
			spis = ""
			line = $0
			while (match(line, /[sc]pi=0x[0-9a-f]+/)) {
				spi = substr(line, RSTART + 4, RLENGTH - 4)
				sub(/^0x0*/, "0x", spi)
				spis = spis (spis == "" ? "" : "+") spi
				line = substr(line, RSTART + RLENGTH)
			}
			left = left (left == "" ? "" : ",") $2 ":" spis
		}'
}

# Whether the flow has sent that many packets since then; they are in $tmp/seen.
have_seen()
{
	seen >"$tmp/seen"
	[ "$(wc -l <"$tmp/seen")" -ge "$1" ]
}

# go WHAT [COUNT] [CHANGE]: the next packets do, all of them, the first one, too.
go()
{
	local what=$1 count=${2:-3} change=${3:-the change} all='' i

	if ! slowwait 20 have_seen "$count" >/dev/null; then
		check_err 1 "the flow has sent $(wc -l <"$tmp/seen") packets after $change, not $count"
		return 1
	fi
	for ((i = 0; i < count; i++)); do
		all+=" $what"
	done
	expect "where packets went after $change" "$(head -n "$count" "$tmp/seen" | xargs)" "${all# }"
}

# after WHAT COMMAND...: from the end of the command on, packets go there.
after()
{
	local what=$1
	shift

	if ! "$@"; then
		check_err 1 "not done: $*"
		return 1
	fi
	since_now
	go "$what" 3 "'${*//$gwa/gwa}'"
}
