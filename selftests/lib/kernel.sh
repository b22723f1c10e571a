# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests share that run one of the kernel's own, unmodified, with the driver under test
# loaded. None of those loads a driver by itself: what they make of kind xfrm is made by the one
# that is there, and every packet of IPsec passes through its handlers. Their results become
# subtests of the same words.

# kernel_result LINE: if the line is a result, sets name and result, which is "ok" if it is good.
kernel_result()
{
	case $1 in
	'PASS: '* | 'FAIL: '* | 'SKIP: '*)
		result=${1%%: *}
		name=${1#*: }
		;;
	'TEST: '*' ['*']'*)
		result=${1##*[}
		result=${result%%]*}
		result=${result// }
		name=${1#TEST: }
		name=${name%%  *}
		;;
	'ok '[0-9]*.* | 'not ok '[0-9]*.*)
		result=${1%%ok *}ok
		[[ $1 != *' # '* ]] || result=${1#* # }
		name=${1#*ok * }
		name=${name%% # *}
		name=${name#*.}
		;;
	*) return 1 ;;
	esac
	[[ $result != PASS && $result != OK ]] || result=ok
}

# The results that the kernel's test has to have.
names=()

# kernel_test COMMAND...: runs a test of the kernel in its directory.
kernel_test()
{
	local line name result status failed=no
	local -A missing=()

	for name in "${names[@]}"; do
		missing[$name]=1
	done
	while IFS= read -r line; do
		# Some word a failure unlike a success; that leaves the name without a result.
		if kernel_result "$line" && [[ $result = ok || -n ${missing[$name]-} ]]; then
			missing[$name]=''
			[ "$result" = ok ] || failed=yes
			subtest "$name" expect 'the result' "$result" ok
		elif [ -n "$line" ]; then
			echo "# ${line#'# '}"
		fi
	done < <(cd "$KSFT_NET_DIR" && "$@" 2>&1)
	wait $!
	status=$?

	for name in "${names[@]}"; do
		if [ -n "${missing[$name]-}" ]; then
			failed=yes
			subtest "$name" check_err 1 'it has no result'
		fi
	done
	subtest 'exit code' kernel_exit_code "$status" "$failed"
}

# kernel_exit_code STATUS FAILED: the exit code has to agree with the results.
kernel_exit_code()
{
	if [ "$2" = yes ]; then
		check [ "$1" -ne 0 ] -- "it is 0, though results are bad or missing"
	else
		expect 'the exit code' "$1" 0
	fi
}
