#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs test commands one after the other, and adds up what they end with: "N passed, N failed[, N
# skipped]". One that does not end so has failed. Before the sum, what failed is named once more.
#
#   total.sh COMMAND...

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
passed=0 failed=0 skipped=0
summary='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'

for command in "$@"; do
	# The last line of each would read as that of the whole.
	{ bash -c "$command" && echo 'exit 0'; } 2>&1 | tee "$log" | sed -uE -e "s/($summary)/# \\1/" -e '/^exit 0$/d' || true
	if [ "$(tail -n 1 "$log")" = 'exit 0' ]; then ended=0; else ended=1; fi
	grep -E '^(# failed: |failed with |  # )' "$log" >>"$work/failures" || true
	line=$(grep -E "$summary" "$log" | tail -n 1 || true)
	if [[ $line =~ $summary ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
		[ "${BASH_REMATCH[2]}" -ne 0 ] || failed=$((failed + ended))
	else
		failed=$((failed + 1))
		echo "# no results: $command"
	fi
done

cat "$work/failures"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
