#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Copies the source that DKMS builds the module from.
#
#   dkms-source.sh DIRECTORY

set -euo pipefail

[ $# -eq 1 ] || { echo 'usage: dkms-source.sh DIRECTORY' >&2; exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd)

mkdir -p "$1"
# Sources only, not what a build of this tree has left beside them.
tar -C "$top" -c --exclude-from="$top/scripts/build/outputs" --exclude=rust/tests --exclude=rust/net/tests \
	Kbuild Makefile rust packaging/dkms-build.sh scripts/build/check-kdir.sh | tar -C "$1" -x --no-same-owner
