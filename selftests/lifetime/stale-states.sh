#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 47
#
# The next packet of a flow that does not pause is right after states have changed: one of them,
# whichever, has expired, migrated, or gone to another interface, or they are in another order.

. "$(dirname "$0")/../lib/stale.sh"

# The transform that is about to expire is not the first one: compression comes before it.
second_transform_expires()
{
	local hard=$1

	combination 4 4
	defer reset_gateways
	device a static 5
	tunnel id=5 n=1 chain='comp:tunnel esp:transport' ns_b= way=out
	watch "$gwa"
	# So large that compression is worth it; zeros.
	flow "$gwa" -s 600 -p 00 "$to"
	go under:0x1012 3 'the start' || return
	# Which is newer is known by the second.
	sleep 1.1
	since_now
	# shellcheck disable=SC2046
	xfrm state add src "$self" dst "$peer" proto esp spi 0x2000 reqid 10 mode transport $(key 10) if_id 5 \
		limit "packet-$hard" 3
	used_up 0x1012 "$2"
}

# used_up SPI COUNT: that many packets go through the newer state, 0x2000, and then all through that
# one.
used_up()
{
	local count=5 end=$((SECONDS + 20))

	# How many the flow sends before the newer state is there depends on how busy the machine
	# is.
	until await_seen $count && [[ ${seen[*]} = *0x2000*" under:$1"* ]]; do
		check [ "$SECONDS" -le "$end" ] -- "packets go through ${seen[*]: -5}" || return
		count=$((${#seen[@]} + 5))
	done
	expect 'packets through the newer state' "$(printf '%s\n' "${seen[@]}" | grep -c 0x2000)" "$2"
	since_now
	go "under:$1" 3 'the limit'
}

# The first of two transforms, and the only one.
first_transform_expires()
{
	combination 4 4
	flowing || return
	sleep 1.1
	since_now
	esp add 0x2000 9 limit packet-soft 3
	used_up 0x1010 4
}

# A mark that fits two states, each of which would not do for the other's mark.
marked()
{
	combination 4 4
	defer reset_gateways
	other_underlay
	device a static 5
	esp add 0x2000 9 mark 0x103 mask 0xfff
	policy update 9 src "$from/32" dst "$to/32" priority 10 mark 0x103 mask 0xffff
	watch "$gwa"
	flow "$gwa" -m $((0x103)) "$to"
	go under:0x2000 3 'the start' || return
	sleep 1.1
}

# elsewhere SPI [OPTIONS...]: a state for the same connection, but between other addresses.
elsewhere()
{
	local self=198.51.100.1 peer=198.51.100.2 spi=$1
	shift

	esp add "$spi" 9 "$@"
}

# A state that migrates, with the policy that it is for, and in its new place suits others, too.
migrated()
{
	marked || return
	elsewhere 0x2010 mark 0x3 mask 0xff
	xfrm policy add $everything dir out if_id 5 priority 1000 \
		tmpl src 198.51.100.1 dst 198.51.100.2 proto esp reqid 9 mode tunnel
	sleep 0.5
	after under:0x2010 inside "$gwa" "$tools/xfrm.py" migrate 5 9 198.51.100.1 198.51.100.2 "$self" "$peer"
}

# A state that migrates alone.
state_migrated()
{
	marked || return
	elsewhere 0x2010 mark 0x3 mask 0xff
	migrates_state || return
	sleep 0.5
	after under:0x2010 inside "$gwa" "$tools/xfrm.py" migrate-state 198.51.100.2 0x2010 "$self" "$peer" 9 3 0xff
}

# One that only this CPU has.
state_of_cpu_migrated()
{
	combination 4 4
	defer reset_gateways
	other_underlay
	flowing || return
	# The newer one is preferred.
	sleep 1.1
	if ! inside "$gwa" "$tools/xfrm.py" state-of-cpu 0 198.51.100.1 198.51.100.2 0x2010 9 5 2>/dev/null; then
		skip 'the kernel has no states of CPUs'
		return
	fi
	migrates_state || return
	sleep 0.5
	after under:0x2010 inside "$gwa" "$tools/xfrm.py" migrate-state 198.51.100.2 0x2010 "$self" "$peer" 9 0 0
}

# The state in use migrates away, and its policy with it.
migrated_away()
{
	combination 4 4
	defer reset_gateways
	other_underlay
	flowing || return
	after other:0x1010 inside "$gwa" "$tools/xfrm.py" migrate 5 9 "$self" "$peer" 198.51.100.1 198.51.100.2
}

# Whether the kernel can migrate states alone.
migrates_state()
{
	local error

	error=$(inside "$gwa" "$tools/xfrm.py" migrate-state 203.0.113.1 1 203.0.113.1 203.0.113.2 0 0 0 2>&1)
	[[ $error = *ESRCH* ]] && return
	skip "the kernel can't migrate states alone: $error"
	return 1
}

# A state goes to another interface, and comes back.
if_id_of_state_changes()
{
	combination 4 4
	flowing || return
	if_id=6 after - esp update 0x1010 9
	if_id=5 after under:0x1010 esp update 0x1010 9
}

# An update that does not say which connection the state is of: that stays what it is. A state that is
# about to expire is not preferred any more, until it has another limit.
state_updated_without_if_id()
{
	combination 4 4
	flowing || return
	sleep 1.1
	after under:0x2000 esp add 0x2000 9 || return
	after under:0x1010 about_to_expire 0x2000 || return
	after under:0x2000 esp_of_none update 0x2000 9 limit time-soft 1000
}

about_to_expire()
{
	esp update "$1" 9 limit time-soft 1 && sleep 2.5
}

esp_of_none()
{
	local if_id=0

	esp "$@"
}

# Of two states that are as good as each other the look-up takes the first. When the table grows, a
# moment after there are more states than it has places, what was first is last. The worker that
# lets it grow has to wait for a CPU, so that packets come in between.
table_of_states_grows()
{
	local first

	[ "$(nproc)" -ge 2 ] || { skip 'there is one CPU only'; return; }
	combination 4 4
	connected
	defer xfrm state flush
	# They are as good as each other if they are of the same second, and better than the first
	# if of a later one.
	sleep 1.1
	check busywait 20000 of_one_second -- 'the states are not of the same second' || return
	flow "$sender" -i 0.005 "$to"
	go under:0x2001 3 'the start' || return
	for first in 0x2000 0x2001 0x2000 0x2001; do
		after under:$first one_growth || return
	done
}

of_one_second()
{
	local spi

	for spi in 0x2000 0x2001; do
		xfrm state delete src "$self" dst "$peer" proto esp spi $spi 2>/dev/null
	done
	for spi in 0x2000 0x2001; do
		echo "xfrm state add src $self dst $peer proto esp spi $spi reqid 9 mode tunnel flag af-unspec $(key 9) if_id 5"
	done | ip -n "$gwa" -batch -
	[ "$(added 0x2000)" = "$(added 0x2001)" ]
}

# added SPI: when the state was.
added()
{
	ip -n "$gwa" -s xfrm state get src "$self" dst "$peer" proto esp spi "$1" | grep -o 'add 2.* use'
}

# table: the number of states, and that of the places that the table has for them.
table()
{
	ip -n "$gwa" -s xfrm state count | sed -n 's/.*SAD count \([0-9]*\) (buckets count \([0-9]*\) .*/\1 \2/p'
}

one_growth()
{
	local count places

	read -r count places < <(table)
	for ((; count < places; count++)); do
		echo "xfrm state add src $self dst 203.0.113.1 proto esp spi $((0x3000 + count)) mode tunnel $(key 1)"
	done >"$tmp/states"
	# shellcheck disable=SC2016
	taskset -c 1 chrt -f 1 ip netns exec "$gwa" bash -c '
		ip -batch - || exit
		end=$((${EPOCHREALTIME/./} + 400000))
		while ((${EPOCHREALTIME/./} < end)); do :; done' <"$tmp/states" || return
	busywait 5000 grown "$places" >/dev/null
}

grown()
{
	[[ $(table) = *" $((2 * $1))" ]]
}

setup_namespaces

subtest second_transform_about_to_expire second_transform_expires soft 4
subtest second_transform_expires second_transform_expires hard 3
subtest first_transform_about_to_expire first_transform_expires
subtest migrated migrated
subtest migrated_away migrated_away
subtest state_migrated state_migrated
subtest state_of_cpu_migrated state_of_cpu_migrated
subtest if_id_of_state_changes if_id_of_state_changes
subtest state_updated_without_if_id state_updated_without_if_id
subtest table_of_states_grows table_of_states_grows

finish
