#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Prepares a tree that modules in Rust can be built against, for a kernel of a distribution whose
# header packages lack the Rust metadata. It is made of the kernel's own source, configuration and
# compilers: the names of symbols then are those of the distribution's build.
#
#   prepare-tree.sh SOURCE HEADERS TREE [MAKE-ARGUMENTS...]
#
# HEADERS is what the header package installs (/usr/src/linux-headers-RELEASE); TREE is made.

set -euo pipefail

[ $# -ge 3 ] || { echo 'usage: prepare-tree.sh SOURCE HEADERS TREE [MAKE-ARGUMENTS...]' >&2; exit 2; }
source=$1 headers=$2 tree=$3
shift 3

option() { sed -n "s/^$1=//p" "$tree/.config" | tr -d '"'; }
refuse() { printf 'error: %s\n' "$1" >&2; exit 1; }

release=$(cat "$headers/include/config/kernel.release")
mkdir -p "$tree"
cp "$headers/.config" "$tree/"
# The BTF that a module's own BTF is made against.
[ ! -e "$headers/vmlinux" ] || cp "$headers/vmlinux" "$tree/"

[ "$(option CONFIG_RUST)" = y ] || refuse "the kernel $release has no Rust: CONFIG_RUST is not set"
compiler=$(option CONFIG_CC_VERSION_TEXT)
compiler=${compiler%% *}
command -v "$compiler" >/dev/null || refuse "the compiler of the kernel $release is not installed: $compiler"
wanted=$(option CONFIG_RUSTC_VERSION_TEXT)
found=$(rustc --version) || refuse "rustc is not installed"
[ "$found" = "$wanted" ] ||
	refuse "the Rust code of the kernel $release was compiled with '$wanted', and this is '$found'"

make=(make -C "$source" O="$tree" CC="$compiler" KERNELRELEASE="$release" -j"$(nproc)" "$@")
case $(option CONFIG_ARM64) in y) make+=(ARCH=arm64) ;; esac
case $compiler in
gcc*) make+=(HOSTCC="$compiler") ;;
*-gcc*)
	# A cross compiler; programs that run here are of the same version.
	make+=(CROSS_COMPILE="${compiler%gcc*}" HOSTCC="gcc${compiler#*-gcc}")
	;;
esac
# The distribution's keys are not in its source.
"$source/scripts/config" --file "$tree/.config" --set-str SYSTEM_TRUSTED_KEYS ''
"${make[@]}" olddefconfig
"${make[@]}" rustavailable
"${make[@]}" modules_prepare
cp "$headers/Module.symvers" "$tree/"
test -s "$tree/rust/libkernel.rmeta"
