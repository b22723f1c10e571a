#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 27
#
# Tenants that share one external device, and whose packets are told apart on the way in by a rule
# of the firewall, which acts on the connection that a packet came through, and picks the tenant's
# table.

. "$(dirname "$0")/../lib/tenants.sh"

# Two packets of one socket for two tenants have different connections; here: the states' counters.
each_uses_its_own_states()
{
	local i left before after

	for i in 1 2 3; do
		left=left$i
		before=$(state_bytes)
		reach "${!left}" 10.0.2.2 $((i + 1))
		after=$(state_bytes)
		check expect_only "$i" "$before" "$after" -- "states of others than tenant $i moved"
	done
}

# The bytes that gwa's outbound states of the three tenants have seen.
state_bytes()
{
	local i

	for i in 1 2 3; do
		ip -n "$gwa" -s xfrm state list spi $((0x1000 + i * 16)) |
			awk '/current:/ { getline; print +$1; exit }'
	done | tr '\n' ' '
}

# shellcheck disable=SC2329
expect_only()
{
	local before after i

	read -ra before <<<"$2"
	read -ra after <<<"$3"
	for i in 1 2 3; do
		if [ "$i" = "$1" ]; then
			((after[i - 1] > before[i - 1])) || return 1
		else
			((after[i - 1] == before[i - 1])) || return 1
		fi
	done
}

# A tenant whose states are gone is cut off, and nobody else.
one_removed()
{
	ip -n "$gwa" xfrm state deleteall reqid 17
	check silent "$left2" 10.0.2.2 -- 'tenant 2 still gets through'
	expect 'who answers tenant 2' "$(who 2 10.0.2.2 3)" ''
	expect 'who answers tenant 1' "$(who 1 10.0.2.2)" tenant1
	expect 'who answers tenant 3' "$(who 3 fd00:b::2)" tenant3
	ip -n "$gwb" xfrm state deleteall reqid 17
	tunnel id=2 n=2 what=state
	expect 'who answers tenant 2 with new states' "$(who 2 10.0.2.2)" tenant2
}

# What arrives is only let in by a policy with the if_id of the connection it came through.
policy_of_another()
{
	local before

	ip -n "$gwb" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3
	before=$(xfrm_stat "$gwb" XfrmInNoPols)
	check silent "$left3" 10.0.2.2 -- 'it is let in without a policy'
	expect 'XfrmInNoPols' $(($(xfrm_stat "$gwb" XfrmInNoPols) - before)) 3
	# Policies that ask for another connection's states don't let it in either.
	before=$(xfrm_stat "$gwb" XfrmInTmplMismatch)
	ip -n "$gwb" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3 \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 9 mode tunnel
	check silent "$left3" 10.0.2.2 -- "it is let in by another tenant's template"
	expect 'XfrmInTmplMismatch' $(($(xfrm_stat "$gwb" XfrmInTmplMismatch) - before)) 3
	check reach "$left1" 10.0.2.2 -- 'tenant 1 is cut off'
	ip -n "$gwb" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3
	ip -n "$gwb" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3 \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 25 mode tunnel
	check reach "$left3" 10.0.2.2 -- 'it is not let in by the right policy'
}

# A static device takes the states of its if_id away from the external one, and only those.
static_beside_external()
{
	local before

	ip -n "$gwb" link add own2 type xfrm if_id 2
	defer ip -n "$gwb" link del own2
	ip -n "$gwb" link set own2 up
	inside "$gwb" nft insert rule inet tenants pre iifname own2 meta mark set 2
	before=$(stat "$gwb" ipsec rx_packets)
	check reach "$left2" 10.0.2.2 -- 'tenant 2 is cut off'
	expect 'packets on the static device' "$(stat "$gwb" own2 rx_packets)" 3
	expect "packets on the external device" $(($(stat "$gwb" ipsec rx_packets) - before)) 0
	check reach "$left1" 10.0.2.2 -- 'tenant 1 is cut off'
	expect "tenant 1's packets on the external device" \
		$(($(stat "$gwb" ipsec rx_packets) - before)) 3
}

setup_tenants
mark_by_connection "$gwa"
mark_by_connection "$gwb"

subtest each_reaches_its_own_4 each_reaches_its_own 10.0.2.2
subtest each_reaches_its_own_6 each_reaches_its_own fd00:b::2
subtest all_at_once_4 at_once 10.0.2.2
subtest all_at_once_6 at_once fd00:b::2
for name in each_uses_its_own_states one_removed policy_of_another static_beside_external; do
	subtest $name $name
done

finish
