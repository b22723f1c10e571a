# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of xfrmi's agent share.
#
#	$tmp/agent.conf, $tmp/agent.log		its configuration, and what it says

. "$lib/xfrmi.sh"
. "$lib/encap.sh"

agent_pid=''

# agent_start NS SOCKET: the agent in a namespace, with charon's socket.
agent_start()
{
	: >"$tmp/agent.log"
	job_start ip netns exec "$1" "$xfrmi_binary" agent --config "$tmp/agent.conf" --vici "$2" 2>"$tmp/agent.log"
	agent_pid=$job
}

# agent_end [SIGNAL]: ends it, and waits until it has.
agent_end()
{
	{ kill "-${1:-TERM}" "$agent_pid" && wait "$agent_pid"; } 2>/dev/null
}

# said REGEX: the agent has said so, or does soon.
said()
{
	slowwait 20 grep -Eq -e "$1" "$tmp/agent.log" >/dev/null && return
	check_err 1 "the agent does not say '$1', but: $(tail -n 5 "$tmp/agent.log" | paste -sd';')"
	return 1
}

# routes NS VRF: the agent's routes in a VRF, as in "10.9.0.1 1, 10.9.0.2 2".
routes()
{
	routes_of "$1" "$2" 176
}

# route_count NS: how many routes the agent has.
route_count()
{
	{ ip -n "$1" -4 route show table all proto 176; ip -n "$1" -6 route show table all proto 176; } | wc -l
}

# shellcheck disable=SC2329
has_count()
{
	[ "$(route_count "$1")" -eq "$2" ]
}

# shellcheck disable=SC2329
has_routes()
{
	[[ $(routes "$1" "$2") =~ ^$3$ ]]
}

# routed NS VRF REGEX [SECONDS]: within that time these are the agent's routes in the VRF.
routed()
{
	busywait $((${4:-10} * 1000)) has_routes "$1" "$2" "$3" >/dev/null && return
	check_err 1 "the routes of $2 are '$(routes "$1" "$2")', should be '$3': $(tail -n 3 "$tmp/agent.log" | paste -sd';')"
	return 1
}

# monitor NS: from now on all changes of the agent's routes are in $tmp/monitor.
monitor()
{
	job_start ip netns exec "$1" ip monitor route >"$tmp/monitor"
	monitor_pid=$job
	# It has no word for it that it listens.
	while ! grep -qs . "$tmp/monitor"; do
		ip -n "$1" route replace blackhole 203.0.113.1 proto 99
		ip -n "$1" route del blackhole 203.0.113.1 proto 99
		sleep 0.1
	done
}

# monitored: what has changed since, without what monitor() has done itself.
monitored()
{
	sleep 0.3
	job_stop "$monitor_pid"
	grep -v 203.0.113.1 "$tmp/monitor"
}
