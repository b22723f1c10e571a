#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A plain Debian root with two of Debian's kernels, as a user may have it: not our sandbox. Prints
# where it is.
#
#   plain-root.sh RELEASE VERSION OTHER-RELEASE OTHER-VERSION

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

become_root "$0" "$@"
[ $# -eq 4 ] || die 'usage: plain-root.sh RELEASE VERSION OTHER-RELEASE OTHER-VERSION'
packages_file=$top/packaging/plain.packages
kernels=("$@")

build() {
	local root=$1
	# With the sandbox's sources: the machine's mirror.
	step "plain Debian root with two kernels (some minutes)" \
		"$top/scripts/vm/sandbox.sh" run --rw --bind "$root" /cache -- bash -euc '
		apt-get -q update
		mkdir /tmp/sources
		for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
			[ ! -s "$file" ] || cat "$file"
		done >/tmp/sources/list
		packages=$(grep -Ev "^(#|$)" "$5" | paste -sd,)
		mmdebstrap --mode=root --variant=minbase --dpkgopt=force-unsafe-io \
			--dpkgopt="path-exclude=/usr/share/man/*" --dpkgopt="path-exclude=/usr/share/locale/*" \
			--include="$packages,linux-base/trixie-backports,linux-image-$1=$2,linux-image-$3=$4,linux-base-$1=$2,linux-base-$3=$4" \
			--include="linux-modules-$1=$2,linux-modules-$3=$4,linux-binary-$1=$2,linux-binary-$3=$4" \
			--skip=chroot/start-stop-daemon trixie /tmp/root /tmp/sources/list
		rm -f /tmp/root/etc/systemd/system/multi-user.target.wants/{strongswan,ipsec}.service
		mkdir -p /tmp/root/src /tmp/root/results
		cp -a /tmp/root /cache/root' - "${kernels[@]}" /src/packaging/plain.packages
}

cached plain-root "$(key "$packages_file" "$*" "$(recipe build)")" build
