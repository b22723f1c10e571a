#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 1
# Runs: alone
# Also: meetings
#
# The unit tests that the module brings where it was compiled with KUNIT_TESTS=1. A kernel with
# KUnit runs them when it loads the module, and logs what comes of them.

. "$(dirname "$0")/../lib/lib.sh"

# Those in rust/tests and rust/net/tests, and the examples in the documentation; all of them have to
# run.
rust=$(dirname "$0")/../../rust
suites="$(sed -n 's/^#\[kunit_tests(\(xfrmi_[a-z_]*\))\]$/\1/p' "$rust"/tests/*.rs "$rust"/net/tests/*.rs) xfrmi_doctests"

# results FILE: the lines of the kernel's log that are results of cases, as "SUITE ok|not NAME
# REST".
results()
{
	sed 's/^\[[ 0-9.]*\] //' "$1" | awk '
		/^ *# Subtest: / { suite = $3 }
		/^ +ok [0-9]+ / { $1 = $2 = ""; print suite, "ok", $0 }
		/^ +not ok [0-9]+ / { $1 = $2 = $3 = ""; print suite, "not", $0 }
		/^(not )?ok [0-9]+ / { suite = "" }
		'
}

# one RESULT: what the kernel said of one case.
one()
{
	local result name

	read -r _ result name <<<"$1"
	case $result in
	ok) [[ $name != *'# SKIP'* ]] || skip "${name#*# SKIP}" ;;
	*) check_err 1 "$(grep -A4 "# ${name%% *}: .*FAILED" "$tmp/log" | tr '\n' ' ')" ;;
	esac
}

# Every suite was run, and none of them twice.
all_suites()
{
	local suite

	for suite in $suites; do
		expect "runs of $suite" "$(grep -c "# Subtest: $suite\$" "$tmp/log")" 1
	done
	expect 'suites' "$(grep -c '# Subtest: xfrmi_' "$tmp/log")" "$(wc -w <<<"$suites")"
}

if [ "$DRIVER" = c ]; then
	subtest suites skip "these are our driver's"
	finish
elif driver_built_in; then
	subtest suites skip 'the driver is built into the kernel'
	finish
elif ! readelf --sections --wide "$MODULE" | grep -q '\.kunit_test_suites'; then
	subtest suites skip 'the module was compiled without KUNIT_TESTS=1'
	finish
elif [ ! -d /sys/module/kunit ]; then
	subtest suites skip 'the kernel has no KUnit'
	finish
fi

marker="kunit.sh: $$"
slowwait 10 driver_unload 2>/dev/null || exit 1
echo "$marker" >/dev/kmsg
driver_load || exit 1
dmesg | sed "1,/$marker\$/d" >"$tmp/log"
if grep -q 'kunit: disabled' "$tmp/log"; then
	subtest suites skip 'the kernel was booted without kunit.enable=1'
	finish
fi

subtest suites all_suites
while read -r line; do
	read -r suite _ name _ <<<"$line"
	subtest "${suite#xfrmi_}_$name" one "$line"
done < <(results "$tmp/log")

finish
