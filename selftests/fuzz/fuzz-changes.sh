#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 52
# Runs: alone
# Only: rust
#
# What an administrator changes while packets flow: changes/main.c says how changes are drawn, and
# what must hold after each. It makes its own namespaces, drawn in changes/world.h.
#
#	FUZZ_KEEP_GOING=1	all differences, not only the first

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/fuzz.sh"

run()
{
	# The same each time, unless more are asked for: make fuzz draws others.
	[ -n "${FUZZ_COUNT-}" ] || : "${FUZZ_SEED:=7000}"
	fuzz_parameters 1000
	fuzz "$fuzzer" run "$seed" "$count"
}

corpus()
{
	fuzz "$fuzzer" replay "$here"/corpus/changes/*
}

fuzz_build changes
modprobe -a ipcomp ipcomp6 esp4 esp6 vrf dummy
subtest corpus corpus
subtest run run
finish
