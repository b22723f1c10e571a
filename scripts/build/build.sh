#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the module in the sandbox, for a kernel that kernel.sh knows, into out/KERNEL; with
# COVERAGE=1 it counts what it executes, and goes into out/coverage-KERNEL.
#
#   build.sh KERNEL [MAKE-ARGUMENTS...]
#
# A release of Debian's is built with the compilers of its suite.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

[ $# -ge 1 ] || die "usage: build.sh KERNEL [MAKE-ARGUMENTS...]"
become_root "$0" "$@"
kernel=$1
shift
out=out/$kernel
[[ " $* " != *' COVERAGE=1 '* ]] || out=out/coverage-$kernel

mapfile -t binds < <("$top/scripts/kernels/kernel.sh" "$kernel")
[ ${#binds[@]} -gt 0 ] || exit 1
mkdir -p "$top/$out"
# Signing would need the key of whoever built the kernel.
make=(make -C /kernel/tree M=/src MO=/src/"$out" CONFIG_MODULE_SIG_ALL= -j"$(nproc)")
case $kernel in
stock | [0-9]*)
	XFRMI_SUITE=$("$top/scripts/kernels/kernel.sh" suite "$kernel")
	export XFRMI_SUITE
	# One line for each.
	mapfile -t arguments < <("$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- scripts/build/check-kdir.sh /kernel/tree)
	[ ${#arguments[@]} -gt 0 ] || exit 1
	make+=("${arguments[@]}" 'KERNELRELEASE=$(shell ls /usr/lib/modules)')
	;;
debug) make+=(LLVM=-19 KUNIT_TESTS=1 SHADOW=1) ;;
# Of C code the kernel's rules have KCSAN watch all of a module; here is for Rust what they say for
# C.
kcsan)
	make+=(LLVM=-19 KUNIT_TESTS=1 RUSTFLAGS_MODULE="-Zsanitizer=thread -Cllvm-args=-tsan-distinguish-volatile=1 \
		-Cllvm-args=-tsan-compound-read-before-write=1 -Cllvm-args=-tsan-instrument-func-entry-exit=0")
	;;
*) die "build.sh: unknown kernel $kernel" ;;
esac

log=$(mktemp)
trap 'rm -f "$log"' EXIT
rc=0
"$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- "${make[@]}" "$@" modules >"$log" 2>&1 </dev/null || rc=$?
if [ "$rc" -ne 0 ] || [ "${V-}" = 1 ]; then
	cat "$log" >&2
elif grep -Eq '(^|[^a-z-])warning' "$log"; then
	cat "$log" >&2
	printf 'error: warnings are errors here\n' >&2
	rc=1
elif grep -q RUSTC "$log"; then
	say "built $out/rust/xfrm_interface_rust.ko"
fi
# Built as root, but the tree is the user's.
chown -R --reference="$top" "$top/out"
exit "$rc"
