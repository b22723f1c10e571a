#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Copies the sources of this tree, and nothing that was built of them.
#
#   copy-tree.sh DIRECTORY [PATHSPEC...]        of git's; for what is left out: ':!docs'

set -euo pipefail

[ $# -ge 1 ] || { echo 'usage: copy-tree.sh DIRECTORY [PATHSPEC...]' >&2; exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd)
to=$1
shift

files() {
	cd "$top" || return
	if [ -e .git ] && command -v git >/dev/null; then
		# What is new there, too. The tree may be another user's.
		git -c safe.directory="$top" ls-files -z --cached --others --exclude-standard -- "$@"
	else
		find . \( -path ./out -o -path ./.git \) -prune -o -type f -print0
	fi
}

mkdir -p "$to"
# What builds leave is named where git is not there to know it.
files "$@" | tar -C "$top" -c --exclude-from="$top/scripts/build/outputs" --null --no-recursion --ignore-failed-read -T - | tar -x -C "$to" --no-same-owner
