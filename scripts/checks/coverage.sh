#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the selftests with a module that counts what it executes, on the stock kernel, and says which
# lines of the driver they reach. TESTS selects some. Fails if a test does.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

become_root "$0" "$@"
out=out/coverage-stock
"$top/scripts/build/build.sh" stock COVERAGE=1
rm -f "$top/$out/counters.json"
rc=0
"$top/scripts/vm/vm.sh" --timeout 5400 --results "$top/$out" -- bash /src/selftests/tools/covered.sh || rc=$?
"$top/scripts/vm/sandbox.sh" run -- python3 scripts/checks/coverage.py \
	"$out/rust/xfrm_interface_rust.ko" selftests/expect/unreached "$out/counters.json" | tee "$top/$out/report"
chown -R --reference="$top" "$top/out"
exit "$rc"
