#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows in which functions the instructions of a packet are executed; "make bench-profile" comes
# here. QEMU counts them, with c/profile.c.
#
#   CASE="transmit external"   what to do, as packets.sh knows it (transmit both receive forward), and
#                              by which ways (plain policy vti static external bpf);
#                              "transmit policy external" unless given; or "tenants 64 16384":
#                              transmit to so many, in turn
#   FAMILY=4 SIZE=64 CIPHER=null DRIVERS="c rust"
#
# The table is saved as out/bench/profile.txt.

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

become_root env CASE="${CASE-}" FAMILY="${FAMILY-}" SIZE="${SIZE-}" CIPHER="${CIPHER-}" DRIVERS="${DRIVERS-}" "$0" "$@"
out=$top/out/bench
sandbox() { "$top/scripts/vm/sandbox.sh" run -- "$@" </dev/null; }

read -ra words <<<"${CASE:-transmit policy external}"
CIPHER=${CIPHER:-null}
emulator='-icount shift=0,sleep=off -plugin /src/out/bench/profile.so,out=/results/round'
[ "$CIPHER" = null ] || emulator+=' -cpu max'

"$top/bench/compile.sh" sandbox
rm -rf "$out/profile"
KVM=no "$top/scripts/vm/vm.sh" --cpus 1 --memory 2G --timeout 1800 --results "$out/profile" --emulator "$emulator" -- \
	env CIPHER="$CIPHER" DRIVERS="${DRIVERS:-c rust}" SIZE="${SIZE:-64}" \
	UDP=/src/out/bench/udp BULK=/src/out/bench/bulk BPF=/src/out/bench/if_id.bpf.o RESULTS=/results/results.tsv \
	MODULE=/src/out/stock/rust/xfrm_interface_rust.ko \
	bash /src/bench/measure/run-watched.sh "${words[0]}" "${FAMILY:-4}" "${words[@]:1}"
sandbox python3 bench/report/profile.py out/bench/profile >"$out/profile.txt"
rm -rf "$out/profile"
chown -R --reference="$top" "$out"
cat "$out/profile.txt"
