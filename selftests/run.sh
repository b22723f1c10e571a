#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the selftests on this machine, which should be a virtual one: they load and unload the
# driver.
#
#	DRIVER=rust|c	our driver (the default) or the kernel's
#	MODULE=FILE	our module
#	TESTS="..."	the tests to run, all unless given; "lwt" is a file, "lwt:multipath_4,multipath_6"
#			are subtests of it, "packets/" is a folder, "@leaks" are those that say "Also: leaks"
#	ALL=1		all combinations of families and the like, where a few stand for the rest
#	V=1		with what the kernel knows about each failure
#	UNTIL=N		tests that have not begun after N seconds are skipped
#
# The tests in gateway/ are of tools rather than of the driver: they run only if they are named.
#
#	run.sh --list	prints which tests these are, in the order in which they run, and runs none
#
# Prints one stream of TAP and at its end how many passed and failed. Subtests that the C driver is
# known to fail are in expect/known-c-failures, and with DRIVER=c exactly those have to fail.
#
# A test is an executable file in one of the folders beside this one, other than lib, tools and
# expect. Comments at its top, before the first other line, say how it is run:
#
#	# Time: N	about how many seconds it takes on a machine that is only emulated, beside others. Every
#			test has this line.
#	# Runs: alone	not beside others: it unloads the driver, sees what others make it drop or release, or
#			keeps them from changing any device for most of the time
#	# Only: rust	not with the C driver unless it is named itself: it would say the same, or nothing
#	# Also: WORD...	where else it belongs: "leaks" are those that make and delete most, which run also under
#			kmemleak; "meetings" those in which CPUs meet, for KCSAN

here=$(dirname "$(readlink -e "$0")")
export DRIVER=${DRIVER:-rust}
export MODULE=${MODULE:-$here/../out/stock/rust/xfrm_interface_rust.ko}
export KSFT_NET_DIR=${KSFT_NET_DIR:-/kernel/source/tools/testing/selftests/net}
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
. "$here/../scripts/load-driver.sh"

################################################################################
# The tests

groups='leaks meetings'

# What is wrong with the files, so that nothing is run.
wrong=0
bad()
{
	echo "run.sh: $*" >&2
	wrong=1
}

# Of each test, by its name: its file and what that says.
declare -A files=() times=() alone=() only=() also=()

# read_head FILE: what the comments at the top of a test say.
read_head()
{
	local file=$1 line value word name=${1##*/}

	name=${name%.*}
	if [ -n "${files[$name]-}" ]; then
		bad "$file and ${files[$name]} have the same name"
		return
	fi
	files[$name]=$file alone[$name]='' only[$name]='' also[$name]=''
	while IFS= read -r line && [[ $line = '#'* ]]; do
		[[ $line =~ ^'# '([A-Z][a-z]+)': '(.*)$ ]] || continue
		value=${BASH_REMATCH[2]}
		case ${BASH_REMATCH[1]}:$value in
		Runs:alone) alone[$name]=yes ;;
		Only:rust) only[$name]=rust ;;
		Time:*)
			[[ $value =~ ^[1-9][0-9]*$ ]] || bad "$file: a time is a number of seconds, not '$value'"
			times[$name]=$value
			;;
		Also:*)
			for word in $value; do
				[[ " $groups " = *" $word "* ]] || bad "$file: nothing is called '$word': $groups"
			done
			also[$name]=$value
			;;
		*) bad "$file: '$line' is none of 'Time: N', 'Runs: alone', 'Only: rust', 'Also: ...'" ;;
		esac
	done <"$here/$file"
	[ -n "${times[$name]-}" ] || bad "$file: an executable file is a test, which says '# Time: N' at its top"
}

for file in "$here"/*/*; do
	file=${file#"$here/"}
	case $file in
	lib/* | tools/* | expect/*) continue ;;
	esac
	[ -f "$here/$file" ] && [ -x "$here/$file" ] || continue
	case $file in
	*.sh | *.py) read_head "$file" ;;
	*) bad "$file: a test ends with .sh or .py" ;;
	esac
done

# in_order NAME...: those that take longest are first, so that all end at about the same time. Of
# those that run alone the short ones are, so that there is something to be seen soon.
in_order()
{
	local name

	for name in "$@"; do
		if [ -n "${alone[$name]}" ]; then
			echo "$((1000000 + ${times[$name]})) $name"
		else
			echo "$((1000000 - ${times[$name]})) $name"
		fi
	done | sort -n | cut -d' ' -f2
}

# selected ENTRY: the tests that a word of TESTS stands for, as "NAME" or "NAME:SUBTESTS".
selected()
{
	local entry=${1%%:*} subtests='' name found=()

	[ "$entry" = "$1" ] || subtests=:${1#*:}
	for name in "${!files[@]}"; do
		case $entry in
		"$name" | "$name.sh" | "$name.py" | "${files[$name]}" | "${files[$name]%.*}" | "${files[$name]%/*}/") ;;
		@*) [[ " ${also[$name]} " = *" ${entry#@} "* ]] || continue ;;
		*) continue ;;
		esac
		[ "${only[$name]:-$DRIVER}" = "$DRIVER" ] || [[ $entry != */ ]] || continue
		found+=("$name")
	done
	if [ ${#found[@]} -eq 0 ]; then
		bad "no test is called '$entry'; run.sh --list lists them"
		return
	fi
	mapfile -t found < <(in_order "${found[@]}")
	tests+=("${found[@]/%/$subtests}")
}

tests=() complete=''
if [ "$wrong" -eq 0 ]; then
	if [ -n "${TESTS-}" ]; then
		for entry in $TESTS; do
			selected "$entry"
		done
	else
		for name in "${!files[@]}"; do
			[ "${only[$name]:-$DRIVER}" != "$DRIVER" ] || [[ ${files[$name]} = gateway/* ]] || tests+=("$name")
		done
		mapfile -t tests < <(in_order "${tests[@]}")
		complete=yes
	fi
fi
unset TESTS

# What the C driver is known to fail, each with the key of an entry that says why.
declare -A known_failures=() known_seen=() keys=()
while IFS= read -r key; do
	keys[$key]=yes
done < <(sed -n 's/^\(- \)\?\*\*\([a-z0-9-]*\): .*/\2/p' "$here/../docs/differences.md")
patched=''
[[ $(uname -r) != *-patched* ]] || patched=yes
while IFS= read -r line; do
	case $line in
	'' | '#'*) continue ;;
	esac
	if ! [[ $line =~ ^(([a-z0-9-]+)': '[^ ]+)'  '(([a-z0-9-]+)': '.+)$ ]]; then
		bad "expect/known-c-failures: '$line' is not 'file: subtest  key: why'"
		continue
	fi
	name=${BASH_REMATCH[1]} why=${BASH_REMATCH[3]}
	[ -n "${files[${BASH_REMATCH[2]}]-}" ] || bad "expect/known-c-failures: no test is called '${BASH_REMATCH[2]}'"
	[ -n "${keys[${BASH_REMATCH[4]}]-}" ] ||
		bad "expect/known-c-failures: docs/differences.md has no entry '${BASH_REMATCH[4]}'"
	[ "$DRIVER" = c ] || continue
	[[ $why = *'(mended by patches/7.3)' && -n $patched ]] || known_failures[$name]="  $why"
done <"$here/expect/known-c-failures"

[ "$wrong" -eq 0 ] || exit 2

case ${1-} in
'') ;;
--list)
	for entry in "${tests[@]}"; do
		name=${entry%%:*}
		printf '%-8s  %4s s  %s%s%s\n' "${alone[$name]:+alone}" "${times[$name]}" "${files[$name]}" \
			"${entry#"$name"}" "${also[$name]:+  (${also[$name]// /, })}"
	done
	exit
	;;
*)
	echo 'usage: [DRIVER=rust|c] [TESTS="..."] run.sh [--list]' >&2
	exit 2
	;;
esac

# How long one file may take, in seconds, on a machine that is only emulated.
limit=${LIMIT:-1200}

# When there is no more time for tests that have not begun.
until=${UNTIL:+$(($(date +%s) + UNTIL))}

# How many run at once: more than there are CPUs, since most wait more than they compute.
jobs=${JOBS:-$(($(nproc) + 1))}

################################################################################
# Results

count=0 passed=0 failed=0 skipped=0 known=0
failures=()
work=$(mktemp -d)
trap 'rm -rf "$work"; kill "$log_job" 2>/dev/null' EXIT

# result ok|fail|skip NAME [COMMENT]: counts and prints one result.
result()
{
	local what=$1 name=$2 comment=${3-}

	count=$((count + 1))
	if [ -n "${known_failures[$name]+set}" ]; then
		known_seen[$name]=1
		case $what in
		fail)
			known=$((known + 1))
			echo "not ok $count $name # TODO${known_failures[$name]}"
			return
			;;
		ok)
			what=fail
			comment='passes, though expect/known-c-failures lists it'
			;;
		esac
	fi
	case $what in
	ok)
		passed=$((passed + 1))
		echo "ok $count $name"
		;;
	skip)
		skipped=$((skipped + 1))
		echo "ok $count $name # SKIP $comment"
		;;
	*)
		failed=$((failed + 1))
		failures+=("$name")
		echo "not ok $count $name${comment:+ # $comment}"
		;;
	esac
}

# The lines of the log in which a reference tracker may say that it lacks memory: those of the test
# that makes allocations fail.
short_from=0 short_to=0

# Complaints in what the kernel has logged since the given line. Data races are judged in the end.
log_complaints()
{
	awk -v since="$1" -v from="$short_from" -v to="$short_to" \
		'NR > since && !(/unreliable refcount tracker/ && NR > from && NR <= to)' "$work/log" | grep -E \
		-e '(^|[] ])WARNING: ' -e '\bBUG\b' -e 'Oops' -e 'general protection' -e 'KASAN' -e 'UBSAN' \
		-e 'refcount_t' -e 'ref_tracker' -e 'possible (recursive|circular|irq)' -e 'possible deadlock' \
		-e 'suspicious RCU' -e 'inconsistent lock' -e 'unregister_netdevice: waiting' \
		-e 'sleeping function' -e 'suspected memory leaks' -e 'unreferenced object' -e 'rcu.*stall' \
		-e 'attempted to create .Error' -e 'Kernel panic' -e 'kernel NULL pointer' -e 'soft lockup' \
		-e 'hung_task|blocked for more' |
		grep -v -e 'BUG: KCSAN' -e 'Unprivileged eBPF' -e 'Spectre' -e 'already exists in .ref_tracker'
}

log_lines()
{
	wc -l <"$work/log"
}

# run_file FILE[:SUBTESTS]: runs one test and prints its lines, each after the test's name and a
# tab, so that those of several tests can be told apart. The last line is its exit code.
run_file()
{
	local file=${1%%:*} subtests='' name start=$SECONDS

	[ "$file" = "$1" ] || subtests=${1#*:}
	name=${file##*/}
	name=${name%.*}
	if [ -n "$until" ] && [ "$(date +%s)" -ge "$until" ]; then
		printf '%s\tlate\n' "$name"
		return
	fi
	SUBTESTS=$subtests timeout -k 10 "$limit" "$here/$file" </dev/null 2>&1 | sed -u "s/^/$name\t/"
	printf '%s\tended %s %s\n' "$name" "${PIPESTATUS[0]}" $((SECONDS - start))
}

# Reads what run_file prints, counts, and prints it again with the names of files in one place.
results()
{
	local name line what comment
	local -A seen=()

	while IFS=$'\t' read -r name line; do
		case $line in
		'ok '[0-9]* | 'not ok '[0-9]*)
			seen[$name]=1
			what=ok
			[ "${line#not }" = "$line" ] || what=fail
			line=${line#*ok }
			line=${line#* }
			line=${line#"$name".}
			comment=''
			case $line in
			*' # SKIP'*)
				what=skip
				comment=${line#*'# SKIP'}
				comment=${comment# }
				;;
			*' # '*) comment=${line#*' # '} ;;
			esac
			result "$what" "$name: ${line%%' #'*}" "$comment"
			;;
		'TAP version'*)
			[ "$name" != allocation-faults ] || short_from=$(log_lines) short_to=1000000000
			;;
		'1..'* | '# Totals'*) ;;
		late)
			complete=''
			result skip "$name: begins" 'no time is left for it'
			;;
		'ended '*)
			read -r _ what comment <<<"$line"
			case $what in
			0 | 1 | 4)
				[ -n "${seen[$name]-}" ] || result fail "$name: has results" "exit code $what"
				;;
			124) result fail "$name: ends" "not within $limit seconds" ;;
			*) result fail "$name: ends" "exit code $what" ;;
			esac
			[ "$name" != allocation-faults ] || short_to=$(log_lines)
			if log_complaints "$reported" >"$work/complaints"; then
				reported=$(log_lines)
				echo "# the kernel complained, before the end of $name:"
				sed 's/^/#   /' "$work/complaints" | head -n 40
			fi
			echo "# $name took $comment s"
			;;
		'#'*) echo "# $name${line#\#}" ;;
		*) echo "# $name: $line" ;;
		esac
	done
}
reported=0

echo 'TAP version 13'
dmesg >"$work/log.boot"
dmesg --follow --nopager >"$work/log" 2>/dev/null &
log_job=$!

# shellcheck disable=SC2016
if bash -c '. "$1/lib/lib.sh" >/dev/null; driver_loaded' - "$here" 2>"$work/load"; then
	result ok 'run: driver loads'
else
	sed 's/^/# /' "$work/load"
	dmesg | tail -n 5 | sed 's/^/# /'
	result fail 'run: driver loads'
	echo "1..$count"
	echo "$passed passed, $failed failed"
	exit 1
fi
echo "# kernel $(uname -r), driver $DRIVER"

# Each test has namespaces of its own, so several run at once.
together=() by_themselves=()
for entry in "${tests[@]}"; do
	name=${entry%%:*}
	entry=${files[$name]}${entry#"$name"}
	if [ -n "${alone[$name]}" ]; then
		by_themselves+=("$entry")
	else
		together+=("$entry")
	fi
done
export here limit until
export -f run_file
results < <(
	in_parallel()
	{
		local at_once=$1
		shift
		[ $# -eq 0 ] || printf '%s\n' "$@" | xargs -P "$at_once" -I '{}' bash -c 'run_file "$1"' - '{}'
	}
	in_parallel "$jobs" "${together[@]}"
	in_parallel 1 "${by_themselves[@]}"
)

# A name that no subtest has is a slip of the pen, or a test that has stopped half-way.
if [ -n "$complete" ]; then
	for name in "${!known_failures[@]}"; do
		[ -n "${known_seen[$name]-}" ] || result fail "run: $name was run" 'expect/known-c-failures lists it'
	done
fi

# Nothing may hold the module once the tests have cleaned up behind themselves; what a namespace
# holds goes when its work queue has run.
unloaded()
{
	local i

	for ((i = 0; i < 100; i++)); do
		[ -d "/sys/module/$driver_name" ] || return 0
		driver_unload 2>"$work/unload" && return 0
		sleep 0.1
	done
	return 1
}
if driver_built_in; then
	result skip 'run: driver unloads' 'it is built into the kernel'
elif unloaded; then
	result ok 'run: driver unloads'
else
	sed 's/^/# /' "$work/unload"
	result fail 'run: driver unloads'
fi

# Not where there is no kmemleak, or where it was turned off on the kernel's command line.
if { echo scan >/sys/kernel/debug/kmemleak; } 2>/dev/null; then
	# A leak is one that a second scan still sees.
	sleep 5
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >>"$work/log"
fi
sleep 0.5
if log_complaints 0 >"$work/complaints"; then
	sed 's/^/# /' "$work/complaints" | head -n 60
	result fail 'run: kernel log is clean'
else
	result ok 'run: kernel log is clean'
fi

if [ -e /sys/kernel/debug/kcsan ]; then
	what=fail
	if "$here/tools/kcsan.py" "$work/log" "$here/expect/known-races" >"$work/races" &&
		grep -qx 'enabled: 1' /sys/kernel/debug/kcsan; then
		what=ok
	fi
	sed 's/^/# /' "$work/races"
	grep -e setup_watchpoints -e data_races /sys/kernel/debug/kcsan | sed 's/^/# KCSAN: /'
	result "$what" 'run: no data races'
fi

echo "1..$count"
[ "$known" -eq 0 ] || echo "# $known failed as it is known of the C driver"
for name in "${failures[@]}"; do
	echo "# failed: $name"
done
tail=''
[ "$skipped" -eq 0 ] || tail=", $skipped skipped"
echo "$passed passed, $failed failed$tail"
[ "$failed" -eq 0 ]
