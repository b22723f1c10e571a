#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a kernel in a virtual machine (virtme-ng) whose root is the sandbox, and runs a command
# there.
#
#   vm.sh [OPTIONS] -- COMMAND...
#   vm.sh [OPTIONS] --shell              a shell, with the module of that kernel loaded
#       --kernel NAME                    as kernel.sh knows it; stock unless given
#       --cpus N  --memory SIZE          2 and 1G unless given
#       --timeout SECONDS                after which the machine is killed and the run fails; 1800
#       --append "OPTIONS"               for the kernel's command line
#       --results DIR                    a directory of the machine, writable inside at /results
#       --emulator "OPTIONS"             for QEMU where there is no KVM, or with KVM=no in the environment
#
# Inside: the checkout at /src, the kernel's source at /kernel/source. What the command prints is
# printed as it comes; the exit code is the command's. If the command does not come to its end
# (panic, hang), the end of the console is shown; a machine that shows no sign of life is not waited
# for. With this script, however it ends, ends all that it has started: see "run" below.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

kernel=stock cpus=2 memory=1G limit=1800 results='' emulator='' shell=
# Tests that the module brings run when it is loaded, if the kernel can.
append='loglevel=5 kunit.enable=1 kunit.autorun=1'
# For how long a machine may show no sign of life, in seconds; it also has to boot within this time.
silence=240

# Whether a kernel boots under KVM here. An openable /dev/kvm does not show it: nested
# virtualisation may abort or hang. So a kernel is booted without a root, far enough to panic.
# The answer holds until the machine is rebooted.
kvm_works() {
	local answer
	[ "${KVM-}" != no ] && [ -w /dev/kvm ] || return 1
	answer=$cache/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -s "$answer" ]; then
		rm -f "$cache"/kvm-*
		if "$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- timeout --foreground -k 1 20 bash -c \
			'exec qemu-system-x86_64 -accel kvm -cpu host -m 512 -smp 2 -nodefaults -no-reboot -display none \
				-serial stdio -kernel /usr/lib/modules/*/vmlinuz -append "console=ttyS0 panic=-1" </dev/null' 2>&1 |
			grep -q 'Unable to mount root fs'; then
			echo yes >"$answer"
		else
			echo no >"$answer"
		fi
	fi
	[ "$(cat "$answer")" = yes ]
}

original=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--kernel) kernel=$2; shift 2 ;;
	--cpus) cpus=$2; shift 2 ;;
	--memory) memory=$2; shift 2 ;;
	--timeout) limit=$2; shift 2 ;;
	--results) results=$2; shift 2 ;;
	--emulator) emulator=$2; shift 2 ;;
	--append) append+=" $2"; shift 2 ;;
	--shell) shell=1; shift ;;
	--) shift; break ;;
	*) die "vm.sh: unknown option $1" ;;
	esac
done
become_root "$0" "${original[@]}"

mapfile -t binds < <("$top/scripts/kernels/kernel.sh" "$kernel")
[ ${#binds[@]} -gt 0 ] || exit 1

# Of another architecture's kernel the root is another one, which is seen from the sandbox at `root`.
arch=$("$top/scripts/kernels/kernel.sh" arch "$kernel") root=''
if [ "$arch" = arm64 ]; then
	root=/kernel/root
	append="console=ttyAMA0 $append"
	for ((i = 2; i < ${#binds[@]}; i += 3)); do binds[i]=$root${binds[i]}; done
	binds=(--bind "$("$top/scripts/vm/arm64-root.sh")" "$root" "${binds[@]}" --bind "$top" "$root/src")
else
	append="console=ttyS0 $append"
fi

work=$(mktemp -d)
machine='' watchdog=''
cleanup() {
	[ -z "$watchdog" ] || kill "$watchdog" 2>/dev/null || true
	# timeout has made a process group of its own, so that ^C does not reach what is in it.
	[ -z "$machine" ] || kill -KILL -- "-$machine" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$work"
[ -n "$results" ] || results=$work/results
mkdir -p "$results"
binds+=(--bind "$work" "$root/vm" --bind "$results" "$root/results")
# What is done in the sandbox before the machine starts.
prepare='/src/scripts/vm/hot-files.sh >/vm/hot-files'
if [ -n "$root" ]; then
	binds+=(--bind "$work" /vm)
	qemu_for_root "$work/qemu-system-aarch64" aarch64 /vm/guest
	prepare='cp -r /usr/lib/python3/dist-packages/virtme/guest /vm/; : >/vm/hot-files'
fi

vng=(vng -r "$root/usr/lib/modules/\$RELEASE/vmlinuz" --user root --cpus "$cpus" --memory "$memory"
	--cwd "$root/src" --qemu-opts=-serial --qemu-opts=file:/vm/console)
for option in $append; do
	vng+=(--append "$option")
done
[ -z "$root" ] || vng+=(--arch "$arch" --root "$root" --verbose)
if [ -n "$root" ] || ! kvm_works; then
	vng+=(--disable-kvm)
	for option in $emulator; do
		vng+=(--qemu-opts="$option")
	done
fi

if [ -n "$shell" ]; then
	printf '%s\n' "export MODULE=/src/out/$kernel/rust/xfrm_interface_rust.ko" \
		'. /src/scripts/load-driver.sh' 'driver_load && lsmod | grep xfrm_interface' \
		'echo "Try: ip link add ipsec0 type xfrm external; ip -d link show ipsec0. Leave with: exit"' \
		'exec bash -i' >"$work/command"
	inside="${vng[*]} --exec 'bash /vm/command'"
else
	[ $# -gt 0 ] || die "vm.sh: neither a command nor --shell"
	# The command goes through a file, so that nothing of it is quoted twice.
	{
		# The root file system is shared read-only, but for /results; the mount has to allow
		# it.
		printf 'mount -o remount,rw / && cd /src || exit\n'
		# The guest sees the sandbox through overlays, which copy to memory what is written. With
		# these files there, starting "ip" takes half the time.
		printf 'xargs -r touch -c </vm/hot-files\n'
		printf 'export TERM=dumb\n'
		[[ ! $kernel =~ ^(stock|[0-9].*)$ ]] ||
			printf 'export MODULE=/src/out/%s/rust/xfrm_interface_rust.ko\n' "$kernel"
		[ -n "$emulator" ] || printf 'while :; do : >/results/.alive; sleep 10; done &\n'
		for name in DRIVER TESTS ALL V; do
			[ -z "${!name-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
		done
		printf '%q ' "$@"
		# Through a file: the serial port may lose what is written first.
		printf '>/results/.output 2>&1 </dev/null\necho "$?" >/results/.exit\n'
		# Whatever the command has left running does not keep the machine up.
		printf 'poweroff -f\n'
	} >"$work/command"
	inside="${vng[*]} --exec 'bash /vm/command'"
fi
rm -f "$results/.exit"
: >"$results/.alive"
: >"$results/.output"

# The sandbox does not change while the machine runs. Telling virtiofsd so saves the guest from
# asking for each file each time, which is most of what starting a program costs there.
printf '#!/bin/sh\nexec /usr/libexec/virtiofsd --cache=always "$@"\n' >"$work/virtiofsd"
chmod +x "$work/virtiofsd"

# In a process namespace, whose processes go with the first of them: whatever QEMU or virtme-ng
# start, and whatever group they are in. That one is killed when unshare is, and that is told when
# this script is gone.
run=(unshare --pid --fork --kill-child "$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- bash -c "$prepare; PATH=/vm:\$PATH RELEASE=\$(ls $root/usr/lib/modules | head -n 1); exec $inside")
if [ -n "$shell" ]; then
	setpriv --pdeathsig KILL "${run[@]}"
	exit
fi

rc=0
setpriv --pdeathsig TERM timeout -k 5 "$limit" "${run[@]}" </dev/null >"$work/errors" 2>&1 &
machine=$!
tail -n +1 -f -s 0.2 --pid="$machine" "$results/.output" &
{
	# The emulator may have been told of a clock that is slower.
	until [ -z "$emulator" ] && [ $(($(date +%s) - $(stat -c %Y "$results/.alive"))) -gt "$silence" ]; do
		kill -0 "$machine" || exit
		sleep 10
	done
	touch "$work/silent"
	# As if its time were over.
	kill -ALRM "$machine"
} >/dev/null 2>&1 &
watchdog=$!
wait "$machine" || rc=$?
kill "$watchdog" 2>/dev/null || true
watchdog=''
wait
machine=''
if [ -s "$results/.exit" ]; then
	exit "$(cat "$results/.exit")"
fi
if [ -e "$work/silent" ]; then
	printf '\nerror: the virtual machine has been silent for %d seconds\n' "$silence" >&2
elif [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
	printf '\nerror: the virtual machine did not finish within %d seconds\n' "$limit" >&2
else
	printf '\nerror: the virtual machine stopped before the command ended (exit %d)\n' "$rc" >&2
fi
printf -- '--- end of its console:\n' >&2
# On arm64 virtme-ng has the console for itself, and prints it.
tail -n 80 "$work/errors" >&2
[ ! -s "$work/console" ] || tail -n 80 "$work/console" >&2
exit 1
