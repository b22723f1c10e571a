#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own vrf-xfrm-tests.sh, unmodified; its topology is drawn there. Its lines become
# subtests of the same words.

. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2329
one_line()
{
	[ "$1" = OK ] || check_err 1 'see the output of the kernel test'
}

qdisc=''
while IFS= read -r line; do
	case $line in
	'No qdisc'*) qdisc='' ;;
	*'qdisc on VRF'*) qdisc=' behind netem' ;;
	'TEST: '*)
		result=FAIL
		[[ $line != *'[ OK ]'* ]] || result=OK
		line=${line#TEST: }
		line=${line%%  *}
		subtest "$line$qdisc" one_line $result
		;;
	'') ;;
	*) echo "# $line" ;;
	esac
done < <(cd "$KSFT_NET_DIR" && bash ./vrf-xfrm-tests.sh 2>&1)

# 14 lines, or it has stopped half-way.
# shellcheck disable=SC2329
complete()
{
	expect 'results' "$tap_count" 14
}
subtest 'ran to its end' complete

finish
