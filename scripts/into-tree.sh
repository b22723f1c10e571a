#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Puts the driver's sources into a kernel source tree, as net/xfrm/interface_rust, to be built with
# the kernel: CONFIG_XFRM_INTERFACE_RUST=y or =m. The tree needs patches/7.3, of which the last
# knows that directory. What an earlier run put there is replaced.
#
#   into-tree.sh TREE

set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
tree=${1-}
place=$tree/net/xfrm/interface_rust

refuse() {
	printf 'error: %s: %s\n' "$tree" "$1" >&2
	exit 1
}

[ $# -eq 1 ] || { printf 'usage: into-tree.sh TREE\n' >&2; exit 1; }
[ -f "$tree/net/xfrm/Kconfig" ] || refuse 'not a kernel source tree: it has no net/xfrm/Kconfig'
grep -q '^config XFRM_INTERFACE_RUST$' "$tree/net/xfrm/Kconfig" ||
	refuse "its Kconfig does not know the driver: apply $top/patches/7.3 first"
[ ! -e "$place" ] || grep -qs xfrm_interface_rust "$place/Kbuild" ||
	refuse 'net/xfrm/interface_rust is something else'

rm -rf "$place"
mkdir "$place"
# Sources only, not what a build of this tree has left beside them.
tar -C "$top/rust" -c --exclude-from="$top/scripts/build/outputs" . | tar -C "$place" -x --no-same-owner
