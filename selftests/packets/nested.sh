#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 240
#
# Tunnels in tunnels on xfrm devices: what the policies explain comes in, and nothing else.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/nested.sh"

# Errors that IPsec has counted.
errors_counted()
{
	inside "$1" awk '{ sum += $2 } END { print sum + 0 }' /proc/net/xfrm_stat
}

# one_policy KIND FAMILY INNER [PING-OPTIONS]: a packet that has come through one state by the time
# that it enters the second satisfies no policy yet, and is not refused for that, or counted.
one_policy()
{
	local kind=$1 family=$2 inner=$3 net before
	shift 3

	net=$(flow_net "$inner" 2)
	defer reset_layers
	device a "$kind" 5 net="$net"
	device b "$kind" 5 net="$net"
	layers family="$family" inner="$inner" id=5
	before=$(errors_counted "$gwa").$(errors_counted "$gwb")
	check reach "$gwa" "$(at "$family" "$net" 2)" 3 -s 400 "$@" -- 'it is not answered'
	expect 'errors counted' "$(errors_counted "$gwa").$(errors_counted "$gwb")" "$before"
}

# Two policies of the same connection.
two_policies()
{
	local kind=$1 family=$2 inner=$3 net

	net=$(flow_net "$inner" 2)
	defer reset_layers
	device a "$kind" 5 net="$net"
	device b "$kind" 5 net="$net"
	layers family="$family" inner="$inner" id=5 in=two
	check reach "$gwa" "$(at "$family" "$net" 2)" 3 -s 400 -- 'it is not answered'
}

# refused KIND FAMILY INNER IN: what the policies do not explain does not come in, and is counted
# once.
refused()
{
	local kind=$1 family=$2 inner=$3 in=$4 net before

	net=$(flow_net "$inner" 2)
	defer reset_layers
	device a "$kind" 5 net="$net"
	device b "$kind" 5 net="$net"
	layers family="$family" inner="$inner" id=5 in="$in"
	before=$(errors_counted "$gwb")
	check silent "$gwa" "$(at "$family" "$net" 2)" -s 400 -- 'it is answered'
	expect 'errors counted' $(($(errors_counted "$gwb") - before)) 3
}

# Two connections that compress, between the same gateways. What is too small for that comes as IP
# in IP, through a state that is the same for both.
two_compress()
{
	local kind=$1 family=$2 before

	defer reset_gateways
	device a "$kind" 5
	device b "$kind" 5
	if [ "$kind" = static ]; then
		defer ip -n "$gwa" link del second
		defer ip -n "$gwb" link del second
		device a static 6 name=second net=2
		device b static 6 name=second net=2
	else
		device a external 6 net=2
		device b external 6 net=2
	fi
	tunnel id=5 n=1 outer="$family" inner="$family" chain='comp:tunnel esp:transport'
	tunnel id=6 n=2 outer="$family" inner="$family" chain='comp:tunnel esp:transport'
	check reach "$gwa" "$(at "$family" 1 2)" 3 -s 16 -- 'the first is not answered'
	check reach "$gwa" "$(at "$family" 2 2)" 3 -s 16 -- 'the second is not answered'
	check reach "$gwa" "$(at "$family" 2 2)" 3 -s 1000 -- 'the second is not answered when compressed'
	[ "$kind" = static ] || return
	# Twice: as what ESP has decrypted, and as what is in that.
	expect 'packets received by the second device' "$(stat "$gwb" second rx_packets)" 9
}

setup_gateways

for family in 4 6; do
	for kind in static external; do
		for inner in {ah,esp,comp}:{transport,tunnel}; do
			subtest "one_policy_${inner/:/_}_in_esp_${family}_$kind" one_policy $kind $family $inner
		done
		subtest "one_policy_beet_in_esp_${family}_$kind" one_policy $kind $family esp:beet
		for inner in ah:transport esp:tunnel comp:tunnel; do
			subtest "two_policies_${inner/:/_}_in_esp_${family}_$kind" two_policies $kind $family $inner
		done
		for in in inner outer block none; do
			subtest "refused_esp_tunnel_in_esp_${in}_${family}_$kind" refused $kind $family esp:tunnel $in
		done
		# A policy for the outer state alone does not mind that there was transport mode as
		# well.
		for in in inner block none; do
			subtest "refused_ah_transport_in_esp_${in}_${family}_$kind" refused $kind $family ah:transport $in
		done
		subtest "two_compress_${family}_$kind" two_compress $kind $family
	done
	subtest "devices_let_in_$family" nested_let_in $family
	subtest "devices_refused_$family" nested_refused $family
	subtest "devices_udp_let_in_$family" udp_let_in $family 0
	subtest "devices_udp_refused_$family" udp_refused $family 0
done

finish
