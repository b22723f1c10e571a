#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What every test sources, on top of the kernel's own net/lib.sh. It loads the driver under test,
# ends all that a test has started when that ends, and brings the rest:
#
#	results.sh	subtests and their results
#	gateways.sh	two gateways, their devices and tunnels
#	traffic.sh	traffic, and what is seen of it
#
# What only some tests share, they source themselves; docs/writing-tests.md lists it.
#
# It sets, besides:
#
#	here, lib, tools	the directories of the test, of this file, and of the programs that tests run
#	tmp			a directory that goes when the test ends

# The kernel's library; the place in the virtual machine unless the caller knows another.
: "${KSFT_NET_DIR:=/kernel/source/tools/testing/selftests/net}"
# shellcheck disable=SC1091
. "$KSFT_NET_DIR/lib.sh"

here=$(dirname "$(readlink -e -- "$0")")
lib=$(dirname "$(readlink -e "${BASH_SOURCE[0]}")")
tools=${lib%/*}/tools

# An optional list of subtests, from run.sh; all of them without it.
: "${SUBTESTS:=}"

# The driver under test: "rust" or "c".
: "${DRIVER:=rust}"
: "${MODULE:=${lib%/*}/../out/stock/rust/xfrm_interface_rust.ko}"
# What is remembered is used for a day, so that no test passes only because it is forgotten soon.
driver_parameters=(bundle_lifetime=86400000)

. "${lib%/*}/../scripts/load-driver.sh"
. "$lib/results.sh"
. "$lib/gateways.sh"
. "$lib/traffic.sh"

# The last line of every test.
finish()
{
	echo "1..$tap_count"
	exit "$EXIT_STATUS"
}

# shellcheck disable=SC2329
cleanup_test()
{
	trap '' EXIT
	defer_scopes_cleanup
	stop_jobs
	cleanup_all_ns
	[ -z "${tmp-}" ] || rm -rf "$tmp"
}
trap cleanup_test EXIT
trap 'exit 1' INT TERM

tmp=$(mktemp -d)
echo "TAP version 13"

# A kernel that checks all it does takes its time, and finds what it looks for in fewer packets.
debug_kernel()
{
	[ -e /sys/kernel/debug/kmemleak ] || [ -e /sys/kernel/debug/kcsan ]
}

################################################################################
# Processes

# What has been started in the background with job_start.
jobs_started=()

# job_start COMMAND...: runs the command in the background; its id is in $job.
job_start()
{
	"$@" &
	job=$!
	jobs_started+=("$job")
}

# job_stop PID: ends a background command that is still running.
# shellcheck disable=SC2329
job_stop()
{
	{ kill "$1" && wait "$1"; } 2>/dev/null || :
}

# shellcheck disable=SC2329
stop_jobs()
{
	local pid

	for pid in "${jobs_started[@]}"; do
		job_stop "$pid"
	done
	jobs_started=()
}

# inside NS COMMAND...: runs a command in a namespace.
inside()
{
	local ns=$1; shift

	ip netns exec "$ns" "$@"
}

# bpf_build SOURCE OBJECT [OPTIONS...]: compiles a BPF program.
bpf_build()
{
	clang-19 -O2 -g -target bpf -I "/usr/include/$(uname -m)-linux-gnu" "${@:3}" -c "$1" -o "$2"
}

driver_loaded || driver_load || exit "$ksft_skip"
