#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The sandbox: a Debian trixie root that holds toolchain, virtme-ng, QEMU and test tools, so that
# the machine itself needs next to nothing.
#
#   sandbox.sh path                 makes it where needed and prints where it is
#   sandbox.sh remove               removes the whole cache, kernels included
#   sandbox.sh run [OPTIONS] -- COMMAND...
#       --bind HOST INSIDE          shows a directory of the machine inside
#       --rw                        lets the command write to the sandbox itself (apt)
#
# Inside, the checkout is at /src. Mounts are private to the command and vanish with it.
#
# XFRMI_SUITE=sid in the environment: another one, of Debian unstable, with nothing but the toolchain
# of that suite's kernels, and those of testing and experimental.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

suite=${XFRMI_SUITE:-trixie}
case $suite in
trixie) suites=(trixie trixie-backports) packages_file=$top/scripts/vm/sandbox.packages ;;
sid) suites=(sid forky experimental) packages_file=$top/scripts/vm/sid.packages ;;
*) die "no sandbox is made of the suite $suite" ;;
esac

# The Debian mirror that the machine's own apt uses; nothing when it has none (mmdebstrap then takes
# its default).
mirror() {
	apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk '$NF ~ /\/debian\/?$/ { print $NF; exit }'
}

install_mmdebstrap() {
	local missing=()
	command -v apt-get >/dev/null ||
		die "this machine has no apt: run it on Debian or Ubuntu, or use 'make KDIR=<kernel tree> modules'"
	command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
	[ ${#missing[@]} -eq 0 ] && return
	step "installing ${missing[*]} (the only packages this machine itself gets)" bash -c \
		'apt-get -q update; DEBIAN_FRONTEND=noninteractive exec apt-get -q install -y --no-install-recommends "$@"' \
		- "${missing[@]}"
}

build() {
	local root=$1 uri packages conf other
	install_mmdebstrap
	uri=$(mirror)
	packages=$(grep -Ev '^(#|$)' "$packages_file" | paste -sd,)
	# Proxies and the like, as the machine's apt has them.
	conf=$(mktemp)
	apt-config dump Acquire | grep -Ei '^Acquire::(https?::|Check-|Retries)' >"$conf" || true
	for other in "${suites[@]}"; do
		printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "${uri:-MIRROR}" "$other"
	done >"$conf.list"
	local sources=("$conf.list")
	[ -n "$uri" ] || sources=()
	step "sandbox: Debian $suite with its tools (some minutes)" \
		mmdebstrap --mode=root --variant=minbase --aptopt="$conf" \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--include="$packages" --skip=cleanup/apt,chroot/start-stop-daemon \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
		"$suite" "$root" "${sources[@]}"
	if [ -z "$uri" ]; then
		for other in "${suites[@]:1}"; do
			sed "s/$suite/$other/" "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/$other.list"
		done
	fi
	rm -f "$conf" "$conf.list" "$root"/var/cache/apt/archives/*.deb
	rm -f "$root/etc/resolv.conf"
	touch "$root/etc/resolv.conf" "$root/etc/hosts"
	# Where things appear that are not part of the sandbox.
	mkdir -p "$root"/{src,cache,vm,results} "$root"/kernel/{source,tree,root} "$root/usr/lib/modules"
	# For kernels of other architectures.
	chroot "$root" dpkg --add-architecture arm64
	[ "$suite" = trixie ] || return 0
	# libreswan cannot be installed beside strongSwan, but it can lie beside it.
	step "sandbox: libreswan" enter "$root" rw '' sh -ec \
		'cd /tmp && apt-get -q download libreswan && dpkg -x libreswan_*.deb /opt/libreswan && rm libreswan_*.deb'
	# Crates ask for a newer compiler than kernels are built with.
	step "sandbox: Rust of backports" enter "$root" rw '' sh -ec '
		mkdir -p /tmp/debs/partial
		apt-get -q -o Dir::Cache::archives=/tmp/debs -y --no-install-recommends -t trixie-backports \
			install --download-only cargo rust-clippy rustfmt
		for deb in /tmp/debs/*.deb; do dpkg -x "$deb" /opt/rust; done
		LD_LIBRARY_PATH=$(echo /opt/rust/usr/lib/*-linux-gnu) /opt/rust/usr/bin/cargo --version'
	# No service of the sandbox starts by itself in a VM that boots it.
	rm -f "$root"/etc/systemd/system/multi-user.target.wants/{strongswan,ipsec,openvswitch-switch}.service
}

path() {
	local name=sandbox
	[ "$suite" = trixie ] || name=$suite-sandbox
	cached "$name" "$(key "$packages_file" "${suites[*]}" "$(recipe build)")" build
}

# enter ROOT rw|ro "FROM
# INSIDE
# …" COMMAND...: runs COMMAND in the chroot. Everything here happens in a mount namespace of its own.
enter() {
	local root=$1 rw=$2 binds=$3
	shift 3
	unshare --mount true 2>/dev/null ||
		die "this environment allows no mounts (unshare failed): a container needs CAP_SYS_ADMIN"
	ROOT=$root RW=$rw SRC=$top BINDS=$binds unshare --mount --propagation private bash -euc '
		mount --bind "$ROOT" "$ROOT"
		[ "$RW" = rw ] || mount -o remount,bind,ro "$ROOT"
		mount --bind "$SRC" "$ROOT/src"
		mount -t proc proc "$ROOT/proc"
		mount --rbind /sys "$ROOT/sys"
		mount --rbind /dev "$ROOT/dev"
		for dir in tmp run root; do mount -t tmpfs tmpfs "$ROOT/$dir"; done
		[ "$RW" = rw ] || mount -t tmpfs tmpfs "$ROOT/var/tmp"
		for file in /etc/resolv.conf /etc/hosts; do
			[ ! -e $file ] || mount --bind $file "$ROOT$file"
		done
		while read -r from && read -r to; do
			mount --bind "$from" "$ROOT$to"
		done <<<"$BINDS"
		root=$ROOT
		unset BINDS SRC RW ROOT
		exec env HOME=/root TMPDIR=/tmp LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			chroot "$root" bash -c '\''cd /src && exec "$@"'\'' - "$@"' - "$@"
}

run() {
	local binds='' rw=ro root
	while [ $# -gt 0 ]; do
		case $1 in
		--bind) binds+=$2$'\n'$3$'\n'; shift 3 ;;
		--rw) rw=rw; shift ;;
		--) shift; break ;;
		*) die "sandbox.sh run: unknown option $1" ;;
		esac
	done
	root=$(path)
	enter "$root" "$rw" "$binds" "$@"
}

case ${1-} in
path) become_root "$0" "$@"; path ;;
run) become_root "$0" "$@"; shift; run "$@" ;;
remove) become_root "$0" "$@"; remove_tree "$cache" ;;
*) die "usage: sandbox.sh path | remove | run [--rw] [--bind HOST INSIDE]... -- COMMAND..." ;;
esac
