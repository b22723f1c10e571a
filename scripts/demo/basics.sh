# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What all of the demo uses: messages and checks, namespaces, background processes, the end.
# Builtins where possible, as an emulated processor takes its time for a process.

failures=0 clean='' started=''
background=()
exec {silence}<> <(:)

die() { printf 'error: %s\n' "$*" >&2; exit 1; }
title() { printf '\n%s\n' "$*"; }
nap() { read -r -t "$1" -u "$silence" || true; }
contains() { local text=''; read -r -d '' text <"$2" || true; [[ $text = *"$1"* ]]; }

# check TEXT COMMAND...: prints the text, which is a claim, and whether the command agrees.
check() {
	local text=$1 verdict=ok
	shift
	"$@" || { verdict=FAILED; failures=$((failures + 1)); }
	printf '  %-90s %s\n' "$text" "$verdict"
}

# inside NAMESPACE COMMAND...: like "ip netns exec".
inside() {
	local namespace=/run/netns/demo-$1
	shift
	nsenter --net="$namespace" "$@"
}

# start NAMESPACE COMMAND...: the same in the background, as the process $started, which ends with
# us.
start() {
	local namespace=/run/netns/demo-$1
	shift
	nsenter --net="$namespace" "$@" &
	started=$!
	background+=("$started")
}

# wait_until SECONDS COMMAND...: polls; fails when the time is over.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -le "$end" ] || return 1
		nap 0.1
	done
}

# both FUNCTION ARGS...: runs "FUNCTION SITE ARGS..." for both gateways at once.
both() {
	local function=$1 first
	shift
	"$function" a "$@" &
	first=$!
	"$function" b "$@"
	wait "$first"
}

# remove_all: ends what this script started and removes what it made, whatever state it is in.
remove_all() {
	[ -z "$clean" ] || return 0
	[ ${#background[@]} -eq 0 ] || kill "${background[@]}" 2>/dev/null || true
	wait
	printf 'netns del %s\n' "${namespaces[@]}" | ip -force -batch - 2>/dev/null || true
	# Namespaces go away in the background, and their routes hold the module until then.
	[ -z "$loaded" ] || wait_until 10 rmmod "$name" 2>/dev/null || true
	clean=yes
}

finish() {
	local rc=$?
	remove_all
	rm -rf "$work"
	exit "$rc"
}
