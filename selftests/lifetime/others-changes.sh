#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
#
# What changes for others does not cost a flow its bundle: for other namespaces, other connections of
# the same one, the other family.

. "$(dirname "$0")/../lib/stale.sh"
. "$lib/patches.sh"

# quiet_flow: a flow that is looked up no more, over IPv4. How many look-ups it takes now is in quiet.
quiet_flow()
{
	if [ "$DRIVER" = c ] || debug_kernel; then
		skip 'it looks up for each packet'
		return 1
	fi
	combination 4 4
	flowing || return
	count_calls_of "$job" xfrm_state_find || return
	send_400 || return
	quiet=$looked_up
}

# send_400: waits until the flow has sent so many more packets; how many look-ups that took is in
# looked_up.
send_400()
{
	local before

	before=$(calls)
	since_now
	check await_seen 400 60 -- 'the flow does not send 400 packets' || return
	looked_up=$(($(calls) - before))
}

# undisturbed: whether the flow is looked up no more often than it was before.
undisturbed()
{
	send_400 && not_looked_up
}

not_looked_up()
{
	# A CPU may miss a bundle while another one sweeps, and what the kernel changes by itself has to
	# settle, for which a busy machine takes its time. Were it about others, it would be all.
	check [ "$quiet" -le 100 ] -- "$quiet look-ups for 400 packets when nothing changed: $(known)"
	check [ "$looked_up" -le 100 ] -- "$looked_up look-ups for 400 packets, $quiet when nothing changed: $(known)"
	[ $((quiet + looked_up)) -le 8 ] || log_info "$quiet and $looked_up look-ups: $(known)"
}

# known: what the device says of what it remembers.
known()
{
	inside "$sender" ethtool -S ipsec | sed -n 's/^ *tx_bundle_//p' | paste -sd' '
}

# States of a namespace that any user can have.
users_states()
{
	quiet_flow || return
	job_start setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn bash -c '
		state="src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x77 reqid 7 mode tunnel
			aead rfc4106(gcm(aes)) 0x$(printf "%040x" 7) 128"
		ip xfrm state add $(echo $state) && echo added && while :; do
			for ((i = 0; i < 100; i++)); do echo xfrm state update $(echo $state); done | ip -batch - || exit
		done' >"$tmp/tenant" 2>&1
	defer job_stop "$job"
	if ! slowwait 20 grep -q added "$tmp/tenant" >/dev/null; then
		skip "users have no namespaces of their own: $(cat "$tmp/tenant")"
		return
	fi
	undisturbed
}

# busy NAME COMMAND...: runs ip over and over in the flow's namespace, with these commands, two lines
# that do something and undo it; at least once until it returns.
busy()
{
	local i

	for ((i = 0; i < 50; i++)); do
		printf '%s\n' "$@"
	done >"$tmp/changes"
	# shellcheck disable=SC2016
	job_start ip netns exec "$sender" bash -c 'while ip -batch "$1" && echo done; do :; done' - "$tmp/changes" \
		>"$tmp/busy" 2>&1
	defer job_stop "$job"
	check slowwait 20 grep -q 'done' "$tmp/busy" -- "nothing changes: $(head -n 3 "$tmp/busy")"
}

# States of another connection, which may be one of those that share a counter with this one; so two
# are tried.
connections_states()
{
	local if_id state

	quiet_flow || return
	state="src $self dst 203.0.113.1 proto esp spi 0x77"
	for if_id in 77 78; do
		busy "xfrm state add $state mode tunnel $(key 7) if_id $if_id" \
			"xfrm state update $state mode tunnel $(key 7) if_id $if_id" "xfrm state delete $state" || return
		send_400 || return
		job_stop "$job"
		[ "$looked_up" -gt 100 ] || break
	done
	not_looked_up
}

# Their policies: that they are "added", or "deleted".
connections_policies()
{
	local i count=2000 left

	for ((i = 0; i < count; i++)); do
		echo "xfrm policy add dst 203.0.$((i / 250)).$((i % 250))/32 dir out if_id $((77 + i % 2))"
	done >"$tmp/policies"
	quiet_flow || return
	defer ip -n "$sender" xfrm policy flush
	if [ "$1" = deleted ]; then
		check ip -n "$sender" -batch "$tmp/policies" -- 'there are no policies of others' || return
		sed -i 's/ add / delete /' "$tmp/policies"
	fi
	# shellcheck disable=SC2016
	job_start ip netns exec "$sender" bash -c 'while read -r line; do echo "$line"; sleep 0.01; done <"$1" |
		ip -force -batch -' - "$tmp/policies" >"$tmp/said" 2>&1
	defer job_stop "$job"
	undisturbed
	left=$(ip -n "$sender" xfrm policy count | sed -n 's/.*OUT \([0-9]*\) .*/\1/p')
	check [ "$left" -gt 100 -a "$left" -lt $((count - 100)) ] -- \
		"there are $left policies, so the flow was not tried: $(head -n 3 "$tmp/said")"
}

# Routes of the other family.
routes_of_ipv6()
{
	quiet_flow && busy "route add fd00:77::/64 dev lo" "route delete fd00:77::/64 dev lo" && undisturbed
}

setup_namespaces

subtest users_states users_states
subtest connections_states connections_states
subtest connections_policies_deleted connections_policies deleted
# Without the patches they end all routes of the namespace.
hook connections_policies_added connections_policies added
subtest routes_of_ipv6 routes_of_ipv6

finish
