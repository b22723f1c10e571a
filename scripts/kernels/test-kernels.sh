#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the module for each of Debian's kernels that has Rust, boots it, with some of the selftests,
# and prints a table.
#
#   test-kernels.sh [RELEASE...]     all that there are unless given, as debian.sh names them
#
# TESTS in the environment: others than these few. What is prepared for each is kept in the cache.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

become_root "$0" "$@"
kernel=$top/scripts/kernels/kernel.sh
export TESTS=${TESTS:-link lwt metadata module} DRIVER=rust
if [ $# -gt 0 ]; then releases=("$@"); else mapfile -t releases < <("$kernel" releases); fi
[ ${#releases[@]} -gt 0 ] || die 'no kernels were found (package mirror out of reach?)'

mkdir -p "$top/out"
table=$top/out/kernels.tsv
printf 'kernel\tC compiler\trustc\tmodule\tselftests\n' >"$table"
passed=0 failed=0

# one RELEASE: sets what the table says of it.
one() {
	local release=$1 binds log=$top/out/kernel-$1.log
	compiler='' rustc='' module='' tests=''
	mapfile -t binds < <("$kernel" "$release" 2> >(tee "$log" >&2))
	if [ ${#binds[@]} -eq 0 ]; then
		module='no tree'
		return 1
	fi
	compiler=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) (.*) \(.*\)"/\1 \2/p' "${binds[4]}/.config")
	rustc=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="rustc \([^ ]*\).*/\1/p' "${binds[4]}/.config")
	if ! "$top/scripts/build/build.sh" "$release" >"$log" 2>&1; then
		tail -n 20 "$log" | cut -c1-200 >&2
		module=failed
		return 1
	fi
	module=built
	"$top/scripts/vm/vm.sh" --kernel "$release" --timeout 1200 -- bash /src/selftests/run.sh >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		tests=$(tail -n 1 "$log")
		return 1
	}
	tests=$(tail -n 1 "$log")
}

for release in "${releases[@]}"; do
	say "$release"
	if one "$release"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	printf '%s\t%s\t%s\t%s\t%s\n' "$release" "$compiler" "$rustc" "$module" "${tests:--}" >>"$table"
done
expand -t 28,60,68,76 "$table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
