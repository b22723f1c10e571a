#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the selftests with a module that was compiled with COVERAGE=1, and writes what its counters
# have come to, however often it was loaded, to RESULTS/counters.json.
#
# Takes the same environment as run.sh. Its exit code is that of run.sh.

set -euo pipefail

here=$(dirname "$(readlink -e "$0")")
results=${RESULTS:-/results}
export DRIVER=rust MODULE=${MODULE:-$here/../../out/coverage-stock/rust/xfrm_interface_rust.ko}
sections=/sys/module/xfrm_interface_rust/sections
pins=/sys/fs/bpf/covered

# bytes NUMBER: its eight bytes, the lowest first, as bpftool takes them.
bytes()
{
	local i

	for ((i = 0; i < 64; i += 8)); do
		printf ' %d' $(($1 >> i & 255))
	done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang-19 -O2 -g -target bpf -I "/usr/include/$(uname -m)-linux-gnu" \
	-c "$here/covered.bpf.c" -o "$work/covered.bpf.o"
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
mkdir -p "$pins"
bpftool prog loadall "$work/covered.bpf.o" "$pins" pinmaps "$pins" autoattach

# Where the counters are is seen while the module is loaded, and stays as far from its structure.
bash -c '. "$1/../lib/lib.sh" >/dev/null' - "$here"
counters=$(cat "$sections/__llvm_prf_cnts")
module=$(cat "$sections/.gnu.linkonce.this_module")
size=$(readelf --sections --wide "$MODULE" | sed -n 's/.* __llvm_prf_cnts  *PROGBITS *[^ ]* *[^ ]* *\([^ ]*\) .*/\1/p')
# shellcheck disable=SC2046
bpftool map update pinned "$pins/place" key 0 0 0 0 \
	value $(bytes $((counters - module)) && bytes $((16#$size / 8)))

rc=0
"$here/../run.sh" || rc=$?
bpftool --json map dump pinned "$pins/counters" >"$results/counters.json"
exit "$rc"
