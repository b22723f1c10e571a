#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 190
# Also: meetings
#
# A change takes effect with the next packet of a flow, however many were sent before. Whoever
# remembers the bundle of states that a flow goes through has to notice when it is not right any
# more.
#
# Each subtest sends packets until the flow is known, changes one thing, and looks which state
# counts the next packet. The states of gwa are named by their SPI: 0x1010 is that of the first
# tunnel, 0x1020 that of the second.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/bundles.sh"

# sent_by_state: for each state of gwa its SPI and how many packets it has sent or received.
sent_by_state()
{
	ip -n "$gwa" -s xfrm state list | awk '
		/^\tproto / { spi = $4; sub(/\(.*/, "", spi); sub(/0x0*/, "0x", spi) }
		/^\t  [0-9]+\(bytes\), [0-9]+\(packets\)/ { print spi, $2 + 0 }' | sort
}

# send [PING-OPTIONS...]: sends a packet to $to; $took is the SPI of the state that it went through.
to=10.1.0.2
send()
{
	local before

	before=$(sent_by_state)
	inside "$gwa" ping -n -q -c 1 -W 0.01 "$@" "$to" >/dev/null 2>&1
	took=$(comm -13 <(echo "$before") <(sent_by_state) | awk '$2 > 0 { print $1 }' | grep -E '^0x10[0-9]0$' | xargs)
}

# goes_through SPI [PING-OPTIONS...]: the next packet does; "" is through none.
goes_through()
{
	local spi=$1
	shift

	send "$@"
	expect "the state of ${*:-the next packet}" "$took" "$spi"
}

# known KIND: a device and a tunnel, with a flow that the device has seen.
known()
{
	defer reset_gateways
	device a "$1" 5
	device b "$1" 5
	tunnel id=5 n=1
	# Others may come before it.
	policy update 9 src 0.0.0.0/0 dst 0.0.0.0/0 -- priority 1000
	for ((i = 0; i < 3; i++)); do
		goes_through 0x1010 || return
	done
}

# second_state: the states of another tunnel with the same if_id.
second_state()
{
	tunnel id=5 n=2 what=state
}

# policy COMMAND REQID [SELECTOR...] -- [OPTIONS]: an outgoing policy for the first tunnel, whose
# reqid is 9, or the second, 17.
policy()
{
	local command=$1 reqid=$2 selector=()
	shift 2
	while [ "$1" != -- ]; do
		selector+=("$1")
		shift
	done
	shift
	ip -n "$gwa" xfrm policy "$command" "${selector[@]}" dir out if_id 5 "$@" \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid "$reqid" mode tunnel
}

################################################################################
# Policies

policy_more_specific()
{
	known "$1" || return
	second_state
	policy add 17 src 10.1.0.1/32 dst 10.1.0.2/32 -- priority 10
	goes_through 0x1020
	ip -n "$gwa" xfrm policy delete src 10.1.0.1/32 dst 10.1.0.2/32 dir out if_id 5
	goes_through 0x1010
}

policy_changed()
{
	known "$1" || return
	second_state
	policy update 17 src 0.0.0.0/0 dst 0.0.0.0/0 -- priority 1000
	goes_through 0x1020
}

policy_blocks()
{
	local before

	known "$1" || return
	before=$(xfrm_stat "$gwa" XfrmOutPolBlock)
	ip -n "$gwa" xfrm policy add src 10.1.0.1/32 dst 10.1.0.2/32 dir out if_id 5 action block priority 1
	goes_through ''
	expect 'packets that a policy blocked' $(($(xfrm_stat "$gwa" XfrmOutPolBlock) - before)) 1
	ip -n "$gwa" xfrm policy delete src 10.1.0.1/32 dst 10.1.0.2/32 dir out if_id 5
	goes_through 0x1010
}

policy_gone()
{
	local command=$2

	known "$1" || return
	ip -n "$gwa" xfrm policy $command
	goes_through ''
}

# Key managers look at when a policy was used last.
policy_use_time()
{
	local before after

	known "$1" || return
	before=$(use_time)
	sleep 1.1
	goes_through 0x1010
	after=$(use_time)
	check [ -n "$before" -a "$before" != "$after" ] -- "the policy was used at '$before' and then at '$after'"
}

use_time()
{
	ip -n "$gwa" -s xfrm policy get src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 5 |
		sed -n 's/.*add .* use \(.*\)/\1/p'
}

# Ports decide: two flows between the same addresses.
policy_ports()
{
	local port

	known "$1" || return
	second_state
	policy add 17 src 10.1.0.1/32 dst 10.1.0.2/32 proto udp dport 2222 -- priority 10
	for port in 1111 2222 1111 2222; do
		udp_through "$port" "$([ $port = 2222 ] && echo 0x1020 || echo 0x1010)"
	done
}

# udp_through PORT SPI
udp_through()
{
	local before

	before=$(sent_by_state)
	echo | inside "$gwa" socat -u - "UDP4-SENDTO:10.1.0.2:$1,sourceport=999,bind=10.1.0.1"
	expect "the state of a packet to port $1" \
		"$(comm -13 <(echo "$before") <(sent_by_state) | awk '{ print $1 }' | grep -E '^0x10[0-9]0$' | xargs)" "$2"
}

policy_mark()
{
	known "$1" || return
	second_state
	policy add 17 src 10.1.0.1/32 dst 10.1.0.2/32 -- priority 10 mark 3 mask 0xff
	goes_through 0x1020 -m 3
	goes_through 0x1010 -m 4
	goes_through 0x1020 -m 3
	goes_through 0x1010
}

################################################################################
# States

state_deleted()
{
	known "$1" || return
	ip -n "$gwa" xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010
	goes_through ''
	tunnel id=5 n=1 what=state ns_b= way=out
	goes_through 0x1010
}

state_flushed()
{
	known "$1" || return
	ip -n "$gwa" xfrm state flush
	goes_through ''
}

# A new state of the same connection is preferred to the old one, which lives on for a while.
state_rekeyed()
{
	known "$1" || return
	ip -n "$gwa" xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1030 reqid 9 mode tunnel \
		flag af-unspec aead 'rfc4106(gcm(aes))' "0x$(printf '%040x' 7)" 128 if_id 5
	goes_through 0x1030
	ip -n "$gwa" xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1030
	goes_through 0x1010
}

state_expires()
{
	local i

	known "$1" || return
	ip -n "$gwa" xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010
	ip -n "$gwa" xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010 reqid 9 mode tunnel \
		flag af-unspec aead 'rfc4106(gcm(aes))' "0x$(printf '%040x' 7)" 128 if_id 5 limit packet-hard 3
	for ((i = 0; i < 3; i++)); do
		goes_through 0x1010
	done
	goes_through ''
}

# The same state with other endpoints (MOBIKE): packets leave for the new one at once.
state_migrated()
{
	local before

	known external || return
	other_underlay
	before=$(stat "$gwa" other tx_packets)
	check inside "$gwa" "$tools/xfrm.py" migrate 5 9 192.0.2.1 192.0.2.2 198.51.100.1 198.51.100.2 -- \
		'migration is refused'
	send
	expect 'packets to the new endpoint' "$(($(stat "$gwa" other tx_packets) - before))" 1
}

# Each CPU takes the state that is its own, if it has one.
states_of_cpus()
{
	local i

	[ "$(nproc)" -ge 2 ] || { skip 'there is one CPU only'; return; }
	known external || return
	for i in 0 1 0 1; do
		on_cpu "$i" 0x1010
	done
	# The flow does not stop meanwhile, so that nothing is forgotten for having been idle.
	ip netns exec "$gwa" taskset -c 1 ping -n -q -i 0.1 -c 300 "$to" >/dev/null 2>&1 &
	check inside "$gwa" "$tools/xfrm.py" state-of-cpu 1 192.0.2.1 192.0.2.2 0x1050 9 5 -- \
		'a state of a CPU is refused'
	kill $!
	wait $! 2>/dev/null
	for i in 1 0 1 0; do
		on_cpu "$i" "$([ $i = 1 ] && echo 0x1050 || echo 0x1010)"
	done
	ip -n "$gwa" xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1050
	on_cpu 1 0x1010
}

# on_cpu CPU SPI: what that CPU sends goes through that state.
on_cpu()
{
	local before

	before=$(sent_by_state)
	inside "$gwa" taskset -c "$1" ping -n -q -c 1 -W 0.01 "$to" >/dev/null 2>&1
	expect "the state of a packet from CPU $1" \
		"$(comm -13 <(echo "$before") <(sent_by_state) | awk '{ print $1 }' | grep -E '^0x10[0-9]0$' | xargs)" "$2"
}

# acquires NS: from here on, what asks key managers for states is counted; a state is waited for a
# second.
acquires()
{
	inside "$1" sysctl -qw net.core.xfrm_acq_expires=1
	job_start ip -n "$1" xfrm monitor acquire >"$tmp/acquires"
	defer job_stop "$job"
	slowwait 10 monitored "$1" >/dev/null
}

# Whether somebody listens to XFRMNLGRP_ACQUIRE of NETLINK_XFRM.
monitored()
{
	inside "$1" awk '$2 == 6 && $4 == "00000001" { found = 1 } END { exit !found }' /proc/net/netlink
}

# asked_for_again ARGUMENT...: while packets flow, key managers are asked for as long as nobody has
# answered.
asked_for_again()
{
	acquires "$gwa"
	check inside "$gwa" "$tools/xfrm.py" "$@" -- 'the policy is refused'
	inside "$gwa" taskset -c 0 ping -n -q -i 0.1 -c 50 "$to" >/dev/null 2>&1
	check [ "$(grep -c '^acquire' "$tmp/acquires")" -ge 3 ] -- \
		"in five seconds key managers were asked $(grep -c '^acquire' "$tmp/acquires") times"
}

# The state that is there will do until the CPU has one of its own.
states_of_cpus_are_asked_for()
{
	known external || return
	asked_for_again policy-for-cpus 192.0.2.1 192.0.2.2 9 5
}

# So will doing without a transform that is optional.
optional_state_is_asked_for()
{
	known external || return
	asked_for_again policy-with-option 192.0.2.1 192.0.2.2 9 5
	goes_through 0x1010
}

# What is deleted goes, keys and all, although the flow's packets have stopped.
state_is_freed()
{
	local before

	count_freed || return
	known "$1" || return
	before=$(freed)
	ip -n "$gwa" xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010
	check slowwait 6 freed_since "$before" -- 'the state is not freed within six seconds'
}

# Nor does what is remembered keep a namespace, its devices or its states.
namespace_deleted()
{
	local gone='' i before gwa

	count_freed || return
	setup_ns gone
	quiet "$gone"
	gwa=$gone
	other_underlay
	device a external 5
	for ((i = 1; i <= 200; i++)); do
		echo "route add 10.2.0.$i/32 dev ipsec encap xfrm if_id 5"
	done | ip -n "$gone" -batch -
	tunnel id=5 n=1 a=198.51.100.1 b=198.51.100.2 ns_b= way=out
	for ((i = 1; i <= 200; i++)); do
		inside "$gone" bash -c "echo >/dev/udp/10.2.0.$i/9" 2>/dev/null
	done
	expect 'packets sent' "$(stat "$gone" other tx_packets)" 200
	before=$(freed)
	ip netns del "$gone"
	check slowwait 6 freed_since "$before" -- 'its state is not freed within six seconds'
}

# count_freed: counts the states that are freed, from now on.
count_freed()
{
	probe bundles_state_freed ___xfrm_state_destroy xfrm_state_gc_task || return
	defer eval "echo 0 >$trace/events/kprobes/bundles_state_freed/enable"
	echo 1 >"$trace/events/kprobes/bundles_state_freed/enable"
}

freed()
{
	awk -v probe=bundles_state_freed '$1 == probe { print $2 }' /sys/kernel/tracing/kprobe_profile
}

freed_since()
{
	[ "$(freed)" -gt "$1" ]
}

################################################################################
# Routes and links

route_changed()
{
	local before

	known external || return
	other_underlay
	before=$(stat "$gwa" other tx_packets)
	defer ip -n "$gwa" route flush 192.0.2.2/32
	ip -n "$gwa" route add 192.0.2.2/32 via 198.51.100.2 dev other
	goes_through 0x1010
	expect 'packets over the new route' "$(($(stat "$gwa" other tx_packets) - before))" 1
	ip -n "$gwa" route del 192.0.2.2/32
	check reach "$gwa" $to 1 -- 'it is not answered over the old route'
}

# A packet that waits in a queue leaves by the route that it has, although that is deleted
# meanwhile. Those after it do not. (It has to be small: a deleted route takes 68 bytes.)
route_deleted_under_packet()
{
	defer reset_gateways
	device a external 5
	device b external 5
	tunnel id=5 n=1
	tc -n "$gwa" qdisc add dev ipsec root netem delay 3s
	inside "$gwa" ping -n -q -c 1 -W 0.01 -s 8 "$to" >/dev/null 2>&1
	check slowwait 2 in_queue -- 'no packet is in the queue' || return
	ip -n "$gwa" route del 10.1.0.2/32 dev ipsec
	check slowwait 20 sent_more_than 0 -- 'the packet in the queue did not leave'
	tc -n "$gwa" qdisc del dev ipsec root
	goes_through ''
	ip -n "$gwa" route add 10.1.0.2/32 dev ipsec src 10.1.0.1 encap xfrm if_id 5
	goes_through 0x1010
}

in_queue()
{
	tc -n "$gwa" -s qdisc show dev ipsec | grep -q 'backlog .* 1p'
}

# The way to the peer depends on the inner packet's TOS.
route_by_tos()
{
	local before i

	known external || return
	other_underlay
	defer ip -n "$gwa" rule del tos 0x10 table 200
	defer ip -n "$gwa" route flush table 200
	ip -n "$gwa" route add 192.0.2.2/32 via 198.51.100.2 dev other table 200
	ip -n "$gwa" rule add tos 0x10 table 200
	before=$(stat "$gwa" other tx_packets)
	for ((i = 1; i <= 3; i++)); do
		goes_through 0x1010 -Q 0x10
		expect 'packets over the route for that TOS' "$(($(stat "$gwa" other tx_packets) - before))" $i
		check reach "$gwa" $to 1 -- 'a packet with another TOS is not answered'
	done
	expect 'packets over the route for that TOS' "$(($(stat "$gwa" other tx_packets) - before))" 3
}

address_removed()
{
	known external || return
	defer neighbours "$gwa" b "$gwb"
	defer ip -n "$gwa" addr replace 192.0.2.1/24 dev under
	ip -n "$gwa" addr del 192.0.2.1/24 dev under
	send
	expect 'packets sent without a route to the peer' "$took" ''
	ip -n "$gwa" addr add 192.0.2.1/24 dev under
	neighbours "$gwa" b "$gwb"
	check reach "$gwa" $to 1 -- 'it is not answered when the address is back'
}

underlay_moved_to_vrf()
{
	known external || return
	defer gateway_neighbours
	defer ip -n "$gwa" link del red
	ip -n "$gwa" link add red type vrf table 77
	ip -n "$gwa" link set red up
	ip -n "$gwa" link set under master red
	send
	expect 'packets sent from outside of the VRF' "$took" ''
	ip -n "$gwa" route replace 10.1.0.2/32 dev ipsec src 10.1.0.1 encap xfrm if_id 5 link_dev under
	gateway_neighbours
	check reach "$gwa" $to 1 -- 'it is not answered when the route names the VRF'
	ip -n "$gwa" link set under nomaster
	ip -n "$gwa" route replace 10.1.0.2/32 dev ipsec src 10.1.0.1 encap xfrm if_id 5
	gateway_neighbours
	check reach "$gwa" $to 1 -- 'it is not answered outside of the VRF again'
}

# The route into the device names another connection.
encap_changed()
{
	known external || return
	tunnel id=6 n=2
	ip -n "$gwa" route replace 10.1.0.2/32 dev ipsec src 10.1.0.1 encap xfrm if_id 6
	goes_through 0x1020
	ip -n "$gwa" route replace 10.1.0.2/32 dev ipsec src 10.1.0.1 encap xfrm if_id 5
	goes_through 0x1010
}

device_rekeyed()
{
	known static || return
	tunnel id=6 n=2
	ip -n "$gwa" link change ipsec type xfrm dev under if_id 6
	goes_through 0x1020
	ip -n "$gwa" link change ipsec type xfrm dev under if_id 5
	goes_through 0x1010
}

# Two devices have the same if_id, because their link namespaces differ, and packets with the same
# route are redirected from one to the other.
redirected()
{
	local ns before

	defer reset_gateways
	setup_ns ns
	defer cleanup_ns "$ns"
	device a static 5 dev=
	device b static 5
	tunnel id=5 n=1
	# Over there is an underlay of its own.
	ip -n "$ns" -batch - <<-END
		link add under type dummy
		addr add 192.0.2.1/24 dev under
		link set under up
		neigh add 192.0.2.2 dev under lladdr 02:00:00:00:00:09 nud permanent
	END
	tunnel id=5 n=2 ns_a="$ns" ns_b=
	ip -n "$gwa" link add other link-netns "$ns" type xfrm if_id 5
	defer ip -n "$gwa" link del other
	ip -n "$gwa" link set other up
	tc -n "$gwa" qdisc add dev ipsec clsact
	# One flow that does not pause, on one CPU, so that what is known of it stays known.
	job_start ip netns exec "$gwa" taskset -c 0 ping -n -q -i 0.02 10.1.0.2 >/dev/null
	check slowwait 10 sent_more_than 20 -- 'nothing is sent through the first device' || return
	tc -n "$gwa" filter add dev ipsec egress matchall action mirred egress redirect dev other
	sleep 0.5
	before=$(sent_by_state | grep '^0x1010 ')
	check slowwait 10 redirected_over "$ns" -- 'nothing is sent through the second device'
	expect 'the state of the first device' "$(sent_by_state | grep '^0x1010 ')" "$before"
	job_stop "$job"
}

redirected_over()
{
	[ "$(stat "$1" under tx_packets)" -gt 20 ]
}

sent_more_than()
{
	[ "$(sent_by_state | awk '$1 == "0x1010" { print $2 }')" -gt "$1" ]
}

device_down_and_up()
{
	known "$1" || return
	ip -n "$gwa" link set ipsec down
	goes_through ''
	ip -n "$gwa" link set ipsec up
	ip -n "$gwa" route replace 10.1.0.2/32 dev ipsec src 10.1.0.1 ${2-}
	goes_through 0x1010
}

underlay_down_and_up()
{
	known "$1" || return
	defer gateway_neighbours
	ip -n "$gwa" link set under down
	send
	expect 'packets sent with the underlay down' "$took" ''
	ip -n "$gwa" link set under up
	gateway_neighbours
	check reach "$gwa" $to 1 -- 'it is not answered when the underlay is up again'
}

# What a link that goes down loses.
gateway_neighbours()
{
	ip -n "$gwa" addr add 2001:db8::1/64 dev under nodad 2>/dev/null
	neighbours "$gwa" b "$gwb"
}

neighbour_changed()
{
	local before

	known "$1" || return
	defer neighbours "$gwa" b "$gwb"
	before=$(stat "$gwb" ipsec rx_packets)
	ip -n "$gwa" neigh replace 192.0.2.2 dev under lladdr 02:00:00:00:00:09 nud permanent
	goes_through 0x1010
	expect 'packets for another address that were received' "$(($(stat "$gwb" ipsec rx_packets) - before))" 0
	neighbours "$gwa" b "$gwb"
	check reach "$gwa" $to 1 -- 'it is not answered at the old address'
}

mtu_changed()
{
	local out

	known "$1" || return
	check reach "$gwa" $to 1 -M "do" -s 1300 -- 'a packet of 1,328 bytes is not answered'
	defer ip -n "$gwa" link set under mtu 1500
	ip -n "$gwa" link set under mtu 1340
	out=$(inside "$gwa" ping -n -c 1 -W 1 -M "do" -s 1300 $to 2>&1)
	check [ -z "${out##*mtu*1*}" ] -- "it is not too large: $out"
	ip -n "$gwa" link set under mtu 1500
	ip -n "$gwa" route flush cache
	check reach "$gwa" $to 1 -M "do" -s 1300 -- 'it is not answered after the MTU has grown again'
}

underlay_deleted()
{
	defer reset_gateways
	other_underlay
	ip -n "$gwa" link add ipsec type xfrm if_id 5
	ip -n "$gwa" link set ipsec up
	ip -n "$gwa" addr add 10.1.0.1/32 dev ipsec
	ip -n "$gwa" route add 10.1.0.2/32 dev ipsec src 10.1.0.1
	tunnel id=5 n=1 a=198.51.100.1 b=198.51.100.2 ns_b=
	goes_through 0x1010
	goes_through 0x1010
	# It waits until nobody refers to the device any more.
	check timeout 8 ip -n "$gwa" link del other -- 'the underlay cannot be deleted'
	goes_through ''
}

setup_gateways

for kind in static external; do
	subtest policy_more_specific_$kind policy_more_specific $kind
	subtest policy_changed_$kind policy_changed $kind
	subtest policy_blocks_$kind policy_blocks $kind
	subtest state_rekeyed_$kind state_rekeyed $kind
	subtest state_deleted_$kind state_deleted $kind
done
subtest policy_deleted policy_gone external 'delete src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 5'
subtest policy_flushed policy_gone external flush
subtest policy_use_time policy_use_time external
subtest policy_ports policy_ports external
subtest policy_mark policy_mark external
subtest state_flushed state_flushed external
subtest state_expires state_expires external
subtest state_is_freed state_is_freed external
subtest state_migrated state_migrated
subtest states_of_cpus states_of_cpus
subtest states_of_cpus_are_asked_for states_of_cpus_are_asked_for
subtest optional_state_is_asked_for optional_state_is_asked_for
subtest namespace_deleted namespace_deleted
subtest route_changed route_changed
subtest route_deleted_under_packet route_deleted_under_packet
subtest route_by_tos route_by_tos
subtest address_removed address_removed
subtest underlay_moved_to_vrf underlay_moved_to_vrf
subtest encap_changed encap_changed
subtest device_rekeyed device_rekeyed
subtest redirected redirected
subtest device_down_and_up_static device_down_and_up static
subtest device_down_and_up_external device_down_and_up external 'encap xfrm if_id 5'
subtest underlay_down_and_up underlay_down_and_up external
subtest neighbour_changed neighbour_changed external
subtest mtu_changed mtu_changed external
subtest underlay_deleted underlay_deleted

finish
