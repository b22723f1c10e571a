# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Part of lib.sh: subtests and their results, as TAP.

tap_count=0
retmsg=''

# The kernel's library prints results for humans; run.sh wants TAP.
log_test_result()
{
	local name=$1 result=$3 message=${4-}

	tap_count=$((tap_count + 1))
	case $result in
	*OK*) echo "ok $tap_count $name" ;;
	SKIP) echo "ok $tap_count $name # SKIP $message" ;;
	XFAIL) echo "ok $tap_count $name # XFAIL $message" ;;
	*)
		echo "not ok $tap_count $name"
		[ -z "$message" ] || echo "# $name: $message"
		;;
	esac
}

# subtest NAME COMMAND...: runs one subtest in a scope of its own, so that what it defers is undone
# before the next, and logs its result.
subtest()
{
	local name=$1; shift

	if [ -n "$SUBTESTS" ] && [[ " ${SUBTESTS//,/ } " != *" $name "* ]]; then
		return 0
	fi
	RET=0
	retmsg=''
	in_defer_scope explained "$@" || :
	log_test "$name" || :
}

explained()
{
	"$@"
	explain
}

# With V=1, what the kernel knows about a failure, as long as the subtest's traces are there.
explain()
{
	local ns

	[ -n "${V-}" ] && ((RET == ksft_fail)) || return 0
	for ns in "${NS_LIST[@]}"; do
		inside "$ns" awk -v ns="$ns" '$2 { print "# " ns ": " $0 }' /proc/net/xfrm_stat
		ip -n "$ns" -s -j link show type xfrm |
			jq -c '.[] | [.ifname, .stats64]' | sed "s/^/# $ns: /"
	done
}

# check CONDITION-COMMAND... -- MESSAGE: fails the subtest with the message if the command fails.
check()
{
	local command=()

	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	if "${command[@]}"; then
		return 0
	fi
	check_err 1 "$2"
	return 1
}

# expect WHAT ACTUAL EXPECTED: fails the subtest unless both are the same.
expect()
{
	[ "$2" = "$3" ] && return 0
	check_err 1 "$1 is '$2', should be '$3'"
	return 1
}

# skip REASON: marks the subtest as not applicable.
skip()
{
	ret_set_ksft_status "$ksft_skip" "$1"
}
