#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 20
#
# The kernel's xfrm_info, of its BPF selftests: a BPF program chooses the connection of each packet
# that goes out by an external device, another tells the connection of each that comes in. Its
# topology is drawn in prog_tests/xfrm_info.c. It is built here without the rest of the BPF
# selftests.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/kernel.sh"

bpf_dir=$KSFT_NET_DIR/../bpf
tools_dir=$KSFT_NET_DIR/../../..

build()
{
	cd "$tmp" || return
	bpftool btf dump file /sys/kernel/btf/vmlinux format c >vmlinux.h &&
		clang-19 -O2 -g -target bpf -fms-extensions -Wno-microsoft -Wno-missing-declarations \
			-I . -I "$bpf_dir" -I "$bpf_dir/progs" -c "$bpf_dir/progs/xfrm_info.c" -o xfrm_info.bpf.o &&
		bpftool gen skeleton xfrm_info.bpf.o name xfrm_info >xfrm_info.skel.h &&
		gcc-14 -D_GNU_SOURCE= -I . -I "$bpf_dir" -I "$tools_dir/include" -o xfrm_info \
			"$here/kernel-xfrm-info.c" "$bpf_dir/prog_tests/xfrm_info.c" "$bpf_dir/network_helpers.c" \
			-lbpf -lelf -lz
}

# It prints every condition that it checks, as "FUNCTION:PASS:NAME ...". Two are worth a name of
# their own, of the others those that fail.
# shellcheck disable=SC2329
xfrm_info()
{
	set -o pipefail
	"$tmp/xfrm_info" | sed -u 's/^_test_xfrm_info:\(PASS\|FAIL\):\(ping [^ ]*\).*/\1: \2/; /:PASS:/d'
}

if ! (build) >"$tmp/build.log" 2>&1; then
	sed 's/^/# /' "$tmp/build.log"
	subtest build check_err 1 'it can not be built'
	finish
fi
names=('ping xfrm_test_ns1' 'ping xfrm_test_ns2' xfrm_info)
kernel_test xfrm_info
finish
