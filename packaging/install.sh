#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the module for a kernel of this machine, and installs it, so that it is loaded in place of the
# C driver from then on. No driver is unloaded.
#
#   install.sh [RELEASE]        the running kernel unless given
#
# In the environment:
#   KDIR=TREE             a prepared tree, if the kernel's own (/lib/modules/RELEASE/build) has no Rust
#                         metadata and there is none of Debian's source to make one from
#   KEY=, CERT=           sign the module with these; DKMS's own key if it is there and they are not given
#   DESTDIR=ROOT          install there

set -euo pipefail
shopt -s inherit_errexit nullglob

top=$(cd "$(dirname "$0")/.." && pwd)
release=${1:-$(uname -r)}
root=${DESTDIR-}
trees=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xfrm-interface-rust/install
modules=/lib/modules/$release

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

[ $# -le 1 ] || { echo 'usage: install.sh [RELEASE]' >&2; exit 2; }
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || die 'installing a module takes root: sudo make install'
[ -d "$modules" ] || die "$modules: there is no such kernel on this machine; there are: $(cd /lib/modules && echo *)"

config=
for file in "$modules/build/.config" "/boot/config-$release" "$modules/config" ${KDIR:+"$KDIR/.config"}; do
	[ ! -e "$file" ] || { config=$file; break; }
done
option() { sed -n "s/^$1=//p" "$config" | tr -d '"'; }
[ -z "$config" ] || [ "$(option CONFIG_RUST)" = y ] ||
	die "the kernel $release has no Rust (CONFIG_RUST is not set): its own C driver serves, and nothing can be done here"

# Of Debian: what a tree is made from. Says what is missing, all at once, and how to get it.
debian_tree() {
	local version series headers=/usr/src/linux-headers-$release missing=() wanted found suite compiler package
	version=$(dpkg-query -W -f '${Version}' "linux-modules-$release" 2>/dev/null ||
		dpkg-query -W -f '${Version}' "linux-image-$release" 2>/dev/null) ||
		die "the kernel $release is no package of Debian's, and $modules/build has no Rust metadata (rust/libkernel.rmeta):
  give a prepared tree with KDIR=TREE, made by 'make modules_prepare' in the kernel's source with the same
  configuration and compilers"
	series=$(cut -d. -f1,2 <<<"${version%%[-~]*}")
	# Whether what is installed is of this kernel.
	of_kernel() { [ "$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null)" = "installed $version" ]; }
	of_kernel "linux-headers-$release" || missing+=("linux-headers-$release=$version")
	of_kernel "linux-source-$series" || missing+=("linux-source-$series=$version")
	if [ -e "$headers/.config" ]; then config=$headers/.config; fi
	compiler=gcc-14
	if [ -n "$config" ]; then
		compiler=$(option CONFIG_CC_VERSION_TEXT)
		compiler=${compiler%% *}
		compiler=${compiler#*-linux-gnu-}
	fi
	for package in make "$compiler" rustc rust-src bindgen flex bison bc libelf-dev libssl-dev pahole python3 xz-utils; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		die "what the module is built with is missing. Get it with
  apt install ${missing[*]}
(not with -t: rustc has to be the one that the kernel was built with, not the newest)"
	fi
	wanted=$(option CONFIG_RUSTC_VERSION_TEXT)
	found=$(rustc --version)
	if [ "$found" != "$wanted" ]; then
		suite=$(sed -n 's/^rustc \([0-9.]*\) .*/\1/p' <<<"$wanted")
		die "rustc is another one than the kernel was built with:
  wanted: $wanted
  found:  $found
Get it with
  apt install \$(apt-cache madison rustc | awk '\$3 ~ /^${suite//./\\.}/ { print \"rustc=\" \$3; exit }')
or, if that finds none, from the suite that the kernel was built in"
	fi
	tree=$trees/$release-$version
	if [ ! -e "$tree/.whole" ]; then
		rm -rf "$tree"
		mkdir -p "$tree/source"
		say "preparing a tree for $release in $tree (some minutes) …"
		tar -x -C "$tree/source" --strip-components=1 --no-same-owner -f "/usr/src/linux-source-$series.tar.xz"
		"$top/scripts/kernels/prepare-tree.sh" "$tree/source" "$headers" "$tree/tree" >"$tree/log" 2>&1 ||
			{ tail -n 20 "$tree/log" >&2; die "no tree can be prepared: see $tree/log"; }
		touch "$tree/.whole"
	fi
	tree=$tree/tree
}

if [ -n "${KDIR-}" ]; then
	tree=$KDIR
elif [ -e "$modules/build/rust/libkernel.rmeta" ]; then
	tree=$modules/build
else
	debian_tree
fi

if [ -z "${KEY-}" ] && [ -r /var/lib/dkms/mok.key ] && [ -r /var/lib/dkms/mok.pub ]; then
	export KEY=/var/lib/dkms/mok.key CERT=/var/lib/dkms/mok.pub
fi
say "building for $release …"
build=$top/out/install-$release
"$top/packaging/build-module.sh" "$tree" "$release" "$build" >"$top/out/install.log" 2>&1 ||
	{ tail -n 30 "$top/out/install.log" | cut -c1-300 >&2; die "it can not be built: see out/install.log"; }

install -d "$root$modules/updates"
rm -f "$root$modules"/updates/xfrm_interface.ko*
install -m 644 "$build"/updates/xfrm_interface.ko* "$root$modules/updates/"
"$top/packaging/install-common.sh" "$root"
depmod ${root:+-b "$root"} "$release"

say "installed $root$modules/updates/$(basename "$build"/updates/xfrm_interface.ko*)$([ -z "${KEY-}" ] || echo ", signed with $KEY")"
[ -z "$root" ] || exit 0
chosen=$(modinfo -k "$release" -F filename xfrm_interface)
case $chosen in
"$(readlink -f "$modules")"/updates/* | "$modules"/updates/*) ;;
*) die "depmod prefers $chosen to it: is there a 'search' line in /etc/depmod.d?" ;;
esac
if [ -z "${KEY-}" ] && { grep -qs '\[\(integrity\|confidentiality\)\]' /sys/kernel/security/lockdown ||
	[ "$(cat /sys/module/module/parameters/sig_enforce 2>/dev/null)" = Y ]; }; then
	say 'This kernel refuses modules that are not signed by a key it knows, and this one is not: the C driver will'
	say 'be loaded. docs/install.md says how to enrol a key.'
elif [ "$release" != "$(uname -r)" ]; then
	say "It is loaded when $release runs, and an xfrm interface is made."
elif [ -d /sys/module/xfrm_interface ] || grep -qs '/xfrm_interface\.ko$' "$modules/modules.builtin"; then
	if [ -e /sys/module/xfrm_interface/version ]; then
		say "The driver that is loaded is an earlier build of this one. It stays until the next reboot, or until"
	else
		say "The C driver is loaded and in use. It stays until the next reboot, or until"
	fi
	say '  xfrm-interface-switch rust'
	say 'changes it, which interrupts traffic for a moment.'
else
	say 'It is loaded when the first xfrm interface is made.'
fi
