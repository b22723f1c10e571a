#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Says, before a compiler does, why modules in Rust cannot be built against a kernel tree. If they
# can, prints the make variables for the compiler that the tree was configured with.
#
#   check-kdir.sh TREE

set -euo pipefail

tree=${1-}

refuse() {
	printf 'error: %s: %s\n' "$tree" "$1" >&2
	exit 1
}

option() { sed -n "s/^$1=//p" "$tree/.config" | tr -d '"'; }

[ -d "$tree" ] || refuse 'there is no such directory'
[ -f "$tree/.config" ] || refuse 'not a configured kernel tree: it has no .config'
[ "$(option CONFIG_RUST)" = y ] ||
	refuse "the kernel has no Rust: CONFIG_RUST is not set ('make rustavailable' in the tree says what it needs)"
[ -f "$tree/rust/libkernel.rmeta" ] ||
	refuse "no Rust metadata (rust/libkernel.rmeta), which a distribution's header packages lack: run 'make modules_prepare' in a source tree with this configuration"
[ -f "$tree/include/generated/autoconf.h" ] || refuse "not prepared: run 'make modules_prepare' there"

version=$(sed -n 's/.*UTS_RELEASE "\([0-9]*\.[0-9]*\).*/\1/p' "$tree/include/generated/utsrelease.h")
case $version in
7.2 | 7.3) ;;
*) printf 'warning: the tree is Linux %s, and this driver is written for and tested with 7.2 and 7.3\n' "$version" >&2 ;;
esac

# The ends of a packet are offsets there, and pointers elsewhere.
[ "$(option CONFIG_64BIT)" = y ] ||
	refuse 'CONFIG_64BIT is not set: the driver reads packets as 64-bit kernels lay them out, and has no code for others'

for name in CONFIG_CFI CONFIG_CFI_CLANG; do
	[ "$(option "$name")" != y ] ||
		refuse "$name=y: the kernel would trap the driver's transmit function, whose C type returns an enum that Rust cannot express"
done
for name in CONFIG_MODULES CONFIG_NET CONFIG_INET CONFIG_IPV6 CONFIG_XFRM CONFIG_LWTUNNEL; do
	[ -n "$(option "$name")" ] || refuse "$name is not set, and the driver needs it"
done
[ "$(option CONFIG_XFRM_INTERFACE)" != y ] ||
	printf 'warning: CONFIG_XFRM_INTERFACE=y: the C driver is built into this kernel, so that this one will not load\n' >&2

for tool in rustc bindgen; do
	command -v "${!tool-$tool}" >/dev/null || refuse "$tool is not installed on this machine"
done
wanted=$(option CONFIG_RUSTC_VERSION_TEXT)
found=$(rustc --version)
[ "$found" = "$wanted" ] ||
	refuse "its Rust code was compiled with '$wanted', and this machine has '$found': metadata and symbol names are bound to the compiler"

# `make` in the tree does not remember these.
compiler=$(option CONFIG_CC_VERSION_TEXT)
if [ "$(option CONFIG_CC_IS_CLANG)" = y ]; then
	major=$(sed -n 's/.*version \([0-9]*\).*/\1/p' <<<"$compiler")
	if command -v "clang-$major" >/dev/null; then printf 'LLVM=-%s\n' "$major"; else printf 'LLVM=1\n'; fi
else
	compiler=${compiler%% *}
	command -v "$compiler" >/dev/null || refuse "its C code was compiled with $compiler, which is not installed on this machine"
	printf 'CC=%s\n' "$compiler"
	# For another architecture than this machine's.
	if [ "$(option CONFIG_ARM64)" = y ] && [ "$(uname -m)" != aarch64 ]; then
		printf 'ARCH=arm64\nCROSS_COMPILE=%s\n' "${compiler%gcc*}"
	fi
fi
