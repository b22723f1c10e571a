#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 4
#
# The IPsec parts of the kernel's rtnetlink.sh: adding, showing and monitoring states and policies,
# and states that are offloaded to a simulated device.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/kernel.sh"

names=(ipsec)
if [ -w /sys/bus/netdevsim/new_device ] || modprobe -n netdevsim 2>"$tmp/modprobe"; then
	names+=(ipsec_offload)
else
	subtest ipsec_offload skip "the kernel has no netdevsim: $(cat "$tmp/modprobe")"
fi

# It flushes states and policies, so it gets a namespace of its own.
tests=("${names[@]/#/kci_test_}")
kernel_test ./in_netns.sh ./rtnetlink.sh -t "${tests[*]}"
finish
