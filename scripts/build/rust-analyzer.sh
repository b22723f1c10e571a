#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Writes rust-project.json at the top of the checkout, from which rust-analyzer on this machine
# knows the module's crate and those of the kernel that it is built for: its sources are in the
# cache.
#
#   rust-analyzer.sh KERNEL    stock; or debug, where the module's tests are part of its crate

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

[ $# -eq 1 ] || die "usage: rust-analyzer.sh KERNEL"
become_root "$0" "$@"
kernel=$1
out=out/$kernel
# It reads the bindings that the build has made.
"$top/scripts/build/build.sh" "$kernel"
mapfile -t binds < <("$top/scripts/kernels/kernel.sh" "$kernel")
sandbox=$("$top/scripts/vm/sandbox.sh" path)
inside() { "$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- "$@" </dev/null; }

case $kernel in
stock) cfgs=(MODULE) ;;
debug) cfgs=(MODULE KUNIT_TESTS SHADOW) ;;
*) die "rust-analyzer.sh: not for the kernel $kernel" ;;
esac

mapfile -t make < <(inside scripts/build/check-kdir.sh /kernel/tree)
# What the kernel crate was found to have.
mapfile -t -O "${#cfgs[@]}" cfgs < <(sed 's/--cfg=//' "$top/$out/rust/compat/features_generated")

# The kernel's own rule, which writes into the directory of the build.
inside make -s -C /kernel/tree M=/src MO=/src/"$out" "${make[@]}" rust-analyzer >&2
# This machine may have no Rust, or another one than the kernel's macros were compiled with.
sysroot=$top/out/sysroot
rm -rf "$sysroot"
mkdir -p "$sysroot"/{bin,libexec}
ln -s "$sandbox/usr/lib" "$sysroot/lib"
for program in bin/rustc libexec/rust-analyzer-proc-macro-srv; do
	printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' \
		"$sandbox/lib64/ld-linux-x86-64.so.2" "$sandbox/usr/lib/x86_64-linux-gnu" \
		"$sandbox/usr/$program" >"$sysroot/$program"
	chmod +x "$sysroot/$program"
done
"$sysroot/bin/rustc" --version >/dev/null || die "this machine cannot run the sandbox's rustc"
# How what is there in the sandbox is called on this machine.
places=(/src="$top" /usr="$sandbox/usr")
for ((i = 0; i < ${#binds[@]}; i += 3)); do
	places+=("${binds[i + 2]}=${binds[i + 1]}")
done
new=$top/$out/rust-project.json.new
inside python3 scripts/build/rust_project.py "$out" "$sysroot" "${cfgs[*]}" "${places[@]}" >"$new"
sed -n 's/.*"root_module": "\(.*\)",\?$/\1/p' "$new" | while read -r file; do
	[ -e "$file" ] || die "rust-analyzer would not find $file"
done
mv "$new" "$top/rust-project.json"
rm "$top/$out/rust-project.json"
chown -R --reference="$top" "$top/out" "$top/rust-project.json"
say "wrote rust-project.json: $(grep -c root_module "$top/rust-project.json") crates"
