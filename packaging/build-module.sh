#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the module as it is installed, by the C driver's name, for one kernel.
#
#   build-module.sh TREE RELEASE DIRECTORY
#
# It comes to DIRECTORY/updates, compressed, and signed with KEY and CERT if they are given. Nothing
# in it depends on where it was built.

set -euo pipefail

[ $# -eq 3 ] || { echo 'usage: build-module.sh TREE RELEASE DIRECTORY' >&2; exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd)
tree=$(cd "$1" && pwd) release=$2
mkdir -p "$3"
to=$(cd "$3" && pwd)

found=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$tree/include/generated/utsrelease.h")
[ "$found" = "$release" ] || {
	printf 'error: %s: this tree is of the kernel %s, not %s: the module would not load\n' "$tree" "$found" "$release" >&2
	exit 1
}
mapfile -t arguments < <("$top/scripts/build/check-kdir.sh" "$tree")
[ ${#arguments[@]} -gt 0 ] || exit 1
# Signing would need the key of whoever built the kernel; see finish.sh.
make -C "$tree" M="$top" MO="$to/build" "${arguments[@]}" KERNELRELEASE="$release" -j"$(nproc)" \
	MODULE_NAME=xfrm_interface CONFIG_MODULE_SIG_ALL= \
	KCFLAGS="-ffile-prefix-map=$top/=" \
	KRUSTFLAGS="--remap-path-prefix=$top/= --remap-path-prefix=$to/build/=" modules
"$top/packaging/finish.sh" "$tree" "$to/build/rust/xfrm_interface.ko" "$to/updates"
