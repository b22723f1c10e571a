#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks the sources, and what is built of them, without running it. Everything that is needed is in
# the sandbox. The last line is "N passed, N failed", as that of tests.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

become_root "$0" "$@"
mapfile -t binds < <("$top/scripts/kernels/kernel.sh" stock)
[ ${#binds[@]} -gt 0 ] || exit 1
passed=0
failed=()

check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		printf 'ok      %s\n' "$name"
		passed=$((passed + 1))
	else
		printf 'FAILED  %s\n%s\n' "$name" "$out"
		failed+=("$name")
	fi
}

inside() { "$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- bash -euo pipefail -c "$1" </dev/null; }

# The files of the tree, whether or not git has them yet.
files() {
	cd "$top" || return
	if [ -d .git ] && command -v git >/dev/null; then
		git -c safe.directory="$top" ls-files --cached --others --exclude-standard
	else
		find . -name out -prune -o -type f -print
	fi
}

spdx() {
	local file missing=()
	while read -r file; do
		# The last have no place for it: debian/copyright says it for them.
		case $file in COPYING|*.svg|*.patch|*/Cargo.lock.in|debian/changelog|debian/source/format|*/debian/changelog|*/debian/source/format) continue ;; esac
		[ ! -e "$top/$file" ] || head -n 3 "$top/$file" | grep -q 'SPDX-License-Identifier: ' || missing+=("$file")
	done < <(files)
	[ ${#missing[@]} -eq 0 ] || { printf 'no SPDX line: %s\n' "${missing[@]}"; return 1; }
}

no_unsafe() {
	grep -q '^#!\[forbid(unsafe_code)\]$' "$top/rust/xfrmi/mod.rs" || { echo 'rust/xfrmi/mod.rs does not forbid unsafe code'; return 1; }
	! grep -rnw unsafe "$top/rust/xfrmi" || return 1
}

# The changelogs begin with the version that modinfo shows; Debian writes 1.0.0~rc1 for 1.0.0-rc1.
one_version() {
	local version
	version=$(sed -n 's/^#define VERSION "\(.*\)"$/\1/p' "$top/rust/version.c")
	[ -n "$version" ] || { echo 'no version in rust/version.c'; return 1; }
	[[ $(grep -m 1 '^## ' "$top/CHANGELOG.md") = "## [$version]"* ]] ||
		{ echo "CHANGELOG.md does not begin with $version"; return 1; }
	[[ $(head -n 1 "$top/debian/changelog") = "xfrm-interface-rust (${version/-/\~}) "* ]] ||
		{ echo "debian/changelog does not begin with ${version/-/\~}"; return 1; }
}

clippy() {
	local out
	# Clippy lints what rustc compiles, so a directory of its own makes it compile everything.
	out=$(inside "make -C /kernel/tree M=/src MO=/src/out/clippy \$(scripts/build/check-kdir.sh /kernel/tree) KERNELRELEASE=\$(ls /usr/lib/modules) CONFIG_MODULE_SIG_ALL= CLIPPY=1 -j$(nproc) modules" 2>&1) ||
		{ printf '%s\n' "$out"; return 1; }
	! grep -E -A12 '^(warning|error)' <<<"$out"
}

# Each alone, and all in their order.
patches_apply() {
	inside 'cd /kernel/source
		for patch in /src/patches/7.3/00??-[!c]*.patch; do
			patch --dry-run --batch --silent -p1 <"$patch" || { echo "does not apply alone: $patch"; exit 1; }
		done
		grep -v "^#" /src/patches/7.3/series | diff - <(cd /src/patches/7.3 && ls 00??-[!c]*.patch)
		mkdir /tmp/tree
		sed -n "s|^--- a/||p" /src/patches/7.3/00??-[!c]*.patch | sort -u | xargs cp --parents -t /tmp/tree
		cd /tmp/tree
		grep -v "^#" /src/patches/7.3/series | while read -r patch; do
			patch --batch --silent -p1 <"/src/patches/7.3/$patch" || { echo "does not apply in the series: $patch"; exit 1; }
		done'
}

# Where there is something that reads them; the sandbox has nothing.
manual_pages() {
	local out
	command -v groff >/dev/null || return 0
	out=$(groff -man -ww -Tutf8 -z "$top"/tools/*.8 2>&1)
	[ -z "$out" ] || { printf '%s\n' "$out"; return 1; }
}

rm -rf "$top/out/clippy"
mkdir -p "$top/out/clippy"
check rustfmt inside 'find rust -name "*.rs" ! -name "*_generated.rs" | xargs rustfmt --check --edition 2021 --config-path /kernel/source/.rustfmt.toml'
check clippy clippy
check 'no unsafe code in rust/xfrmi' no_unsafe
check 'layers' inside 'scripts/checks/check-layers.py rust'
check 'the module builds' "$top/scripts/build/build.sh" stock
check 'no panics' inside 'scripts/checks/check-panics.sh out/stock/rust/main.o'
check 'rustdoc, and its links' "$top/scripts/build/doc.sh"
check checkpatch inside '/kernel/source/scripts/checkpatch.pl --no-tree --terse --strict --no-summary --ignore=FILE_PATH_CHANGES,CONSTANT_CONVERSION -f rust/helpers/*.c rust/compat/*.h rust/datapath/*.c rust/datapath/datapath.h rust/bindings/*.h rust/*.[ch]'
# What declares tracepoints looks like no other C.
check 'checkpatch, tracepoints' inside '/kernel/source/scripts/checkpatch.pl --no-tree --terse --strict --no-summary --ignore=FILE_PATH_CHANGES,COMPLEX_MACRO,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE -f rust/datapath/trace.h'
check 'checkpatch, bench' inside '/kernel/source/scripts/checkpatch.pl --no-tree --terse --strict --no-summary --ignore=FILE_PATH_CHANGES,CONSTANT_CONVERSION,PREFER_KERNEL_TYPES,AVOID_EXTERNS,NEW_TYPEDEFS,CAMELCASE,EMBEDDED_FUNCTION_NAME -f bench/c/*.[ch]'
# Whoever sends a patch signs it off; and there is no history here to find other commits in. Through
# stdin: a file that git knows would be checked as a source.
check 'checkpatch, patches' inside 'for patch in patches/7.3/00??-[!c]*.patch; do
	/kernel/source/scripts/checkpatch.pl --no-tree --terse --strict --no-summary --no-signoff --ignore=UNKNOWN_COMMIT_ID - <"$patch" ||
		{ echo "in $patch"; exit 1; }
done'
check 'patches apply' patches_apply
check 'xfrmi: rustfmt' inside 'find tools/xfrmi -name "*.rs" -print0 | LD_LIBRARY_PATH=$(echo /opt/rust/usr/lib/*-linux-gnu) xargs -0 /opt/rust/usr/bin/rustfmt --check --config-path tools/xfrmi'
check 'xfrmi: clippy' "$top/scripts/build/xfrmi.sh" clippy --all-targets -- -D warnings
check 'xfrmi: unit tests' "$top/scripts/build/xfrmi.sh" test
# One by one: together they take more memory than there is.
check shellcheck inside 'find .ci/run scripts selftests bench tools packaging examples rust/compat -type f \
	\( -name "*.sh" -o -path .ci/run -o -path packaging/load -o -name xfrmi-updown \) -print0 | xargs -0 -n 1 shellcheck'
check 'Python compiles' inside 'export PYTHONPYCACHEPREFIX=/tmp/pycache
	find scripts selftests bench tools -type f \( -name "*.py" -o -path tools/xfrm-interface-switch \) \
		-print0 | xargs -0 python3 -m py_compile'
check 'manual pages' manual_pages
check 'what the selftests say of themselves' inside 'selftests/run.sh --list'
check codespell inside 'codespell --skip=out,.git,COPYING,rust-project.json \
	-L crate,inout,te,fo,fro,ser,ons,thead,iif,parm'
check 'links between documents' inside 'find . -path ./out -prune -o -name "*.md" -print0 |
	xargs -0 python3 scripts/checks/links.py'
check 'SPDX lines' spdx
check 'one version' one_version
chown -R --reference="$top" "$top/out"
[ ${#failed[@]} -eq 0 ] || printf '# failed: lint: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ]
