# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of xfrmi share. It is built by scripts/build/xfrmi.sh.

xfrmi_binary=$(dirname "$lib")/../out/xfrmi/release/xfrmi

if [ ! -x "$xfrmi_binary" ]; then
	subtest xfrmi check [ -x "$xfrmi_binary" ] -- 'scripts/build/xfrmi.sh has not built it'
	finish
fi

# xfrmi NS ARGUMENT...: the program in a namespace. What it prints is in $tmp/out, and in $tmp/err what
# is wrong; returns how it ended.
xfrmi()
{
	local ns=$1
	shift

	ip netns exec "$ns" "$xfrmi_binary" "$@" >"$tmp/out" 2>"$tmp/err"
}

# succeeds NS ARGUMENT...: it has to.
succeeds()
{
	xfrmi "$@" && return
	check_err 1 "'xfrmi ${*:2}' fails: $(paste -sd';' "$tmp/err")$(paste -sd';' "$tmp/out")"
	return 1
}

# printed PATTERN: it has printed a line like that.
printed()
{
	check grep -Eq -e "$1" "$tmp/out" -- "it does not print '$1', but: $(paste -sd';' "$tmp/out") $(paste -sd';' "$tmp/err")"
}

# complains TEXT: it has failed, and says so.
complains()
{
	check grep -Fq -e "$1" "$tmp/err" -- "it does not complain '$1', but: $(paste -sd';' "$tmp/err")"
}

# json FILTER: whether jq's filter is true of what it has printed.
json()
{
	check jq -e "$1" "$tmp/out" -- "not so: $1: $(cut -c1-2000 "$tmp/out") $(paste -sd';' "$tmp/err")" >/dev/null
}
