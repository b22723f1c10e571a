#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs what is common to all kernels: the configuration of modprobe, and the command that changes
# drivers.
#
#   install-common.sh ROOT

set -euo pipefail

[ $# -eq 1 ] || { echo 'usage: install-common.sh ROOT' >&2; exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd)
root=$1

install -D -m 644 "$top/packaging/modprobe.conf" "$root/usr/lib/modprobe.d/xfrm-interface-rust.conf"
install -D -m 755 "$top/packaging/load" "$root/usr/libexec/xfrm-interface-rust/load"
install -D -m 755 "$top/tools/xfrm-interface-switch" "$root/usr/sbin/xfrm-interface-switch"
install -D -m 644 "$top/tools/xfrm-interface-switch.8" "$root/usr/share/man/man8/xfrm-interface-switch.8"
for file in "$top"/tools/xfrm_switch/*.py; do
	install -D -m 644 "$file" "$root/usr/lib/xfrm-interface-rust/xfrm_switch/$(basename "$file")"
done
