#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 22
#
# The kernel's link_netns.py: the namespaces of devices of many kinds, xfrm among them, and of what
# they are made on.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/kernel.sh"

names=(test_event test_event_all_nsid test_link_net)
exclude=()

# test_peer_net, which makes no XFRM interface, begins with a kind that not every kernel has.
setup_ns probe
if out=$(ip -n "$probe" link add type vxcan 2>&1); then
	names+=(test_peer_net)
else
	exclude=(-T test_peer_net)
	subtest test_peer_net skip "no device of kind vxcan can be made: $out"
fi

kernel_test ./link_netns.py "${exclude[@]}"
finish
