#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints arguments for rustc that say what the kernel crate of this tree has: --cfg=has_X for each
# has_X.rs beside this script that the command compiles.
#
#	features.sh COMMAND...
#
# The command is how rustc is called for this crate. What is tried is the tree that is built
# against, not its version: distributions backport.

set -u
dir=$(dirname "$0")
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT
trap 'exit 1' HUP INT TERM

compiles() { env "$@" -o "$to/out" >"$to/log" 2>&1; }

# Or else all that is tried would be missing.
echo 'pub use kernel::error::Result;' >"$to/probe.rs"
compiles "$@" "$to/probe.rs" || {
	cat "$to/log" >&2
	exit 1
}
for file in "$dir"/has_*.rs; do
	name=$(basename "$file" .rs)
	! compiles "$@" "$file" || printf -- '--cfg=%s\n' "$name"
done
