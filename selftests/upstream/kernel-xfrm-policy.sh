#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 240
#
# The kernel's xfrm_policy.sh: which policy is found, among many, for packets of tunnels that belong
# to no XFRM interface. Its topology is drawn there.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/kernel.sh"

names=('policy before exception matches')
for when in 'exceptions' 'exceptions and block policies' \
	'exceptions and block policies after hresh changes' \
	'exceptions and block policies after hthresh change in ns3' \
	'exceptions and block policies after htresh change to normal'; do
	names+=(
		"ping to .254 bypassed ipsec tunnel ($when)"
		"direct policy matches ($when)"
		"policy matches ($when)"
	)
done
names+=('policies with repeated htresh change' 'policies inserted in random order')

# The last of them is 50 rounds for each family, of 33 commands each: too long for a machine that is
# only emulated, and no packet is sent. So there are two rounds.
seq()
{
	[ "$*" != 50 ] || set -- 2
	command seq "$@"
}
export -f seq

kernel_test ./xfrm_policy.sh
finish
