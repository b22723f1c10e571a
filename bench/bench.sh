#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Measures the driver against the C driver in virtual machines, and reports; "make bench" comes
# here.
#
#   bench.sh              in virtual machines: counting instructions, or time where there is KVM
#   bench.sh --here FILE  on this machine, with the module FILE
#   bench.sh --patched    in virtual machines, on the kernels with the driver in their tree: with both
#                         drivers as modules, then with ours built in and helpers inlined
#
#   CASES="transmit forward"   what to measure: transmit both receive forward vrf tenants connections
#                              lookup scale devices bulk aes caches; all unless given, but with
#                              --patched the first four and aes, and here not caches
#   FULL=1                     more sizes and families, more tenants, and 100,000 connections
#   CONNECTIONS="1 100000"     how many connections there are
#   DRIVERS="c rust"           which drivers
#   DEVICES=8000               how many devices are created, changed and deleted
#   KVM=no                     count instructions, though there is KVM
#
# The results are in out/bench: results.tsv, report.txt, caches.txt, bench.svg, growth.svg; with
# --patched the first two, in out/bench-patched. The report compares them with those of the run before, before.tsv.

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

become_root env CASES="${CASES-}" FULL="${FULL-}" DRIVERS="${DRIVERS-}" DEVICES="${DEVICES-}" \
	CONNECTIONS="${CONNECTIONS-}" "$0" "$@"
out=out/bench
module='' machine=sandbox kernels=stock
cases='transmit both receive forward vrf tenants connections lookup scale devices bulk aes caches'
case ${1-} in
--here) machine=here module=$(readlink -e "$2") cases=${cases% caches} ;;
--patched) out+=-patched kernels='patched builtin' cases='transmit both receive forward aes' ;;
esac
cd "$top" || exit

python() {
	if [ "$machine" = here ]; then
		python3 "$@"
	else
		"$top/scripts/vm/sandbox.sh" run -- python3 "$@" </dev/null
	fi
}

# measure CIPHER GROUP...: appends to the results, of each kernel.
measure() {
	local cipher=$1 emulator='-icount shift=0,sleep=off' dir=$top kernel environment own
	shift
	[ $# -gt 0 ] || return 0
	# The processor that QEMU emulates by default knows no AES.
	[ "$cipher" = null ] || emulator+=' -cpu max'
	[ "$machine" = here ] || dir=/src
	environment=(CIPHER="$cipher" DRIVERS="${DRIVERS:-c rust}" FULL="${FULL-}" DEVICES="${DEVICES:-8000}"
		CONNECTIONS="${CONNECTIONS-}"
		UDP="$dir/out/bench/udp" BULK="$dir/out/bench/bulk" BPF="$dir/out/bench/if_id.bpf.o")
	if [ "$machine" = here ]; then
		env "${environment[@]}" MODULE="$module" RESULTS="$out/results.tsv" bench/measure/run.sh "$@"
		return
	fi
	for kernel in $kernels; do
		case $kernel in
		stock) own=(MODULE=/src/out/stock/rust/xfrm_interface_rust.ko) ;;
		builtin) own=(DRIVERS=builtin) ;;
		*) own=() ;;
		esac
		rm -f "$out/vm/results.tsv"
		scripts/vm/vm.sh --kernel "$kernel" --cpus 1 --memory "$memory" --timeout 7200 --results "$top/$out/vm" \
			--emulator "$emulator" -- \
			env "${environment[@]}" "${own[@]}" RESULTS=/results/results.tsv bash /src/bench/measure/run.sh "$@"
		cat "$out/vm/results.tsv" >>"$out/results.tsv"
	done
}

# A hundred thousand connections have to be somewhere.
[ -n "${FULL-}${CONNECTIONS-}" ] && memory=6G || memory=2G
null=() aes=() caches=
for name in ${CASES:-$cases}; do
	case $name in
	aes) aes+=(transmit both) ;;
	bulk) null+=(bulk) aes+=(bulk) ;;
	caches) caches=1 ;;
	transmit | both | receive | forward | vrf | tenants | connections | lookup | scale | devices) null+=("$name") ;;
	*) die "unknown case: $name" ;;
	esac
done
# The main set again, after everything else, to see whether results can be repeated.
[[ " ${null[*]} " != *' transmit '* ]] || null+=(again)

bench/compile.sh "$machine"
rm -rf "$out/vm"
mkdir -p "$out"
[ ! -e "$out/results.tsv" ] || mv "$out/results.tsv" "$out/before.tsv"
measure null "${null[@]}"
measure aes "${aes[@]}"
[ -z "$caches" ] || DRIVERS="${DRIVERS:-c rust}" bench/caches.sh "$out/results.tsv"
before=()
[ ! -e "$out/before.tsv" ] || before=("$out/before.tsv")
python bench/report/report.py "$out/results.tsv" "${before[@]}" >"$out/report.txt"
if [ "$kernels" = stock ]; then
	python bench/report/chart.py "$out/results.tsv" >"$out/bench.svg"
fi
# Of connections, the two kernels in one chart.
python bench/report/growth.py out/bench/results.tsv out/bench-patched/results.tsv >out/bench/growth.svg
chown -R --reference="$top" out
cat "$out/report.txt"
say "saved in $out"
