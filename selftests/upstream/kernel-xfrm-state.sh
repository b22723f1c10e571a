#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 150
#
# The kernel's xfrm_state.sh: ICMP errors through tunnels that belong to no XFRM interface, and
# about them. Its topology is drawn there.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/kernel.sh"

names=(
	'IPv4 unreachable from router r3'
	'IPv6 unreachable from router r3'
	'IPv4 unreachable from IPsec gateway s2'
	'IPv6 unreachable from IPsec gateway s2'
	'IPv4 MTU exceeded from IPsec gateway s2'
	'IPv6 MTU exceeded from IPsec gateway s2'
	'IPv4 MTU exceeded from ESP router r2'
	'IPv6 MTU exceeded from ESP router r2'
	'IPv4 MTU exceeded from router r3'
	'IPv6 MTU exceeded from router r3'
)
kernel_test ./xfrm_state.sh
finish
