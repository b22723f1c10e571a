# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every script here shares: messages, the cache, privileges.
#
# The cache keeps what is expensive (sandbox, kernel source, prepared kernels) outside the checkout.
# An entry is a directory CACHE/NAME-KEY, where KEY is a hash of everything it was made from. It is
# built as NAME-KEY.partial under a lock and renamed when whole, so that an interrupted build is
# never mistaken for a finished one. Before an entry is used its files are compared with the list
# made when it was built; one that does not match is thrown away and built again.

set -euo pipefail
# Or else a failure inside of $(…), where much here happens, would go unnoticed.
shopt -s inherit_errexit

# shellcheck disable=SC2034 # The scripts that source this use it.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XFRMI_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xfrm-interface-rust}

say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# become_root SCRIPT ARGS...: the sandbox is a chroot with bind mounts of its own, which takes root.
become_root() {
	[ "$(id -u)" -eq 0 ] && return
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		exec sudo -n --preserve-env=XFRMI_CACHE,DRIVER,TESTS,V,KVM,SECONDS,KEY,CERT,DEBFULLNAME,DEBEMAIL \
			env XFRMI_CACHE="$cache" "$@"
	fi
	die "the sandbox needs root (chroot and mounts): run this as root, or as a user whose sudo asks for no password"
}

# step MESSAGE COMMAND...: runs a long command with its output in a log. Prints the message, a line
# every 20 seconds with the newest line of the log, and the end of the log if the command fails.
step() {
	local message=$1 log pid rc=0 ticks=0 last
	shift
	mkdir -p "$cache/log"
	log=$(mktemp "$cache/log/step.XXXXXX")
	say "$message"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		ticks=$((ticks + 1))
		if [ $((ticks % 40)) -eq 0 ]; then
			last=$(tail -c 400 "$log" | tr '\r' '\n' | grep -v '^ *$' | tail -n 1 | cut -c1-100 || true)
			say "  … $last"
		fi
	done
	wait "$pid" || rc=$?
	if [ "$rc" -ne 0 ]; then
		tail -n 60 "$log" >&2
		mv "$log" "$cache/log/failed.log"
		printf 'error: failed (exit %d): %s; whole log: %s\n' "$rc" "$message" "$cache/log/failed.log" >&2
		return "$rc"
	fi
	rm -f "$log"
}

# key FILE-OR-WORD...: a hash of the contents of files and of words that are no files.
key() {
	local word
	for word in "$@"; do
		if [ -f "$word" ]; then cat "$word"; else printf '%s\n' "$word"; fi
	done | sha256sum | cut -c1-16
}

# recipe FUNCTION...: what these functions do, for a key. In which folder they find files of ours makes
# no difference to what they build.
recipe() { declare -f "$@" | sed -E 's#/scripts/(vm|kernels)/#/scripts/#g'; }

# The files of an entry and their sizes. What is written while an entry is in use is left out.
manifest() {
	(cd "$1" && find . -xdev \( -path ./var -o -path ./tmp -o -path ./run -o -path ./root \
		-o -path ./etc -o -path ./dev -o -path ./proc -o -path ./sys -o -name '*.pyc' \
		-o -name __pycache__ -o -name .manifest \) -prune -o -type f -printf '%p %s\n') |
		LC_ALL=C sort | sha256sum
}

entry_whole() {
	[ -f "$1/.manifest" ] && [ "$(manifest "$1")" = "$(cat "$1/.manifest")" ]
}

# cached NAME KEY BUILDER: prints the path of the entry. BUILDER is called with the directory to
# fill; what it leaves behind when it fails is removed by the next attempt.
cached() {
	local name=$1 dir=$cache/$1-$2 builder=$3 lock
	mkdir -p "$cache"
	# What is there needs no lock, which somebody who makes another entry of that name may hold for long.
	if entry_whole "$dir"; then
		touch "$dir"
		printf '%s\n' "$dir"
		return
	fi
	exec {lock}>"$cache/$name.lock"
	flock -w 2 "$lock" || { say "waiting for another run that prepares: $name"; flock "$lock"; }
	if [ -d "$dir" ] && ! entry_whole "$dir"; then
		say "the cached $name is damaged: making it again"
		remove_tree "$dir"
	fi
	if [ ! -d "$dir" ]; then
		remove_tree "$dir.partial"
		mkdir -p "$dir.partial"
		# Not in a condition, where bash would switch off "set -e" inside the builder.
		("$builder" "$dir.partial" {lock}>&-) >&2
		manifest "$dir.partial" >"$dir.partial/.manifest"
		mv "$dir.partial" "$dir"
	fi
	touch "$dir"
	# What other versions of this tree made and nobody has used for long.
	find "$cache" -maxdepth 1 -name "$name-*" -mtime +14 -exec rm -rf --one-file-system {} +
	exec {lock}>&-
	printf '%s\n' "$dir"
}

remove_tree() {
	[ -e "$1" ] || return 0
	# Mounts live in private namespaces, so none can be left below; -xdev all the same.
	rm -rf --one-file-system "$1"
}

# qemu_for_root FILE ARCH GUEST: makes FILE a QEMU for virtme-ng with another root than this. virtme-ng
# takes the tools of its guest from a file system of a kind that Debian's cloud kernels lack, unless they
# are in the root itself: it is told that they are, in the directory GUEST.
qemu_for_root() {
	printf '#!/bin/bash\nexec /usr/bin/qemu-system-%s "${@/%s/init=%s/virtme-init}"\n' "$2" \
		'init=\/bin\/sh -- -c *guesttools\/virtme-init\"' "$3" >"$1"
	chmod +x "$1"
}
