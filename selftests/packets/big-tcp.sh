#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 40
# Runs: alone
#
# BIG TCP: segments of more than 65,536 bytes, if the administrator allows them. With esp4_offload and
# esp6_offload they are encrypted before they are cut; these modules are why no other test runs beside
# this one.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#	  sender                                receiver

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/files.sh"
. "$lib/esp-offload.sh"

big_transfer()
{
	local kind=$1 inner=$2 outer=$3 offload=$4 watcher try

	[ -z "$offload" ] || modprobe -a esp4_offload esp6_offload
	devices "$kind"
	big_segments || return
	tunnel id=5 outer="$outer"
	# However slow the machine.
	inside "$gwa" sysctl -qw net.ipv4.tcp_min_tso_segs=100
	job_start ip netns exec "$gwa" tcpdump -Z root --immediate-mode -t -n -i ipsec -c 1 'greater 66000' \
		>"$tmp/big" 2>"$tmp/big.log"
	watcher=$job
	slowwait 20 grep -q 'listening on' "$tmp/big.log" >/dev/null
	# A busy machine may give TCP no reason for segments of that size at first.
	for try in {1..6}; do
		send_file "$inner"
		! slowwait 1 ended "$watcher" >/dev/null || break
	done
	check ended "$watcher" -- 'no segment is larger than 66,000 bytes'
	job_stop "$watcher"
	expect 'errors' "$(stat "$gwa" ipsec tx_errors)" 0
}

big_segments()
{
	local ns

	for ns in "$gwa" "$gwb"; do
		check ip -n "$ns" link set ipsec gso_max_size 200000 gso_ipv4_max_size 200000 \
			gro_max_size 200000 gro_ipv4_max_size 200000 -- 'big segments are refused' || return
	done
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

setup_files
for offload in '' offload; do
	for kind in static external; do
		for family in 4 6; do
			subtest "segments_${family}_${offload:+esp_offload_}$kind" \
				big_transfer $kind $family $family "$offload"
		done
	done
done
reset_gateways
subtest esp_offload_goes esp_offload_goes
finish
