#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 30
#
# The next packet of a flow that does not pause is right after policies have changed: of any family,
# in any namespace, and what they tell flows apart by.

. "$(dirname "$0")/../lib/stale.sh"

policy_blocks()
{
	combination "$1" "$2"
	flowing "$3" || return
	after - xfrm policy add src "$from/$length" dst "$to/$length" dir out priority 1 if_id 5 action block
	after under:0x1010 xfrm policy delete src "$from/$length" dst "$to/$length" dir out if_id 5
	# One for all, as an administrator does it who wants nothing to get out any more.
	after - xfrm policy update $everything dir out priority 1000 if_id 5 action block
}

policy_more_specific()
{
	combination "$1" "$2"
	second_state
	flowing "$3" || return
	after under:0x1020 policy add 17 src "$from/$length" dst "$to/$length" priority 1
	after under:0x1010 xfrm policy delete src "$from/$length" dst "$to/$length" dir out if_id 5
}

policy_flushed()
{
	combination "$1" "$2"
	flowing "$3" || return
	after - xfrm policy flush
}

# A program of an administrator's tells flows apart: by the TTL, which it takes for the port of UDP.
flow_dissector()
{
	local pin=/sys/fs/bpf/stale-dissector first

	combination 4 4
	if ! bpf_build "$here/dissector.bpf.c" "$tmp/dissector.bpf.o" 2>"$tmp/clang"; then
		skip "the program can not be built: $(head -n 1 "$tmp/clang")"
		return
	fi
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	defer rm -f $pin
	bpftool prog load "$tmp/dissector.bpf.o" $pin type flow_dissector || { skip 'the program can not be loaded'; return; }
	second_state
	flowing one -t 77 -e 77 || return
	first=$job
	policy add 17 $everything proto udp dport 77 priority 1
	since_now
	go under:0x1010 3 'a policy for others' || return
	after under:0x1020 dissector attach $pin
	after under:0x1010 dissector detach $pin
	dissector attach $pin
	# Another flow with the same headers but for the TTL.
	flow "$gwa" -t 78 -e 78 "$to"
	# Neither preempts the other, as it could with Preempt-RT between the two places where a packet is
	# seen.
	chrt -f -p 1 "$first"
	chrt -f -p 1 "$job"
	only=77 go under:0x1020 10 'the start of another flow'
	only=78 go under:0x1010 10 'its start'
	dissector detach $pin
}

# dissector attach|detach PIN: "ip netns exec" would hide the file.
dissector()
{
	nsenter --net="/run/netns/$gwa" bpftool prog "$1" pinned "$2" flow_dissector
}

# A device that was 5 is 6. What belongs to 5 now comes in elsewhere, and is none of its business.
replaced()
{
	defer reset_gateways
	combination 4 4
	device a static 5
	device b static 5
	tunnel id=5 n=1
	# They let in what came through another state.
	tunnel id=6 n=2 ns_a=
	check reach "$gwa" "$to" 3 -- 'it is not answered' || return
	ip -n "$gwb" link change ipsec type xfrm dev under if_id 6
	defer ip -n "$gwb" link del five
	ip -n "$gwb" link add five type xfrm dev under if_id 5
	ip -n "$gwb" link set five up
	ip -n "$gwb" route replace 10.1.0.1/32 dev five src 10.1.0.2
	check reach "$gwa" "$to" 3 -- 'it is not answered by the device that has the if_id now' || return
	# For five seconds they might still be on their way.
	sleep 6
	tc -n "$gwb" qdisc add dev five clsact
	tc -n "$gwb" filter add dev five ingress matchall action mirred ingress redirect dev ipsec
	before=$(xfrm_stat "$gwb" XfrmInTmplMismatch)
	check silent "$gwa" "$to" -- 'packets of another interface are let in'
	expect 'packets that its policies refused' "$(($(xfrm_stat "$gwb" XfrmInTmplMismatch) - before))" 3
}

setup_namespaces

# Where the outer family is IPv6, all is much the same.
[ -z "${ALL-}" ] && pairs=('4 4' '6 4') || pairs=('4 4' '6 4' '4 6' '6 6')
for families in "${pairs[@]}"; do
	for where in one two; do
		name=${families/ /in}_$where
		# shellcheck disable=SC2086
		{
			subtest policy_blocks_$name policy_blocks $families $where
			subtest policy_more_specific_$name policy_more_specific $families $where
		}
	done
done
subtest policy_flushed_4in4 policy_flushed 4 4 two
subtest policy_flushed_6in4 policy_flushed 6 4 two
subtest flow_dissector flow_dissector
subtest replaced replaced

finish
