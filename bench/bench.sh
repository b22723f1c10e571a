#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Measures the driver against the C driver in virtual machines, and reports; "make bench" comes here.
#
#   bench.sh              in virtual machines: counting instructions, or time where there is KVM
#   bench.sh --here FILE  on this machine, with the module FILE
#
#   CASES="transmit forward"   what to measure: transmit both receive forward tenants lookup scale
#                              devices aes; all unless given
#   FULL=1                     more sizes and families, and more tenants
#   DRIVERS="c rust"           which drivers
#   DEVICES=8000               how many devices are created, changed and deleted
#   KVM=no                     count instructions, though there is KVM
#
# The results are in out/bench: results.tsv, report.txt, bench.svg.

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

become_root env CASES="${CASES-}" FULL="${FULL-}" DRIVERS="${DRIVERS-}" DEVICES="${DEVICES-}" "$0" "$@"
out=$top/out/bench
module='' machine=sandbox
if [ "${1-}" = --here ]; then
	machine=here module=$(readlink -e "$2")
fi

python() {
	if [ "$machine" = here ]; then
		(cd "$top" && python3 "$@")
	else
		"$top/scripts/sandbox.sh" run -- python3 "$@" </dev/null
	fi
}

# measure CIPHER GROUP...: appends to the results.
measure() {
	local cipher=$1 emulator='-icount shift=0,sleep=off' dir=$top environment
	shift
	[ $# -gt 0 ] || return 0
	# The processor that QEMU emulates by default knows no AES.
	[ "$cipher" = null ] || emulator+=' -cpu max'
	[ "$machine" = here ] || dir=/src
	environment=(CIPHER="$cipher" DRIVERS="${DRIVERS:-c rust}" FULL="${FULL-}" DEVICES="${DEVICES:-8000}"
		UDP="$dir/out/bench/udp" BPF="$dir/out/bench/if_id.bpf.o")
	if [ "$machine" = here ]; then
		env "${environment[@]}" MODULE="$module" RESULTS="$out/results.tsv" "$top/bench/run.sh" "$@"
		return
	fi
	rm -f "$out/vm/results.tsv"
	"$top/scripts/vm.sh" --cpus 1 --memory 2G --timeout 7200 --results "$out/vm" --emulator "$emulator" -- \
		env "${environment[@]}" MODULE=/src/out/stock/rust/xfrm_interface_rust.ko \
		RESULTS=/results/results.tsv bash /src/bench/run.sh "$@"
	cat "$out/vm/results.tsv" >>"$out/results.tsv"
}

null=() aes=()
for name in ${CASES:-transmit both receive forward tenants lookup scale devices aes}; do
	case $name in
	aes) aes=(transmit both) ;;
	transmit | both | receive | forward | tenants | lookup | scale | devices) null+=("$name") ;;
	*) die "unknown case: $name" ;;
	esac
done
# The main set again, after everything else, to see whether results can be repeated.
[[ " ${null[*]} " != *' transmit '* ]] || null+=(again)

"$top/bench/compile.sh" "$machine"
rm -rf "$out/results.tsv" "$out/vm"
measure null "${null[@]}"
measure aes "${aes[@]}"
python bench/report.py out/bench/results.tsv >"$out/report.txt"
python bench/chart.py out/bench/results.tsv >"$out/bench.svg"
chown -R --reference="$top" "$out"
cat "$out/report.txt"
say "saved: out/bench/{results.tsv,report.txt,bench.svg}"
