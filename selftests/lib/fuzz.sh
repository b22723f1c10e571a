#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the fuzzers share: how one is built, and how a run of it is repeated.
#
#	FUZZ_SEED=N	the seed; another one each time unless given
#	FUZZ_COUNT=N	how many; few unless given
#
# Both are printed, and repeat the run. What once failed is in fuzz/corpus, and sent first.

# fuzz_build NAME: compiles the files of that directory, and what all fuzzers share, to $fuzzer.
fuzz_build()
{
	fuzzer=$tmp/fuzz-$1
	gcc-14 -O2 -Wall -Wmissing-prototypes -Werror -D_GNU_SOURCE -o "$fuzzer" \
		"$here/$1"/*.c "$here"/shared/*.c >"$tmp/build.log" 2>&1 && return
	sed 's/^/# /' "$tmp/build.log"
	subtest build check_err 1 'it can not be built'
	finish
}

# fuzz_parameters COUNT: sets $seed and $count, and prints them.
fuzz_parameters()
{
	count=$1
	! debug_kernel || count=$((count / 10))
	count=${FUZZ_COUNT:-$count}
	# Two numbers, because chunks have the seeds that follow.
	seed=${FUZZ_SEED:-$((SRANDOM * 1000))}
	log_info "FUZZ_SEED=$seed FUZZ_COUNT=$count"
}

# fuzz COMMAND...: runs a fuzzer, and shows what it says while it runs: after a crash nobody else
# can tell how far it came.
fuzz()
{
	local status

	"$@" 2>&1 | tee "$tmp/said" | sed -un '/^#/p'
	status=${PIPESTATUS[0]}
	check_err "$status" "$(grep -v '^#' "$tmp/said" | tail -n 1)"
}
