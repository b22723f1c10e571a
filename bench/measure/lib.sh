# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the measurements share: the driver under test, packets and what they cost, the results.
#
# A line of the results is, separated by tabs:
#	group variant kind driver unit value least most
# The value is the mean of several rounds. "driver" is "c", "rust" or "builtin" (ours, but built
# into another kernel), or "-" for what goes through none; of that other kernel, all is "builtin".
# The unit of what a packet costs is "instructions" or "nanoseconds", whatever the clock counts.

# shellcheck disable=SC2034 # The scripts that source this use what it sets.

declare -A module_name=([c]=xfrm_interface [rust]=xfrm_interface_rust)
. "${BASH_SOURCE[0]%/*}/../../scripts/load-driver.sh"

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# progress TEXT: where the run is, and how long it has taken by the guest's clock.
progress() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

################################################################################
# The driver

load_driver()
{
	if [ "$1" = builtin ]; then
		DRIVER=rust driver_built_in || die 'our driver is not built into this kernel'
	else
		DRIVER=$1 driver_load
	fi
}

# Namespaces go away in the background, and hold the driver until then.
unload_driver()
{
	settle
	[ "$1" = builtin ] || DRIVER=$1 driver_unload
}

################################################################################
# Results

# result GROUP VARIANT KIND UNIT VALUE [LEAST MOST]
result()
{
	local owner=$driver

	case $driver:$3 in
	builtin:*) ;;
	*:plain | *:policy | *:vti) owner=- ;;
	esac
	echo "$1	$2	$3	$owner	$4	$5	${6:-$5}	${7:-$5}" >>"$RESULTS"
	printf '        %-28s %-10s %14s %s\n' "$2" "$3" "$5" "$4" >&2
}

################################################################################
# Packets

packets=3000 rounds=5

# How many rounds before those are not counted: until what grows with its load fits it.
warm=1

# How many packets of a flood, which are not counted, there are in a round.
flooding=0

# How often measure was called.
measured=0

counter() { ip netns exec "$1" cat "/sys/class/net/$2/statistics/$3"; }

# measure FAMILY KIND UDP-OPTIONS...: sends to the address of that family from namespace bench-a, or
# from bench-s if there is one, and sets value, least and most to what a packet took: the mean,
# because what the kernel does for many packets at once, such as freeing memory, does not fall
# evenly on rounds. Fails unless each packet has left through the underlay, larger than it would be
# without IPsec unless the kind is "plain".
measure()
{
	local family=$1 kind=$2 from=bench-a out before after sent bytes size=${SIZE:-64} all
	shift 2

	measured=$((measured + 1))
	[ ! -e /run/netns/bench-s ] || from=bench-s
	before="$(counter bench-a under tx_packets) $(counter bench-a under tx_bytes)"
	out=$("$UDP" -n "$packets" -r "$rounds" -w "$warm" -s "$size" "$@" "$from" "${first[$family]}") || die 'packets are lost'
	after="$(counter bench-a under tx_packets) $(counter bench-a under tx_bytes)"
	sent=$((${after% *} - ${before% *}))
	# IPv6 has a few packets of its own to send.
	all=$(((packets + flooding) * (rounds + warm)))
	((sent >= all && sent < all + 10)) || die "$sent packets left through the underlay, not $all"
	bytes=$(((${after#* } - ${before#* }) / sent - size - (family == 4 ? 42 : 62)))
	if [ "$kind" = plain ]; then
		((bytes < 2)) || die 'plain packets are too large'
	else
		((bytes > 20)) || die 'packets leave in the clear'
	fi
	read -r value least most < <(sort -n <<<"$out" | awk '
		{ sum += $1; most = $1 } NR == 1 { least = $1 } END { printf "%.1f %s %s\n", sum / NR, least, most }')
}

################################################################################
# Time and memory

exec {silence}<> <(:)

# nap SECONDS: without another process, which would have to be read from a file first.
nap() { read -r -t "$1" -u "$silence" || :; }

# busy: the nanoseconds that processors have spent in tasks. /proc/stat is no help, as it only
# samples short times. Kernels without statistics of the scheduler tell hundredths of seconds.
busy()
{
	local name run total=0 up idle

	if [ ! -e /proc/schedstat ]; then
		read -r up idle </proc/uptime
		echo $(((${up/./} * $(nproc) - ${idle/./}) * 10000000))
		return
	fi
	while read -r name _ _ _ _ _ _ run _; do
		[[ $name != cpu* ]] || total=$((total + run))
	done </proc/schedstat
	echo "$total"
}

# settle: until there is nothing to do: namespaces and devices go away in the background.
settle()
{
	local before try

	for ((try = 0; try < 300; try++)); do
		before=$(busy)
		nap 1
		(($(busy) - before > 50000000)) || return 0
	done
}

# used_memory: the kilobytes that are in use and not given back. Pages that wait on the lists of
# processors, which may be a tenth of the memory, are free, and so is what is unused in slabs.
used_memory()
{
	local name size active objects rest total free

	sync
	echo 3 >/proc/sys/vm/drop_caches
	settle
	while read -r name size rest; do
		case $name in
		MemTotal:) total=$((size * 1024)) ;;
		MemFree:) free=$((size * 1024)) ;;
		esac
	done </proc/meminfo
	while read -r name size rest; do
		[[ $name != count: ]] || free=$((free + size * 4096))
	done </proc/zoneinfo
	# Lean kernels don't show it; there, slabs count as a whole.
	[ ! -r /proc/slabinfo ] || while read -r name active objects size rest; do
		[[ $active != [0-9]* ]] || free=$((free + (objects - active) * size))
	done </proc/slabinfo
	echo $(((total - free) / 1024))
}

# timed GROUP VARIANT KIND EACH: has ip execute the lines of its input in bench-a, and records what
# EACH of them take together. Where the clock counts instructions, that is the instructions, with
# what is done in the background afterwards, and in another result the time with all waits.
#
# Under -icount time leaps forward whenever something is read from a file of the machine's. So the
# first lines are not measured: after them all that ip needs has been read, from its start to its
# end.
timed()
{
	local group=$1 variant=$2 kind=$3 each=$4 lines count warm=15 to pid start spent elapsed

	mapfile -t lines
	count=$((${#lines[@]} - warm))
	ip -n bench-a -batch - <<<"${lines[0]}"
	exec {to}> >(exec ip -n bench-a -batch -)
	pid=$!
	printf '%s\n' "${lines[@]:1:warm - 1}" >&"$to"
	settle
	spent=$(busy) start=$EPOCHREALTIME
	printf '%s\n' "${lines[@]:warm}" >&"$to"
	exec {to}>&-
	wait "$pid"
	elapsed=$((${EPOCHREALTIME/./} - ${start/./}))
	if [ "$unit" = instructions ]; then
		settle
		spent=$(($(busy) - spent))
		result "$group" "$variant" "$kind" instructions $((spent * each / count))
		variant+=', with waits'
	fi
	result "$group" "$variant" "$kind" microseconds $((elapsed * each / count))
}
