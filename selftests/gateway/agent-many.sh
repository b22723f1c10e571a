#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 90
#
# xfrmi agent with a charon that only talks: many road warriors at once, and what real ones seldom do.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/agent.sh"

# How many, and in how many seconds the routes of all have to be there; the machine is emulated.
count=200 patience=20

# charon_talks: a new one, without SAs.
charon_talks()
{
	coproc charon { exec python3 "$tools/vici.py" "$tmp/vici"; }
	jobs_started+=("$charon_PID")
	talking=$charon_PID
	exec {to}>&"${charon[1]}" {from}<&"${charon[0]}"
	slowwait 20 test -S "$tmp/vici" >/dev/null
}

# shellcheck disable=SC2329
charon_dies()
{
	{ kill -9 "$talking" && wait "$talking"; } 2>/dev/null
	exec {to}>&- {from}<&-
	rm -f "$tmp/vici"
}

# tell WORD...: a command for it.
tell()
{
	local answer

	echo "$*" >&"$to"
	read -r -t 20 -u "$from" answer && [ "$answer" = ok ]
}

world()
{
	ip -n "$gwa" -batch - <<-END
		link add ipsec type xfrm external
		link set ipsec up
		link add red type vrf table 101
		link set red up
		link add blue type vrf table 102
		link set blue up
	END
	cat >"$tmp/agent.conf" <<-END
		device ipsec
		interval 2
		tenant red { vrf red; if_id 0x10001; pool 10.9.0.0/16, fd00:9::/64; connection red-* }
		tenant blue { vrf blue; pool 10.9.0.0/16; connection blue }
	END
	charon_talks
	agent_start "$gwa" "$tmp/vici"
	said 'charon answers: 0 CHILD_SAs'
}

# shellcheck disable=SC2329
reset_world()
{
	agent_end
	charon_dies
	ip -n "$gwa" -4 route flush table all proto 176
	ip -n "$gwa" -6 route flush table all proto 176
	ip -n "$gwa" -force -batch - 2>/dev/null <<-END
		link del ipsec
		link del red
		link del blue
	END
}

# all_up: both tenants have the same addresses, each half of the road warriors.
all_up()
{
	local i

	for ((i = 0; i < count / 2; i++)); do
		echo "up red-rw $((2 * i + 1)) $((2 * i + 1)) 10.9.1.$i/32"
		echo "up blue $((2 * i + 2)) $((2 * i + 2)) 10.9.1.$i/32"
	done >"$tmp/commands"
	cat "$tmp/commands" >&"$to"
	for ((i = 0; i < count; i++)); do
		read -r -t 20 -u "$from" _ || return
	done
}

many()
{
	local start=${EPOCHREALTIME//[.,]/} taken

	defer reset_world
	world
	start=${EPOCHREALTIME//[.,]/}
	all_up
	check busywait $((patience * 1000)) has_count "$gwa" $count -- \
		"$(route_count "$gwa") of $count routes are there after $patience seconds" >/dev/null
	taken=$(((${EPOCHREALTIME//[.,]/} - start) / 1000))
	log_info "$count routes after $taken ms"
	expect 'the route of one' "$(routes "$gwa" blue | tr , '\n' | grep ' 10.9.1.77 ' | xargs)" '10.9.1.77 156'
	# Another agent finds all as it should be.
	monitor "$gwa"
	agent_end KILL
	agent_start "$gwa" "$tmp/vici"
	said "charon answers: $count CHILD_SAs"
	expect 'what changes when it is started again' "$(monitored)" ''
	start=${EPOCHREALTIME//[.,]/}
	charon_dies
	check busywait $((patience * 1000)) has_count "$gwa" 0 -- 'routes stay when charon has died' >/dev/null
	log_info "none any more after $(((${EPOCHREALTIME//[.,]/} - start) / 1000)) ms"
	charon_talks
}

refused()
{
	defer reset_world
	world
	tell up red-rw 1 1 10.10.0.1/32 10.9.0.1/32 fd00:a::1/128 fd00:9::1/128
	routed "$gwa" red '10.9.0.1 1, fd00:9::1 1'
	said 'red-rw, peer1, if_id 1: refused: 10.10.0.1/32 is outside of the pool of red'
	said 'red-rw, peer1, if_id 1: refused: fd00:a::1/128 is outside of the pool of red'
	tell up green 2 2 10.9.0.2/32
	said 'green, peer2, if_id 2: refused: no tenant has connections with that name'
	tell up red-rw 3 0x10002 10.9.0.3/32
	said 'red-rw, peer3, if_id 65538: refused: no tenant has if_id 0x10002, and it is not below 0x10000'
	tell up blue 4 0x10001 10.9.0.4/32
	said 'blue, peer4, if_id 65537: refused: if_id 0x10001 is one of red, the connection one of blue'
	tell up office 5 0x10001 10.9.0.5/32
	said 'refused: blue and red have the same if_id'
	tell down 4
	routed "$gwa" red '10.9.0.1 1, 10.9.0.5 65537, fd00:9::1 1'
	# Nobody may have what another has, even if charon says so.
	tell up blue 6 1 10.9.0.6/32
	said 'refused: blue and red have the same if_id'
	routed "$gwa" red '10.9.0.5 65537'
	routed "$gwa" blue ''
	tell down 1
	routed "$gwa" blue '10.9.0.6 1'
	routed "$gwa" red '10.9.0.5 65537'
	expect 'how often a refusal is said' "$(grep -c 'green, peer2' "$tmp/agent.log")" 1
}

# The new one comes first, and the old one's end does not take its route away.
takeover()
{
	defer reset_world
	world
	tell up red-rw 1 1 10.9.0.1/32
	routed "$gwa" red '10.9.0.1 1'
	monitor "$gwa"
	tell up red-rw 2 2 10.9.0.1/32
	routed "$gwa" red '10.9.0.1 2'
	tell down 1
	tell rekey 2 3
	tell rekey-ike 3 30
	tell up red-rw 4 4 10.9.0.2/32
	routed "$gwa" red '10.9.0.1 2, 10.9.0.2 4'
	expect 'routes that went meanwhile' "$(monitored | grep -c Deleted)" 0
	tell down 3
	routed "$gwa" red '10.9.0.2 4'
}

# What is missing when a connection comes up.
later()
{
	defer reset_world
	world
	ip -n "$gwa" link del ipsec
	tell up red-rw 1 1 10.9.0.1/32
	said 'ipsec: there is no such device'
	ip -n "$gwa" link add ipsec type xfrm external
	said 'ipsec: it is down'
	ip -n "$gwa" link set ipsec up
	routed "$gwa" red '10.9.0.1 1' 5
	ip -n "$gwa" link del blue
	tell up blue 2 2 10.9.0.1/32
	said 'blue: there is no VRF blue'
	ip -n "$gwa" link add blue type vrf table 105
	ip -n "$gwa" link set blue up
	routed "$gwa" blue '10.9.0.1 2' 5
	# Another table for the same name.
	ip -n "$gwa" link del red
	ip -n "$gwa" link add red type vrf table 106
	ip -n "$gwa" link set red up
	routed "$gwa" red '10.9.0.1 1' 5
	check busywait 5000 has_count "$gwa" 2 -- 'there are routes in the old table' >/dev/null
	ip -n "$gwa" link set ipsec down
	ip -n "$gwa" link set ipsec up
	routed "$gwa" red '10.9.0.1 1' 5
	routed "$gwa" blue '10.9.0.1 2' 5
}

# Whatever somebody else does to the routes, soon they are right again.
meddled_with()
{
	defer reset_world
	world
	tell up red-rw 1 1 10.9.0.1/32 fd00:9::1/128
	routed "$gwa" red '10.9.0.1 1, fd00:9::1 1'
	ip -n "$gwa" route del 10.9.0.1 vrf red
	ip -n "$gwa" -6 route del fd00:9::1 vrf red
	routed "$gwa" red '10.9.0.1 1, fd00:9::1 1' 5
	ip -n "$gwa" route replace 10.9.0.1 vrf red dev ipsec proto 176 encap xfrm if_id 9
	ip -n "$gwa" route add 10.9.0.7 vrf blue dev ipsec proto 176 encap xfrm if_id 1
	ip -n "$gwa" route add 10.9.0.1 vrf red dev ipsec proto 176 metric 7 encap xfrm if_id 1
	check busywait 5000 has_count "$gwa" 2 -- 'there are routes that nobody wants' >/dev/null
	routed "$gwa" red '10.9.0.1 1, fd00:9::1 1'
	# Those of others are not the agent's.
	ip -n "$gwa" route add 10.9.0.2 vrf red dev lo proto static
	tell up red-rw 2 2 10.9.0.2/32
	said 'red: 10.9.0.2/32 via if_id 2 \(red-rw, peer2\): File exists'
	ip -n "$gwa" route del 10.9.0.2 vrf red proto static
	routed "$gwa" red '10.9.0.1 1, 10.9.0.2 2, fd00:9::1 1' 5
}

signals()
{
	defer reset_world
	world
	tell up red-rw 1 1 10.9.0.1/32
	tell up blue 2 2 10.9.0.2/32
	routed "$gwa" blue '10.9.0.2 2'
	cp "$tmp/agent.conf" "$tmp/right"
	echo 'tenant' >>"$tmp/agent.conf"
	kill -HUP "$agent_pid"
	said "agent.conf:5: 'tenant' is followed by one name"
	said 'the configuration stays as it was'
	expect 'routes after a wrong configuration' "$(route_count "$gwa")" 2
	sed '/tenant red/d' "$tmp/right" >"$tmp/agent.conf"
	kill -HUP "$agent_pid"
	routed "$gwa" red ''
	routed "$gwa" blue '10.9.0.2 2'
	cp "$tmp/right" "$tmp/agent.conf"
	kill -HUP "$agent_pid"
	routed "$gwa" red '10.9.0.1 1'
	agent_end TERM
	expect 'how it ends' $? 0
	expect 'routes after its end' "$(route_count "$gwa")" 2
	succeeds "$gwa" agent --flush --config "$tmp/agent.conf"
	expect 'routes after --flush' "$(route_count "$gwa")" 0
}

# It says nothing, but it is there, and so are its if_ids.
silent_charon()
{
	defer reset_world
	world
	tell up red-rw 1 1 10.9.0.1/32
	routed "$gwa" red '10.9.0.1 1'
	tell mute
	sleep 6
	expect 'routes while charon is silent' "$(routes "$gwa" red)" '10.9.0.1 1'
	# Nobody has told a new agent whose the route is.
	agent_end TERM
	agent_start "$gwa" "$tmp/vici"
	check busywait 20000 has_count "$gwa" 0 -- 'it keeps routes of which it knows nothing' >/dev/null
}

setup_ns gwa
for name in many refused takeover later meddled_with signals silent_charon; do
	subtest $name $name
done
finish
