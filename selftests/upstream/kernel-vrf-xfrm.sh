#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 20
#
# The kernel's vrf-xfrm-tests.sh: a VRF with policies, and with an XFRM interface in it. Its
# topology is drawn there.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/kernel.sh"

# It does everything twice, the second time with a queueing discipline on the VRF.
# shellcheck disable=SC2329
vrf_xfrm()
{
	set -o pipefail
	./vrf-xfrm-tests.sh | sed -u '/^netem qdisc on VRF/,$ s/^\(TEST: .*[^ ]\)  *\[/\1 behind netem  [/'
}

names=(
	'IPv4 no xfrm policy'
	'IPv6 no xfrm policy'
	'IPv4 xfrm policy based on address'
	'IPv6 xfrm policy based on address'
	'IPv6 xfrm policy with VRF in selector'
	'IPv4 xfrm policy with xfrm device'
	'IPv6 xfrm policy with xfrm device'
)
names+=("${names[@]/%/ behind netem}")
kernel_test vrf_xfrm
finish
