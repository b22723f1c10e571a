# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What grows with the number of connections on one external device: setting up one more, a packet,
# memory, new states for one, and the end of all.
# shellcheck disable=SC2034 # Local variables here are what measure goes by.

connection_counts=${CONNECTIONS:-1 1000 10000${FULL:+ 100000}}

# So many are set up, or get new states, while the time is taken; more where that is told in
# hundredths of seconds.
sample=100
[ -e /proc/schedstat ] || sample=1000

# add_connections FIRST LAST: prints lines for ip -batch. Each route has a metric of its own, so
# that the kernel does not compare it with those of all others (patches 0011 and 0012 see to that as
# well).
add_connections()
{
	local i

	for ((i = $1; i <= $2; i++)); do
		state 4 "$i" "if_id $i"
		policy 4 "$i" out 0.0.0.0/0 0.0.0.0/0 "if_id $i"
		echo "route add $(tenant_address "$i") dev ipsec src ${source[4]} metric $i encap xfrm if_id $i"
	done
}

# receivers COUNT: prints what bench-b needs for them.
receivers()
{
	local i

	for ((i = 1; i <= $1; i++)); do
		state 4 "$i" "if_id $i"
		policy 4 "$i" in 0.0.0.0/0 0.0.0.0/0 "if_id $i"
		echo "route replace local $(tenant_address "$i") dev lo"
	done
}

# rekeys COUNT: prints, for some of so many connections, a new state and the end of the old one.
rekeys()
{
	local i id

	for ((i = 0; i < sample; i++)); do
		id=$(($1 - i % $1))
		state 4 "$id" "if_id $id" | sed "s/ spi [0-9]*/ spi $((0x2000000 + i))/"
		echo "xfrm state delete src ${left[4]} dst ${right[4]} proto esp spi $((i < $1 ? 0x1000 + id : 0x2000000 + i - $1))"
	done
}

# row COUNT WHAT: what the result is called.
row() { echo "$1: $2"; }

# packets_of COUNT OPTIONS...: measures packets to all of them, with these options of udp.
packets_of()
{
	local count=$1 packets=$(($1 < 4096 ? 4096 : $1)) rounds=2 warm=8
	shift

	# More than our driver has room for, however long it has to grow; and on kernels without patch
	# 0013 each packet that is received takes half a million instructions.
	[ "$count" -lt 100000 ] || rounds=1 warm=1
	measure 4 external -t "$count" "$@"
}

sending()
{
	local count=$1 before after

	underlay dummy
	sender
	before=$(used_memory)
	ip -n bench-a -batch - < <(device external 4)
	[ "$count" -le "$sample" ] || add_connections 1 $((count - sample)) | ip -n bench-a -batch -
	add_connections $((count > sample ? count - sample + 1 : 1)) $((count > sample ? count : sample)) |
		timed connections "$(row "$count" 'adding one')" external 3
	[ "$count" -lt 1000 ] ||
		result connections "$(row "$count" 'memory of one')" external bytes $((($(used_memory) - before) * 1024 / count))
	packets_of "$count"
	result connections "$(row "$count" 'a packet, in turn')" external "$unit" "$value" "$least" "$most"
	transmitting=$value
	packets_of "$count" -z
	result connections "$(row "$count" "a packet, by Zipf's law")" external "$unit" "$value" "$least" "$most"
	# Until our driver has forgotten what it remembers of them.
	nap 5
	rekeys "$count" | timed connections "$(row "$count" 'new states for one')" external 2
	ending "$count"
	remove_all
}

# ending COUNT: all of them, one after the other.
ending()
{
	local spent

	settle
	spent=$(busy)
	ip -n bench-a -batch - <<-END
		xfrm policy flush
		xfrm state flush
		link del ipsec
	END
	settle
	[ "$1" -lt 1000 ] ||
		result connections "$(row "$1" 'removing one')" external "$unit" $((($(busy) - spent) / $1))
}

# connections_setup COUNT: from bench-a to bench-b.
connections_setup()
{
	underlay veth
	sender
	ip -n bench-a -batch - < <(device external 4)
	add_connections 1 "$1" | ip -n bench-a -batch -
	ip -n bench-b -batch - < <(device external 4; receivers "$1")
}

receiving()
{
	local count=$1

	connections_setup "$count"
	packets_of "$count" -i bench-b
	received connections "$(row "$count" 'a packet received, in turn')" external
	remove_all
}

connections()
{
	local count transmitting

	room_for_neighbours
	for count in $connection_counts; do
		sending "$count"
		receiving "$count"
	done
	restore_neighbours
}
