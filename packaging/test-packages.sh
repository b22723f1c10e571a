#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the packages on a plain Debian root, as a user does, and boots it after each step: at none
# is there no driver. Prints a table of who serves.
#
#   test-packages.sh [CASE...]
#
# Cases: those below, in order; each begins with the root as it was.

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

become_root "$0" "$@"
kernel=$top/scripts/kernels/kernel.sh
sandbox=$top/scripts/vm/sandbox.sh

# The kernel that the packages are for, and one that they do not know.
mapfile -t known < <("$kernel" facts stock)
# The archive keeps older kernels for a while.
other_kernel() {
	"$kernel" facts 7.2.12 2>/dev/null ||
		"$kernel" facts "$("$kernel" releases | grep -- "+deb13-${known[0]#*-}\$" | grep -vxF "${known[0]}" | tail -n 1)"
}
mapfile -t other < <(other_kernel)
[ ${#known[@]} -gt 0 ] && [ ${#other[@]} -gt 0 ] || exit 1
mapfile -t binds < <("$kernel" stock)
source=${binds[1]}
plain=$("$top/packaging/plain-root.sh" "${known[@]:0:2}" "${other[@]:0:2}")
"$top/packaging/deb.sh" stock

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
table=$work/table
passed=0 failed=0

# on_root COMMAND...: runs it in the sandbox, where the case's root is at /tmp/root, on top of the plain one.
on_root() {
	"$sandbox" run --bind "$plain" /cache --bind "$work" /vm --bind "$source" /kernel/source --bind "$plain/root/usr/lib/modules" /usr/lib/modules -- bash -euc '
		mkdir -p /vm/upper /vm/work /tmp/root
		mount -t overlay overlay -o lowerdir=/cache/root,upperdir=/vm/upper,workdir=/vm/work /tmp/root
		exec "$@"' - "$@"
}

# apt ARGUMENTS...: in the case's root; the packages are in /debs.
apt() {
	on_root bash -euc '
		mkdir -p /tmp/root/debs
		mount --bind /src/out/deb /tmp/root/debs
		mount -t proc proc /tmp/root/proc
		chroot /tmp/root env DEBIAN_FRONTEND=noninteractive bash -euc "exec apt-get -q -y -o Dpkg::Use-Pty=0 $*"' - "$@" \
		>"$work/apt" 2>&1 </dev/null || {
		cat "$work/apt"
		return 1
	}
}

qemu_for_root "$work/qemu-system-x86_64" x86_64 /results/guest

# boot RELEASE APPEND COMMAND: boots the case's root with that kernel, and runs a command there; prints
# what it printed.
boot() {
	local release=$1 append=$2
	printf '%s\n' "$3" >"$work/asked"
	printf 'bash /results/asked >/results/output 2>&1\npoweroff -f\n' >"$work/command"
	: >"$work/output"
	timeout 900 unshare --pid --fork --kill-child bash -c "$(declare -f on_root); sandbox=$sandbox plain=$plain work=$work source=$source; on_root \"\$@\"" - bash -euc '
		rm -rf /vm/guest
		cp -a /usr/lib/python3/dist-packages/virtme/guest /vm/guest
		mount --bind /vm /tmp/root/results
		mount --bind /src /tmp/root/src
		mkdir -p /tmp/root/kernel/source
		mount --bind /kernel/source /tmp/root/kernel/source
		cd /tmp/root
		export PATH=/vm:$PATH
		exec vng -r "/usr/lib/modules/$1/vmlinuz" --root /tmp/root --rw --user root --cpus 2 --memory 1G --disable-kvm \
			--cwd /tmp/root --append "console=ttyS0 $2" --qemu-opts=-serial --qemu-opts=file:/vm/console \
			--exec "bash /results/command"' - "$release" "$append" >"$work/vng" 2>&1 </dev/null || true
	cat "$work/output"
	[ -s "$work/output" ] || tail -n 40 "$work/vng" "$work/console" >&2
}

# The driver that serves a device that is added, by the way of the kernel's own request; and when the
# module is asked for by name.
which='if [ -e /sys/module/xfrm_interface/version ]; then echo ours; else echo "C$(dmesg | grep -q "kernel refuses" && echo ", ours refused")"; fi'
serving="ip link add x type xfrm if_id 1 && $which"
by_name="modprobe xfrm_interface 2>/dev/null && $which"

# row CASE STEP WANTED FOUND: of the table.
row() {
	local verdict=ok
	if [ "$3" = "$4" ]; then
		passed=$((passed + 1))
	else
		verdict=FAILED
		failed=$((failed + 1))
		echo "# failed: $1: $2: $4, wanted: $3"
	fi
	local found=${4//$'\n'/ }
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "${found:0:40}" "$verdict" | tee -a "$table"
}

installed() { apt install "/debs/xfrm-interface-rust_*_all.deb" "/debs/xfrm-interface-rust-modules-${known[0]}_*.deb" "/debs/xfrm-interface-rust-${known[0]#*-}_*.deb"; }

case_install() {
	row install 'before' C "$(boot "${known[0]}" '' "$serving")"
	installed
	row install 'installed, after a reboot' ours "$(boot "${known[0]}" '' "$serving")"
	row install 'by name, as libreswan does' ours "$(boot "${known[0]}" '' "$by_name")"
	row install 'a kernel that the package does not know' C "$(boot "${other[0]}" '' "$serving")"
	row install 'lockdown, no key' 'C, ours refused' "$(boot "${known[0]}" 'lockdown=integrity' "$serving")"
	row install 'lockdown, no key, by name' 'C, ours refused' "$(boot "${known[0]}" 'lockdown=integrity' "$by_name")"
}

# As DKMS leaves it: the C driver is put away.
case_put_away() {
	installed
	on_root bash -euc '
		cd /tmp/root/usr/lib/modules/"$1"
		away=/tmp/root/var/lib/dkms/xfrm-interface-rust/original_module/$1/x86_64
		mkdir -p "$away"
		mv kernel/net/xfrm/xfrm_interface.ko.xz "$away/xfrm_interface.ko.xz.origin"
		depmod -b /tmp/root "$1"' - "${known[0]}"
	row put-away 'ours' ours "$(boot "${known[0]}" '' "$serving")"
	row put-away 'lockdown, no key' 'C, ours refused' "$(boot "${known[0]}" 'lockdown=integrity' "$serving")"
	row put-away 'switched to C' C "$(boot "${known[0]}" '' "exec 2>&1; ip link add x type xfrm if_id 1
		mount -o remount,rw /
		xfrm-interface-switch c >/dev/null && $which")"
}

case_tunnel() {
	installed
	row tunnel "strongSwan's tunnels" '0 failed' "$(boot "${known[0]}" '' '
		mount -o remount,rw /
		DRIVER=rust TESTS=ike-strongswan MODULE=$(modinfo -n xfrm_interface) LIMIT=500 bash /src/selftests/run.sh' |
		tee "$work/tunnel" | sed -n '$s/.*, \([0-9]* failed\).*/\1/p')"
	[ "$failed" -eq 0 ] || cat "$work/tunnel"
}

# With a device whose address and route have to be there afterwards.
case_switch() {
	local setup="ip link add x type xfrm if_id 1 && ip link set x up && ip address add 10.9.0.1/24 dev x && ip route add 10.8.0.0/24 dev x" state
	installed
	state='ip route show dev x | wc -l'
	row switch 'to C and back' 'ours 2, C 2, ours 2' "$(boot "${known[0]}" '' "exec 2>&1; $setup
		a=\$($which; $state)
		xfrm-interface-switch c >/dev/null || exit
		b=\$($which; $state)
		xfrm-interface-switch rust >/dev/null || exit
		c=\$($which; $state)
		echo \$a, \$b, \$c")"
	row switch 'what it says is the default' yes "$(boot "${known[0]}" '' "$setup; xfrm-interface-switch status 2>&1" |
		tee "$work/status" | grep -q 'updates/xfrm_interface.ko' && echo yes)"
	cat "$work/status"
}

case_remove() {
	installed
	apt remove "xfrm-interface-rust-modules-${known[0]}"
	row remove 'the module removed' C "$(boot "${known[0]}" '' "$serving")"
	installed
	apt purge "xfrm-interface-rust*"
	row remove 'all purged' C "$(boot "${known[0]}" '' "$serving")"
}

# What there is, but for what apt and depmod write whatever is installed.
files() {
	on_root bash -c 'cd /tmp/root && find . -xdev \( -path ./var -o -path ./tmp -o -path ./debs \) -prune -o ! -name "modules.*" -print |
		LC_ALL=C sort'
}

case_purge() {
	files >"$work/before"
	installed
	on_root env -u PYTHONDONTWRITEBYTECODE chroot /tmp/root xfrm-interface-switch status >/dev/null 2>&1 || true
	row purge 'files that the packages bring' yes "$(files | diff -q "$work/before" - >/dev/null || echo yes)"
	apt purge "xfrm-interface-rust*"
	row purge 'files that are left' '' "$(files | diff "$work/before" - | grep '^[<>]')"
}

# Another version of the same.
case_upgrade() {
	installed
	on_root bash -euc '
		for deb in /src/out/deb/xfrm-interface-rust_*_all.deb /src/out/deb/xfrm-interface-rust-modules-*.deb; do
			rm -rf /tmp/deb && dpkg-deb -R "$deb" /tmp/deb
			sed -i "s/^Version: .*/&.1/" /tmp/deb/DEBIAN/control
			dpkg-deb -b /tmp/deb /tmp/root/root/ >/dev/null
		done'
	apt install '/root/*.deb'
	row upgrade 'upgraded' ours "$(boot "${known[0]}" '' "$serving")"
	apt install --allow-downgrades "/debs/xfrm-interface-rust_*_all.deb" "/debs/xfrm-interface-rust-modules-${known[0]}_*.deb"
	row upgrade 'downgraded' ours "$(boot "${known[0]}" '' "$serving")"
}

# The program for operators, and the unit of its agent: which does not run before it has a configuration.
case_xfrmi() {
	apt install '/debs/xfrmi_*.deb'
	row xfrmi 'a connection without policy is found' '2: no policy of the connection is for it' "$(boot "${known[0]}" '' "exec 2>&1
		ip link add ipsec0 type xfrm external && ip link set ipsec0 up
		ip route add 10.2.0.0/24 dev ipsec0 encap xfrm if_id 7
		said=\$(xfrmi list); echo \"\$?: \${said##*: }\"")"
	row xfrmi 'the agent is not enabled' 'disabled' "$(on_root chroot /tmp/root systemctl is-enabled xfrmi-agent 2>/dev/null || true)"
	row xfrmi 'its unit' '' "$(on_root bash -c 'chroot /tmp/root systemd-analyze verify --man=no xfrmi-agent.service 2>&1 | grep -i xfrmi || true')"
}

# Whoever makes the packages says who that is.
case_lintian() {
	local found
	found=$("$sandbox" run -- bash -c 'cd out/deb && lintian --fail-on none --suppress-tags \
		bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact ./*.deb ./*.dsc 2>&1 | grep "^[EW]:"' || true)
	echo "$found"
	row lintian 'errors and warnings' '' "$found"
}

# copied COMMAND...: in a copy of this tree.
copied() {
	rm -rf "$work/copy"
	"$top/packaging/copy-tree.sh" "$work/copy"
	(cd "$work/copy" && "$@")
}

# Built again, elsewhere.
case_again() {
	local sums
	sums=$(cd "$top/out/deb" && sha256sum ./*.deb)
	copied packaging/deb.sh stock
	row again 'packages with other bytes' '' "$(cd "$work/copy/out/deb" && sha256sum --quiet -c 2>/dev/null <<<"$sums")"
}

case_signed() {
	"$sandbox" run --bind "$work" /vm -- openssl req -new -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=a test' \
		-keyout /vm/key -out /vm/cert 2>/dev/null
	KEY=$work/key CERT=$work/cert copied packaging/deb.sh stock
	row signed 'who has signed the module' 'a test' "$("$sandbox" run --bind "$work/copy" /vm -- bash -euc '
		dpkg-deb -x /vm/out/deb/xfrm-interface-rust-modules-*.deb /tmp/x
		modinfo -F signer /tmp/x/usr/lib/modules/*/updates/xfrm_interface.ko*')"
}

# In a copy of the sandbox, where the compilers are: whether DKMS and the hook of a kernel end well, with
# headers as Debian has them and with those of a distribution that has the Rust metadata; and which file
# would be loaded then.
dkms_inside() {
	local release headers
	export DEBIAN_FRONTEND=noninteractive
	release=$(ls /lib/modules)
	headers=/lib/modules/$release/build
	say() { echo "$1|$2 $(modinfo -k "$release" -F filename xfrm_interface | cut -d/ -f5-)" >&3; }
	mkdir -p "$headers/include/config"
	cp /kernel/tree/.config /kernel/tree/Makefile "$headers"
	echo "$release" >"$headers/include/config/kernel.release"
	dpkg -i /src/out/deb/xfrm-interface-rust_*_all.deb /src/out/deb/xfrm-interface-rust-dkms*.deb
	say 'installed' $?
	/etc/kernel/postinst.d/dkms "$release"
	say 'a kernel without Rust metadata' $?
	rm -r "$headers"
	ln -s /kernel/tree "$headers"
	/etc/kernel/postinst.d/dkms "$release"
	say 'a kernel with it' $?
	[ -e /var/lib/dkms/xfrm-interface-rust/original_module/"$release"/x86_64/xfrm_interface.ko.xz.origin ]
	say 'where the C driver is kept' $?
	dpkg --purge xfrm-interface-rust-dkms
	say 'purged' $?
}

case_dkms() {
	local step found wanted
	"$sandbox" run "${binds[@]}" --bind "$("$sandbox" path)" /cache --bind "$work" /vm -- bash -euc '
		mkdir -p /vm/upper /vm/work /tmp/root
		mount -t overlay overlay -o lowerdir=/cache,upperdir=/vm/upper,workdir=/vm/work /tmp/root
		mount -t proc proc /tmp/root/proc
		mount --rbind /dev /tmp/root/dev
		for dir in tmp root; do mount -t tmpfs tmpfs /tmp/root/$dir; done
		for dir in src kernel/tree kernel/source; do mount --bind /$dir /tmp/root/$dir; done
		cp -a /usr/lib/modules/* /tmp/root/usr/lib/modules/
		exec chroot /tmp/root bash -uc "$1; dkms_inside 3>&1 >&2"' - "$(declare -f dkms_inside)" \
		>"$work/dkms" 2>"$work/log" </dev/null || true
	while IFS='|' read -r step found; do
		wanted='0 kernel/net/xfrm/xfrm_interface.ko.xz'
		case $step in
		*'with it' | *kept) wanted='0 updates/dkms/xfrm_interface.ko.xz' ;;
		esac
		row dkms "$step" "$wanted" "$found"
	done <"$work/dkms"
	row dkms 'all steps' 5 "$(wc -l <"$work/dkms")"
	[ "$failed" -eq 0 ] || cat "$work/log"
}

[ $# -gt 0 ] || set -- install put_away tunnel switch remove purge upgrade dkms xfrmi lintian again signed
printf 'case\tstep\tfound\t\n' >"$table"
for name in "$@"; do
	rm -rf "$work"/{upper,work}
	say "case $name"
	"case_$name"
done
expand -t 10,52,94 "$table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
