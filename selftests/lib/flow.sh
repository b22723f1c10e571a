#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For tests of where the packets of a flow go while something changes: a flow that sends without
# pause from one CPU, and for each of its packets what left for it, and by which device, as captures
# see it. A test looks hundreds of times, so that looking starts next to no processes.

watched=() flow_packets=() seen=()
declare -A watch_fd=() watch_part=() watch_next=() watch_beats=()

# watch NS [OTHER-NS...]: where the next flow is, and where else is looked for what becomes of its
# packets.
watch()
{
	local ns

	watched=("$@")
	for ns in "$@"; do
		[ -n "${watch_fd[$ns]-}" ] || watch_one "$ns"
		# A capture is written when its process gets to it. What the one says of a packet is
		# known to be all when the others say something later; in other namespaces perhaps
		# nothing else leaves.
		[ "$ns" = "$1" ] || [ -n "${watch_beats[$ns]-}" ] || beat "$ns"
	done
}

watch_one()
{
	local ns=$1 file=$tmp/watch.$1 fd

	# What it prints tells devices apart, and packets that leave from those that arrive.
	job_start ip netns exec "$ns" tcpdump -s 256 -B 4096 -Z root --immediate-mode -l -tt -n -i any -Q out \
		'icmp[0] == 8 or icmp6[0] == 128 or ip proto 50 or 51 or 108 or ip6 proto 50 or 51 or 108' \
		>"$file" 2>"$file.log"
	slowwait 20 grep -q 'listening on' "$file.log" >/dev/null
	exec {fd}<"$file"
	watch_fd[$ns]=$fd
}

# beat NS: a packet leaves by a device called "mark" again and again.
beat()
{
	ip -n "$1" link add mark type dummy
	ip -n "$1" link set mark up
	job_start ip netns exec "$1" ping -n -q -i 0.05 -I mark 224.0.0.1 >/dev/null 2>&1
	watch_beats[$1]=$job
}

# flow NS ADDRESS [PING-OPTIONS...]: sends to it through the device called "ipsec" until the subtest
# ends.
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
	local ns lines

	for ns in "${watched[@]}"; do
		mapfile -u "${watch_fd[$ns]}" lines
		[ ${#lines[@]} -eq 0 ] || watch_part[$ns]=${lines[-1]##*$'\n'}
		watch_next[$ns]=''
	done
	flow_since=$EPOCHREALTIME flow_packet='' flow_left='' flow_packets=()
}

# await_seen COUNT [SECONDS]: until that many packets of the flow have left since then; for each
# there is in seen what left for it. That is the device and the SPIs, outermost first, as in
# "under:0x2000+0x1010", or "-" for nothing. A packet that leaves in the clear has no SPI. With two
# flows, $only is the identifier (ping -e) of the one that is meant.
await_seen()
{
	local i=0 end=$((SECONDS + ${2:-20})) packet

	seen=()
	while [ ${#seen[@]} -lt "$1" ]; do
		if [ $i -lt ${#flow_packets[@]} ]; then
			packet=${flow_packets[i++]}
			[[ $packet != "${only:-${packet% *}} "* ]] || seen+=("${packet#* }")
		elif ! look; then
			[ "$SECONDS" -le "$end" ] || return 1
			sleep 0.05
		fi
	done
}

# look: notes what has left next, if that is known.
look()
{
	local ns first=''

	for ns in "${watched[@]}"; do
		[ -n "${watch_next[$ns]}" ] || next_line "$ns" || return
		# They begin with the time.
		[[ -n $first && ${watch_next[$first]} < ${watch_next[$ns]} ]] || first=$ns
	done
	note "${watch_next[$first]}"
	watch_next[$first]=''
}

# next_line NS: the next one of its capture, in watch_next, if it is there to its end.
next_line()
{
	local line

	if ! IFS= read -r -u "${watch_fd[$1]}" line; then
		watch_part[$1]+=$line
		return 1
	fi
	watch_next[$1]=${watch_part[$1]-}$line watch_part[$1]=''
}

# note LINE: a packet of the flow is noted, as its identifier and what left for it, when the next
# one is there: until then it may still be on its way.
left_by='^[^ ]+ ([^ ]+) +Out (.*)'
note()
{
	local what spis=''

	[[ $1 > $flow_since && $1 =~ $left_by ]] || return 0
	what=${BASH_REMATCH[2]}
	case ${BASH_REMATCH[1]} in
	mark) ;;
	ipsec)
		[ -z "$flow_packet" ] || flow_packets+=("$flow_packet ${flow_left:--}")
		[[ $what =~ ' id '([0-9]+), ]]
		flow_packet=${BASH_REMATCH[1]} flow_left=''
		;;
	*)
		[ -n "$flow_packet" ] || return 0
		flow_left+=${flow_left:+,}${BASH_REMATCH[1]}:
		while [[ $what =~ [sc]pi=0x0*([0-9a-f]+) ]]; do
			spis+=${spis:+"+"}0x${BASH_REMATCH[1]}
			what=${what#*"${BASH_REMATCH[0]}"}
		done
		flow_left+=$spis
		;;
	esac
}

# go WHAT [COUNT] [CHANGE]: the next packets do, all of them, the first one, too.
go()
{
	local what=$1 count=${2:-3} change=${3:-the change} all='' i

	if ! await_seen "$count"; then
		check_err 1 "seen of $count packets that the flow sends after $change: ${#seen[@]}"
		return 1
	fi
	for ((i = 0; i < count; i++)); do
		all+=" $what"
	done
	expect "where packets went after $change" "${seen[*]:0:count}" "${all# }"
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
