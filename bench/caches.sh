#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Measures what packets miss in caches, which QEMU models with c/caches.c: with one processor and
# with four, which send in turn. bench.sh comes here.
#
#   caches.sh RESULTS     adds lines to the file; where misses are is saved beside it, as caches.txt
#
#   DRIVERS="c rust"      which drivers

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

cd "$top" || exit
results=$1 out=out/bench/caches

# watch CPUS MEMORY GROUP COUNT...
watch() {
	local cpus=$1 memory=$2
	shift 2
	rm -rf "$out"
	KVM=no scripts/vm/vm.sh --cpus "$cpus" --memory "$memory" --timeout 3000 --results "$top/$out" \
		--emulator '-icount shift=0,sleep=off -plugin /src/out/bench/caches.so,out=/results/round' -- \
		env CIPHER=null CPUS="$cpus" DRIVERS="${DRIVERS:-c rust}" UDP=/src/out/bench/udp BPF=/src/out/bench/if_id.bpf.o \
		RESULTS=/results/results.tsv MODULE=/src/out/stock/rust/xfrm_interface_rust.ko \
		bash /src/bench/measure/run-watched.sh "$1" 4 "${@:2}"
	scripts/vm/sandbox.sh run -- python3 bench/report/caches.py "$out" "$1" "$cpus" "$results" </dev/null >>"${results%/*}/caches.txt"
	rm -rf "$out"
}

: >"${results%/*}/caches.txt"
for cpus in 1 4; do
	watch "$cpus" 4G tenants 1 1024 16384
	watch "$cpus" 2G connections 1 1024
done
