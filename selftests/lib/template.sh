#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 5
#
# In a sentence or two what has to be true.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"

# answered KIND ADDRESS: pings through a tunnel are answered, and the devices count each packet
# once.
answered()
{
	local kind=$1 address=$2

	# What is deferred happens when the subtest ends, however it ends.
	defer reset_gateways
	device a "$kind" 5
	device b "$kind" 5
	tunnel id=5
	check reach "$gwa" "$address" 3 -- 'it is not answered'
	expect 'packets sent and errors' "$(stat "$gwa" ipsec tx_packets tx_errors)" '3 0'
	expect 'packets received and errors' "$(stat "$gwb" ipsec rx_packets rx_errors)" '3 0'
}

setup_gateways

for kind in static external; do
	subtest "answered_4_$kind" answered $kind 10.1.0.2
	subtest "answered_6_$kind" answered $kind fd00:1::2
done

finish
