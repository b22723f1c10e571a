# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The module: loading it, and showing that it is what serves the devices.

loaded=''

load_module() {
	read -r taint </proc/sys/kernel/tainted
	! driver_loaded || return 0
	driver_load || die "cannot load $MODULE; the kernel says: $(dmesg | tail -n 1)"
	loaded=yes
}

debian_kernel() { [[ $kernel = 'Linux version '*+deb*debian-kernel@lists.debian.org*'Debian '* ]]; }
no_live_patch() { ! compgen -G '/sys/kernel/livepatch/*' >/dev/null; }
pristine() { [ "$taint" = 0 ] && no_live_patch; }
c_driver_absent() { [ ! -d /sys/module/xfrm_interface ]; }

# Each route with "encap xfrm" holds the module that serves it.
held_by() {
	local holders
	read -r holders <"/sys/module/$name/refcnt"
	[ "$holders" = "$1" ]
}

# xfrm_devices SITE: the gateway's xfrm devices; just one, named ipsec0, is expected.
xfrm_devices() {
	ip -n "demo-gw-$1" -d link show type xfrm |
		awk '/^[0-9]/ { sub(/@.*/, "", $2); printf "%s", $2 } $1 == "xfrm" { printf ": %s %s", $1, $2 }'
}

show_module() {
	local compiler transmit kernel release device_a device_b
	read -r kernel </proc/version
	read -r release </proc/sys/kernel/osrelease
	compiler=$(grep -a -o -m 1 'rustc version [0-9.]*' "$MODULE")
	transmit=$(awk -v module="[$name]" '$4 == module && /start_xmit/ { print $3; exit }' /proc/kallsyms)
	device_a=$(xfrm_devices a)
	device_b=$(xfrm_devices b)
	title "Who serves the devices"
	check "kernel $release, Debian ${kernel##*Debian }" debian_kernel
	check "taint before the module was loaded: $taint (nothing foreign or unsigned), live patches: none" pristine
	check "module $name: \"$(modinfo -F description "$MODULE")\", ${compiler:-no rustc}" test -n "$compiler"
	check "its transmit function is Rust: ${transmit:0:28}...${transmit: -24}" test "${transmit:0:2}" = _R
	check "the C driver xfrm_interface is not loaded" c_driver_absent
	check "xfrm devices of gw-a: \"$device_a\", of gw-b: \"$device_b\"" \
		test "$device_a, $device_b" = 'ipsec0: xfrm external, ipsec0: xfrm external'
	check "lsmod: held by the 6 routes with \"encap xfrm\", 3 on each gateway" held_by 6
}

gone() { [ ! -d "/sys/module/$name" ] && ! compgen -G '/run/netns/demo-*' >/dev/null; }

show_end() {
	local complaints
	remove_all
	title "The end"
	if [ -n "$loaded" ]; then
		check "namespaces removed, module unloaded" gone
	fi
	complaints=$(dmesg | grep -E 'WARNING:|BUG:|Oops|refcount_t|unregister_netdevice' || true)
	check "complaints in the kernel's log: ${complaints:-none}" test -z "$complaints"
}
