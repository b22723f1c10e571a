#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Removes what install.sh has installed, for all kernels. A driver that is loaded stays.
#
#   uninstall.sh
#
# DESTDIR=ROOT in the environment: from there.

set -euo pipefail
shopt -s nullglob

root=${DESTDIR-}
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || { echo 'error: this takes root: sudo make uninstall' >&2; exit 1; }
# What a package has installed is the package's.
owned() { [ -z "$root" ] && dpkg-query -S "$1" >/dev/null 2>&1; }
removed=()
for file in "$root"/lib/modules/*/updates/xfrm_interface.ko*; do
	if owned "$file" || owned "/usr$file"; then continue; fi
	release=${file#"$root"/lib/modules/}
	release=${release%%/*}
	rm "$file"
	rmdir --ignore-fail-on-non-empty "$(dirname "$file")"
	depmod ${root:+-b "$root"} "$release"
	removed+=("$release")
done
for file in /usr/lib/modprobe.d/xfrm-interface-rust.conf /usr/libexec/xfrm-interface-rust /usr/sbin/xfrm-interface-switch \
	/usr/lib/xfrm-interface-rust /usr/share/man/man8/xfrm-interface-switch.8; do
	[ -e "$root$file" ] || continue
	owned "$file" || rm -r "$root$file"
done
echo "removed for: ${removed[*]:-no kernel}. The kernel's own C driver is loaded the next time."
if [ -z "$root" ] && [ -e /sys/module/xfrm_interface/version ]; then
	echo "Ours is loaded, and stays until the next reboot, or until it is unloaded."
fi
