#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 14
# Runs: alone
# Also: leaks meetings
#
# A namespace is removed while it forwards packets into a device, as it does nearly to its end: the
# device goes late, because its link namespace is another one, which stays. Nothing that was found
# for these packets may be kept longer than the namespace.
#
#	src[port] ---- [port]inner[ipsec]
#	                            :
#	                         gwa, the link namespace ---- under ---- under ---- gwb[ipsec]

. "$(dirname "$0")/../lib/lib.sh"

inner='' src='' other=''
tracing=/sys/kernel/tracing/instances/netns-exit.$$

# trace_start: from here on, the trace has what is released of bundles for IPv6 packets, and when a
# namespace loses what its IPv6 routes need.
trace_start()
{
	local events=/sys/kernel/tracing

	[ -e $events/kprobe_events ] || mount -t tracefs tracefs $events 2>/dev/null
	printf '%s\n' 'p:netns_exit/bundle xfrm6_dst_destroy' 'p:netns_exit/routes ip6_route_net_exit' \
		>>$events/kprobe_events 2>/dev/null || return
	mkdir "$tracing"
	defer eval "printf '%s\n' -:netns_exit/bundle -:netns_exit/routes >>$events/kprobe_events"
	defer rmdir "$tracing"
	defer eval "echo 0 >$tracing/events/netns_exit/enable"
	echo 1 >"$tracing/events/netns_exit/enable"
}

# apart: the removal of namespaces has CPU 0 to itself, and senders, which use the last, go on
# meanwhile.
apart()
{
	local mask=/sys/devices/virtual/workqueue/cpumask

	[ -w $mask ] || return
	defer eval "echo $(cat $mask) >$mask"
	echo 1 >$mask
}

# released_late: how many bundles were released after the namespace had lost its routes.
released_late()
{
	awk '$0 ~ / routes: / { late = 0 } $0 ~ / bundle: / { late++ } END { print late + 0 }' "$tracing/trace"
}

exited()
{
	grep -q ' routes: ' "$tracing/trace"
}

# forwards KIND: src sends through inner's device.
forwards()
{
	local encap='' link=''

	setup_ns inner src
	quiet "$inner" "$src"
	[ "$1" = static ] && link='if_id 5' || link=external encap='encap xfrm if_id 5'
	# shellcheck disable=SC2086
	ip -n "$inner" link add ipsec link-netns "$gwa" type xfrm $link
	ip -n "$inner" link add port type veth peer name port netns "$src"
	inside "$inner" sysctl -qw net.ipv6.conf.all.forwarding=1
	ip -n "$inner" -batch - <<-END
		link set ipsec up
		link set port up
		addr add fd00:2::1/64 dev port nodad
		route add fd00:1::2 dev ipsec $encap
	END
	ip -n "$src" -batch - <<-END
		link set port up
		addr add fd00:2::2/64 dev port nodad
		route add fd00:1::2 via fd00:2::1
	END
	forwarding_link "$inner" port
	forwarding_link "$src" port
	inside "$src" ping -n -q -c 1 -W 3 fd00:2::1 >/dev/null
	# Ever new flows, as fast as they go, until they go nowhere.
	job_start ip netns exec "$src" taskset -c "$(($(nproc) - 1))" timeout 60 python3 -c '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setblocking(False)
n = 0
while True:
    n += 1
    try:
        s.sendto(b"x" * 64, ("fd00:1::2", 1024 + n % 60000))
    except BlockingIOError:
        pass
    except OSError:
        break'
	slowwait 20 sends "$inner" >/dev/null
}

sends()
{
	[ "$(stat "$1" ipsec tx_packets)" -gt 20 ]
}

gone()
{
	! ip -n "$1" link show "$2" >/dev/null 2>&1
}

removed_while_it_forwards()
{
	local i traces=''

	defer reset_gateways
	tunnel id=5 ns_b=
	trace_start && traces=yes
	apart
	for ((i = 0; i < 2000; i++)); do
		echo "link add busy type dummy"
		echo "link del busy"
	done >"$tmp/busy"
	check forwards "$1" -- 'nothing is forwarded' || return
	# The devices of a namespace go under RTNL, so somebody who keeps that busy makes them go
	# late.
	job_start taskset -c 0 timeout 60 ip -n "$gwa" -batch "$tmp/busy"
	[ -z "$traces" ] || echo >"$tracing/trace"
	cleanup_ns "$inner"
	check slowwait 20 gone "$src" port -- 'the namespace is not removed' || return
	job_stop "$job"
	if [ -n "$traces" ]; then
		check slowwait 20 exited -- 'the namespace keeps its routes'
		sleep 2.5
		expect 'bundles that outlived the namespace' "$(released_late)" 0
	fi
	# With the next namespace goes the memory of this one, so that KASAN sees who still uses it.
	setup_ns other
	cleanup_ns "$other" "$src"
	sleep 1
}

setup_gateways

for kind in static external; do
	subtest removed_while_it_forwards_$kind removed_while_it_forwards $kind
done

finish
