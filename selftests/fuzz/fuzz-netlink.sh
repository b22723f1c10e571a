#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 32
# Runs: alone
#
# Netlink requests as no program should make them, many at once: netlink/grammar.h says how they
# come about, and netlink/oracle.h what must hold.
#
#	+---- one -----+   +--- two ---+   +--- three --+
#	|  d0 d1 x...  |   |  x...     |   |  x...      |
#	+--------------+   +-----------+   +------------+
#	                      nsid 1          nsid 2

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/fuzz.sh"

# A process namespace of its own, or a request could name one outside whose network namespace the
# device would go to.
isolated()
{
	unshare --pid --fork --kill-child "$fuzzer" "$@"
}

run()
{
	fuzz_parameters 30000
	fuzz isolated run "$seed" "$count" "$one" "$two" "$three"
}

corpus()
{
	fuzz isolated replay "$one" "$two" "$three" -- "$here"/corpus/netlink/*
}

fuzz_build netlink
setup_ns one two three
ip -n "$one" netns set "$two" 1
ip -n "$one" netns set "$three" 2
subtest corpus corpus
subtest run run
finish
