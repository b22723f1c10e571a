#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the selftests with the kernel's C driver and with ours, on the same machine, and prints the
# results beside each other: a row for each behaviour, a column for each driver. The C driver has to
# fail exactly what expect/known-c-failures lists, which says why. Ours is first, and whole; on a
# machine that is so slow that it has not begun a test of the C driver within the hour, that is
# skipped.
#
# Takes the same environment as run.sh. The last line counts the results of both runs.

here=$(dirname "$(readlink -e "$0")")
results=${RESULTS:-/results}
failed=0

for driver in rust c; do
	echo "# === selftests with the $driver driver"
	[ $driver = rust ] || export UNTIL=$((3600 - SECONDS))
	# The last line of each run would read as that of the whole.
	DRIVER=$driver "$here/run.sh" | tee "$results/$driver.tap" |
		sed -u 's/^\([0-9]* passed, .*\)/# \1/'
	[ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
done

echo
awk '
	function row(line) {
		name = line
		sub(/^(not )?ok [0-9]+ /, "", name)
		comment = ""
		if ((at = index(name, " # ")) > 0) {
			comment = substr(name, at + 3)
			name = substr(name, 1, at - 1)
		}
		if (comment ~ /^SKIP/) return "skipped"
		if (comment ~ /^TODO/) { sub(/^TODO */, "", comment); why[name] = comment; return "fails" }
		return line ~ /^not/ ? "FAILS" : "passes"
	}
	/^(not )?ok [0-9]/ {
		result = row($0)
		if (FNR == NR) c[name] = result
		else ours[name] = result
		if (!(name in seen)) { seen[name] = 1; order[++rows] = name }
	}
	END {
		printf "%-64s %-8s %-8s %s\n", "behaviour", "C", "ours", "why C fails"
		for (i = 1; i <= rows; i++) {
			name = order[i]
			printf "%-64s %-8s %-8s %s\n", name, name in c ? c[name] : "-",
				name in ours ? ours[name] : "-", why[name]
		}
	}
' "$results/c.tap" "$results/rust.tap"

# What failed, once more at the end, where it is found without scrolling.
awk '
	FNR == 1 { driver = driver == "" ? "the C driver" : "our driver" }
	/^not ok / && !/ # TODO/ {
		sub(/^not ok [0-9]+ /, "")
		name = $0
		sub(/: /, " ", name)
		sub(/ # .*/, "", name)
		names[driver, name] = 1
		print "failed with " driver ": " $0
	}
	/^# / {
		for (key in names) {
			split(key, part, SUBSEP)
			if (part[1] == driver && index($0, "# " part[2]) == 1) print "  " $0
		}
	}
' "$results/c.tap" "$results/rust.tap"
awk '
	/^[0-9]+ passed, / { passed += $1; failed += $3; if ($5) skipped += $5; runs++ }
	END {
		if (runs != 2) failed++
		printf "%d passed, %d failed", passed, failed
		if (skipped) printf ", %d skipped", skipped
		print ""
		exit failed > 0
	}
' "$results/c.tap" "$results/rust.tap" || failed=1
exit "$failed"
