#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The root of an arm64 machine; prints where it is. Its packages are only unpacked: none of their
# programs can run here to set them up, so what those would do and the tests need is done by hand.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

become_root "$0" "$@"
packages_file=$top/scripts/vm/arm64.packages

unpack_root() {
	local packages
	packages=$(grep -Ev '^(#|$)' /src/scripts/vm/arm64.packages | paste -sd,)
	apt-get -q update
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -s "$file" ] || cat "$file"
	done >/tmp/sources
	mmdebstrap --mode=root --variant=extract --architectures=arm64 --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		trixie /tmp/root /tmp/sources
	cd /tmp/root || return
	ln -s mawk usr/bin/awk
	cp usr/share/base-passwd/passwd.master etc/passwd
	cp usr/share/base-passwd/group.master etc/group
	echo tcpdump:x:100:65534::/nonexistent:/usr/sbin/nologin >>etc/passwd
	mkdir -p src results vm kernel/source kernel/tree usr/lib/modules
	touch etc/resolv.conf etc/hosts
	cp -a . /cache
}

build() {
	step 'arm64 root for virtual machines' "$top/scripts/vm/sandbox.sh" run --rw --bind "$1" /cache -- \
		bash -euo pipefail -c "$(declare -f unpack_root); unpack_root"
}

cached arm64-root "$(key "$packages_file" "$(recipe build unpack_root)")" build
