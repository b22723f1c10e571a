# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Part of lib.sh: traffic, and what is seen of it.

# reach NS ADDRESS [COUNT] [PING-OPTIONS...]: whether every ping is answered.
reach()
{
	local ns=$1 address=$2 count=${3:-3} out
	shift $(($# < 3 ? $# : 3))

	out=$(inside "$ns" ping -n -q -c "$count" -i 0.02 -W 3 "$@" "$address" 2>&1)
	[[ $out = *" $count received"* ]]
}

# silent NS ADDRESS [PING-OPTIONS...]: whether none of a few pings is answered. Without a route, or
# if policies block it, ping does not even try, and counts nothing; that is no answer either, unlike
# a ping that could not be run.
silent()
{
	local ns=$1 address=$2 out
	shift 2

	out=$(inside "$ns" ping -n -q -c 3 -i 0.02 -W 1 "$@" "$address" 2>&1)
	case $out in
	*' 0 received'*) ;;
	*'ping: connect: Network is unreachable' | *'ping: connect: No route to host') ;;
	*'ping: connect: Operation not permitted') ;;
	*' received'*) return 1 ;;
	*)
		log_info "$out"
		return 1
		;;
	esac
}

# await_listener NS PORT: until somebody takes TCP connections there.
await_listener()
{
	slowwait 20 listens "$1" "$(printf ':%04X ' "$2")" >/dev/null
}

listens()
{
	inside "$1" awk '$4 == "0A" { print $2 " " }' /proc/net/tcp /proc/net/tcp6 | grep -q "$2"
}

# stat NS DEVICE COUNTER...: counters of a device as sysfs names them, as in "1 2 3".
stat()
{
	local ns=$1 dev=$2 values
	shift 2

	mapfile -t values < <(cd / && inside "$ns" cat "${@/#//sys/class/net/$dev/statistics/}")
	echo "${values[*]}"
}

# xfrm_stat NS NAME: a line of /proc/net/xfrm_stat.
xfrm_stat()
{
	inside "$1" awk -v name="$2" '$1 == name { print $2 }' /proc/net/xfrm_stat
}

# capture NS DEVICE: from here on, captured counts the packets of that device. The recording itself
# goes on until the test ends, because starting tcpdump takes longer than most subtests.
capture()
{
	capture_file=$tmp/capture.$1.$2
	if [ ! -e "$capture_file" ]; then
		job_start ip netns exec "$1" tcpdump -s 512 -B 4096 -Z root --immediate-mode -l -t -n -i "$2" \
			>"$capture_file" 2>"$capture_file.log"
		slowwait 20 grep -q 'listening on' "$capture_file.log" >/dev/null
	fi
	mapfile -t lines <"$capture_file"
	capture_start=${#lines[@]}
}

# captured REGEX [AT-LEAST]: how many packets since capture match a line of tcpdump. Waits for a
# moment until there are as many as given.
captured()
{
	local regex=$1 least=${2:-0} lines line count

	for ((i = 0; i < 20; i++)); do
		count=0
		mapfile -t -s "$capture_start" lines <"$capture_file"
		for line in "${lines[@]}"; do
			[[ $line =~ $regex ]] && count=$((count + 1))
		done
		[ "$count" -lt "$least" ] || break
		sleep 0.1
	done
	echo "$count"
}

# Inner addresses, which must not be seen in the outermost header on the underlay.
in_the_clear='^IP6? (10\.|fd00:)'
