#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 37
# Runs: alone
# Also: meetings
#
# Everything at once: while packets go both ways, devices, namespaces, routes, policies, states and
# BPF programs come, change and go (churn.py), and then all is torn down. The kernel's log says what
# went wrong; here is counted whether anything went at all.
#
#	gwa[x1..x4, ipsec] ---- under ---- under ---- [x1, x2, ipsec]gwb
#	 |                                                             |
#	other, namespaces of a moment              other: devices are moved there and back
#
#	RACES=SECONDS	how long it goes on, 20 seconds unless given

. "$(dirname "$0")/../lib/lib.sh"

: "${RACES:=20}"

# How long a round is: with each the module is loaded, and unloaded again. There are two kinds.
round=$((RACES / 10))
[ "$round" -ge 10 ] || round=10

# What has to have been done, and by whom.
devices='create delete change up down move return'
routes='route_add route_replace route_delete'
namespaces='namespace namespace_device namespace_move namespace_send'
xfrm='state_add state_delete policy_add policy_delete policy_update'
programs='attach detach'
traffic='send_4 send_6 receive_4 receive_6 answer_4 answer_6'

other=''
seed=${SEED:-$RANDOM}
program=''

# churn KIND ARGUMENTS...
churn()
{
	local kind=$1
	shift

	seed=$((seed + 1))
	job_start churn_here "$kind" "$seed" "$@"
	churning[$job]=$kind
}

churn_here()
{
	exec python3 "$here/churn.py" "$@" >"$tmp/churn.$BASHPID" 2>"$tmp/errors.$BASHPID"
}

# churn_stop [KIND...]: stops these, or all.
churn_stop()
{
	local pid

	for pid in "${!churning[@]}"; do
		if [ $# -eq 0 ] || [[ " $* " = *" ${churning[$pid]} "* ]]; then
			kill "$pid" 2>/dev/null
		fi
	done
	for pid in "${!churning[@]}"; do
		if [ $# -eq 0 ] || [[ " $* " = *" ${churning[$pid]} "* ]]; then
			wait "$pid"
			unset "churning[$pid]"
		fi
	done
}

# Programs hold the module, so that they are loaded in each round. "tc -n" has a /sys of its own.
load_programs()
{
	[ -n "$program" ] || return 0
	mkdir -p "$tmp/bpf"
	mount -t bpf bpf "$tmp/bpf" || return
	bpftool prog loadall "$program" "$tmp/bpf/races" type classifier
}

unload_programs()
{
	[ -n "$program" ] || return 0
	rm -rf "$tmp/bpf/races"
	umount "$tmp/bpf"
}

# prepare: both gateways, their connections, and what never changes.
prepare()
{
	local id ns n outer=4 inner='4 6' chain=esp:tunnel way='out in' what='state policy'

	check driver_load -- 'the driver can not be loaded' || return
	setup_gateways
	setup_ns other
	for n in 1 2 3 4 5 6 7 8 9 10; do
		tunnel_half "${under4[a]}" "${under4[b]}" $n 0 >"$tmp/a.xfrm.$n"
		tunnel_half "${under4[b]}" "${under4[a]}" $n 1 >"$tmp/b.xfrm.$n"
	done
	cat "$tmp"/a.xfrm.* | ip -n "$gwa" -batch -
	cat "$tmp"/b.xfrm.* | ip -n "$gwb" -batch -
	# Those of namespaces are left alone.
	cat "$tmp"/a.xfrm.[1-6] >"$tmp/a.churn"
	cat "$tmp"/b.xfrm.[1-6] >"$tmp/b.churn"
	ip -n "$gwa" -batch - <<-END
		link set lo up
		addr add 10.1.0.1/32 dev lo
		addr add fd00:1::1/128 dev lo nodad
	END
	ip -n "$gwb" -batch - <<-END
		link set lo up
		link add ipsec type xfrm external
		link set ipsec up
		route add local 10.1.1.0/28 dev lo
		route add local fd00:1:1::/124 dev lo
		route add 10.1.0.1 dev ipsec encap xfrm if_id 1
		route add fd00:1::1 dev ipsec encap xfrm if_id 1
	END
	# What gwa sends waits for states; what gwb sends does not.
	inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=0 net.core.xfrm_acq_expires=1
	check load_programs -- 'the programs are not accepted'
}

start_churning()
{
	local family

	for family in 4 6; do
		churn receive "$gwb" $family
		churn send "$gwa" $family
	done
	churn devices "$gwa" "$other" x1 x2 x3 x4 ipsec
	churn devices "$gwb" "$other" x1 x2
	churn routes "$gwa"
	churn namespaces "$gwa"
	churn xfrm "$gwa" "$tmp/a.churn"
	churn xfrm "$gwb" "$tmp/b.churn"
	if [ -n "$program" ]; then
		# The C driver has one place a CPU for the route of a packet whose connection a
		# program has set, and loses the route, which holds the module, if that packet is
		# dropped before it is sent.
		[ "$DRIVER" = c ] || churn programs "$gwa" egress "$tmp/bpf/races/if_id_is_mark"
		churn programs "$gwb" ingress "$tmp/bpf/races/mark_is_if_id"
	fi
	check slowwait 120 all_ready -- 'churn.py does not begin'
}

all_ready()
{
	local pid

	for pid in "${!churning[@]}"; do
		grep -q ready "$tmp/churn.$pid" || return
	done
}

# The devices go with the module, while packets go through them.
unload_under_traffic()
{
	local ns

	churn_stop devices routes namespaces xfrm programs
	unload_programs
	# Routes and attached programs hold it.
	for ns in "$gwa" "$gwb" "$other"; do
		ip -n "$ns" route flush dev ipsec
		ip -n "$ns" -6 route flush dev ipsec
		ip -n "$ns" -j link show type xfrm | jq -r '.[] | "qdisc del dev \(.ifname) clsact"' |
			tc -n "$ns" -force -batch -
	done 2>/dev/null
	# Static devices don't.
	ip -n "$gwa" -force -batch - 2>/dev/null <<-END
		$(printf 'link del x%s\n' 1 2 3 4)
		link add x1 type xfrm if_id 1
		link set x1 up
		$(printf 'route replace 10.1.1.%s dev x1\n' 1 2 3 4 5 6 7 8)
		$(printf 'route replace fd00:1:1::%s dev x1\n' 1 2 3 4 5 6 7 8)
	END
	sleep 1
	check slowwait 60 unload_quietly -- 'the driver can not be unloaded under traffic'
	churn_stop
	cleanup_ns "$gwa" "$gwb" "$other"
}

# The namespaces go with all that is in them, while packets go through that.
namespaces_under_traffic()
{
	ip netns del "$gwb"
	ip netns del "$other"
	churn_stop devices xfrm programs
	ip netns del "$gwa"
	churn_stop
	unload_programs
	cleanup_ns "$gwa" "$gwb" "$other"
	check slowwait 60 unload_quietly -- 'the driver can not be unloaded when the namespaces are gone'
}

unload_quietly()
{
	driver_unload 2>/dev/null
}

rounds()
{
	local i

	for ((i = 0; i < 2 || i * round < RACES; i++)); do
		prepare || return
		start_churning || return
		sleep "$round"
		if ((i % 2)); then
			namespaces_under_traffic
		else
			unload_under_traffic
		fi
		((RET == 0)) || return
	done
	echo "# $i rounds of $round s"
}

# was_done NAME...: each of these things has been done.
was_done()
{
	local name times refused

	for name in "$@"; do
		read -r times refused < <(cat "$tmp"/churn.* | awk -v name="$name" '
			$1 == name { times += $2; refused += $3 } END { print times + 0, refused + 0 }')
		echo "# $name: $times times, refused $refused times"
		check [ "$times" -gt 0 ] -- "$name: $times times, refused $refused times"
	done
}

# What goes wrong in churn.py itself is not what it is for.
no_errors()
{
	local errors

	errors=$(cat "$tmp"/errors.*)
	check [ -z "$errors" ] -- "churn.py: $errors"
}

declare -A churning=()
if driver_built_in; then
	subtest races skip 'the driver is built into the kernel'
	finish
fi
program=$tmp/metadata.bpf.o
if ! bpf_build "$tools/metadata.bpf.c" "$program"; then
	program='' programs=''
fi
subtest rounds rounds
subtest devices was_done $devices
subtest routes was_done $routes
subtest namespaces was_done $namespaces
subtest policies_and_states was_done $xfrm
if [ -n "$program" ]; then
	subtest programs was_done $programs
else
	subtest programs skip 'the programs can not be built'
fi
subtest traffic was_done $traffic
subtest churn_itself no_errors

finish
