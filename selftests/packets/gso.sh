#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 36
#
# TCP in big segments: a file goes through the tunnel and is compared, and the counters tell that it
# was not cut into packets before the device.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#	  sender                                receiver

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/files.sh"

transfer()
{
	local kind=$1 inner=$2 outer=$3

	devices "$kind"
	tunnel id=5 outer="$outer"
	send_file "$inner"
	# shellcheck disable=SC2046
	set -- $(stat "$gwa" ipsec tx_packets tx_bytes tx_errors)
	check [ "$2" -ge $size ] -- "only $2 bytes were counted"
	check [ $(($2 / $1)) -gt 1500 ] -- "packets had $(($2 / $1)) bytes on average: no GSO"
	expect 'errors' "$3" 0
}

# Without the device's GSO, the stack cuts packets to its MTU.
transfer_without_gso()
{
	devices "$1"
	inside "$gwa" ethtool -K ipsec tso off gso off >/dev/null
	tunnel id=5
	send_file 4
	# shellcheck disable=SC2046
	set -- $(stat "$gwa" ipsec tx_packets tx_bytes)
	check [ $(($2 / $1)) -le 1500 ] -- "packets had $(($2 / $1)) bytes on average"
}

# Both directions at once, several connections, for a bounded time.
iperf()
{
	local received

	devices "$1"
	tunnel id=5
	job_start ip netns exec "$gwb" iperf3 -s -1 >/dev/null
	await_listener "$gwb" 5201
	received=$(inside "$gwa" timeout 60 iperf3 -J -c 10.1.0.2 -P 2 -t 2 --bidir |
		jq '.end.sum_received.bytes > 100000 and .end.sum_received_bidir_reverse.bytes > 100000')
	expect 'whether both directions moved data' "$received" true
	job_stop "$job"
}

setup_files

for kind in static external; do
	for combination in 4in4 6in4 4in6 6in6; do
		subtest "tcp_${combination}_$kind" transfer $kind "${combination%in*}" "${combination#*in}"
	done
	subtest tcp_without_gso_$kind transfer_without_gso $kind
	subtest iperf_$kind iperf $kind
done

finish
