#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 90
# Runs: alone
#
# xfrmi drops: whose packets are dropped, why, and how many.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/xfrmi.sh"
. "$lib/xfrmi-live.sh"

# Behind what has no policy, no states, a policy that refuses, and no connection.
ways()
{
	local tenant id

	two_tenants
	for tenant in red blue; do
		id=${if_ids[$tenant]}
		ip -n "$gwa" -batch - <<-END
			route add 10.3.0.0/24 vrf $tenant dev ipsec encap xfrm if_id $((id + 100))
			route add fd00:3::/64 vrf $tenant dev ipsec encap xfrm if_id $((id + 100))
			route add 10.4.0.0/24 vrf $tenant dev ipsec encap xfrm if_id $((id + 200))
			route add 10.5.0.0/24 vrf $tenant dev ipsec encap xfrm if_id $((id + 300))
			route add 10.6.0.0/24 vrf $tenant dev ipsec
			xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id $((id + 300)) action block
		END
		tunnel id=$((id + 200)) n=$((id + 10)) what=policy way=out ns_b=
	done
}

by_reason()
{
	ways
	watch "$gwa" out drops || return
	pings red 10.3.0.10
	pings blue 10.3.0.10 5
	pings red fd00:3::10
	pings red 10.4.0.10
	pings red 10.5.0.10
	pings red 10.6.0.10
	watched '^red \(if_id 107\): no policy for 10\.3\.0\.10, 3 packets$' out
	watched '^blue \(if_id 108\): no policy for 10\.3\.0\.10, 5 packets$' out
	watched '^red \(if_id 107\): no policy for fd00:3::10, 3 packets$' out
	watched '^red \(if_id 207\): no state for 10\.4\.0\.10 \(the tunnel is not up\), 3 packets$' out
	watched '^red \(if_id 307\): refused by a policy for 10\.5\.0\.10, 3 packets$' out
	watched '^ipsec: no connection for 10\.6\.0\.10 \(neither .*\), 3 packets$' out
	# What goes through is not dropped on its way out.
	pings red 10.2.0.2
	job_stop "$watcher"
	check_fail "$(grep -q 'for 10\.2\.0\.2' "$tmp/out"; echo $?)" "it is told of what is sent: $(paste -sd';' "$tmp/out")"
}

too_big()
{
	ways
	watch "$gwa" out drops || return
	pings red 10.2.0.2 1 -M 'do' -s 1460
	watched '^red \(if_id 7\): packet too large for 10\.2\.0\.2 \(.*\), 1 packet$' out
	job_stop "$watcher"
}

# By the connection that it came through, though its device has none.
on_the_way_in()
{
	two_tenants
	ip -n "$gwa" addr add 10.2.0.1/32 dev ipsec
	watch "$gwa" out drops || return
	# Who has no policy for it takes nothing in.
	ip -n "$gwa" xfrm policy flush
	tunnel id=7 n=7 what=policy way=out ns_b=
	pings red 10.2.0.2
	watched '^red \(if_id 7\): refused by a policy, received from 10\.2\.0\.2 for 10\.2\.0\.1, 3 packets$' out
	job_stop "$watcher"
}

static_device()
{
	two_tenants
	watch "$gwb" out drops || return
	ip -n "$gwb" xfrm policy delete src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 7
	pings red 10.2.0.2
	watched '^red \(if_id 7\): no policy for 10\.2\.0\.1, 3 packets$' out
	job_stop "$watcher"
}

by_tenant()
{
	ways
	watch "$gwa" out drops red 208 || return
	pings blue 10.3.0.10
	pings blue 10.4.0.10
	pings red 10.3.0.10
	watched '^blue \(if_id 208\): no state for 10\.4\.0\.10 ' out
	watched '^red \(if_id 107\): no policy for 10\.3\.0\.10, 3 packets$' out
	expect 'how many lines there are' "$(wc -l <"$tmp/out")" 2
	job_stop "$watcher"
	xfrmi "$gwa" drops green
	check [ $? -ne 0 ] -- 'somebody is called green'
	check grep -q "no connection is called 'green'" "$tmp/err" -- "it says: $(cat "$tmp/err")"
}

# Those of other namespaces are nobody's business.
by_namespace()
{
	ways
	watch "$gwb" out drops || return
	watch "$gwa" other drops || return
	pings red 10.3.0.10
	watched 'no policy for 10\.3\.0\.10, 3 packets$' other
	expect 'what gwb is told' "$(cat "$tmp/out")" ''
	stop_jobs
}

as_json()
{
	ways
	watch "$gwa" out drops --json --count 1 red || return
	inside "$gwa" socat -u - UDP:10.3.0.10:53,bind=10.2.0.1:5353,so-bindtodevice=red <<<x
	watch_ends
	json 'has("time") and .device == "ipsec" and .if_id == 107 and .tenant == "red"'
	json '.direction == "out" and .reason == "no_policy" and .packets == 1 and .protocol == 17'
	json '.source == "10.2.0.1" and .destination == "10.3.0.10" and .sport == 5353 and .dport == 53'
	json '(now - .time) | . >= 0 and . < 120'
	expect 'how many lines there are' "$(wc -l <"$tmp/out")" 1
}

# What there was no room for is counted, at least.
full_ring()
{
	local told lost

	ways
	watch "$gwa" out drops --json || return
	kill -STOP "$watcher"
	inside "$gwa" python3 - <<-'END'
		import socket
		sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'red')
		for _ in range(8000): sender.sendto(b'x', ('10.3.0.10', 9))
	END
	kill -CONT "$watcher"
	check slowwait 20 grep -q 'more packets were dropped' "$tmp/out.err" -- 'it says nothing of those lost' >/dev/null
	kill -INT "$watcher"
	watch_ends
	told=$(jq -s 'map(select(.dport == 9).packets) | add' "$tmp/out")
	lost=$(awk '/more packets/ { sum += $2 } END { print sum }' "$tmp/out.err")
	check [ "$told" -gt 0 ] -- 'nothing is told'
	check [ $((told + lost)) -ge 8000 ] -- "of 8000, $told are told, and $lost lost"
}

# What waits to be counted is printed, too.
ends_in_time()
{
	ways
	watch "$gwa" out drops --timeout 4 || return
	pings red 10.3.0.10
	watch_ends
	check grep -q 'no policy for 10\.3\.0\.10, 3 packets' "$tmp/out" -- "it prints: $(cat "$tmp/out")"
}

leaves_nothing()
{
	local before

	ways
	before=$(bpf_left)
	watch "$gwa" out drops || return
	check [ "$(bpf_left)" -gt "$before" ] -- 'no BPF program is there while it runs'
	{ kill -9 "$watcher" && wait "$watcher"; } 2>/dev/null
	check slowwait 20 nothing_more "$before" -- "BPF programs are left: $(bpftool link | paste -sd';')" >/dev/null
}

# shellcheck disable=SC2329
nothing_more()
{
	[ "$(bpf_left)" -le "$1" ]
}

says_what_is_missing()
{
	two_tenants
	inside "$gwa" setpriv --reuid=65534 --clear-groups --inh-caps=-all "$xfrmi_binary" drops 2>"$tmp/err"
	check [ $? -ne 0 ] -- 'anybody may see packets'
	check grep -q 'has to be root' "$tmp/err" -- "it says: $(cat "$tmp/err")"
}

setup_gateways
for name in by_reason too_big on_the_way_in static_device by_tenant by_namespace as_json full_ring ends_in_time \
	leaves_nothing says_what_is_missing; do
	subtest $name $name
done
finish
