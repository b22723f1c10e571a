#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes of a module what is installed: without debugging information (but with its BTF, by which BPF
# programs find its functions), signed if there is a key, compressed as the kernel's own.
#
#   finish.sh TREE MODULE.ko DIRECTORY
#
# KEY and CERT in the environment: a private key (PEM, or a PKCS#11 URI) and its certificate.

set -euo pipefail

[ $# -eq 3 ] || { echo 'usage: finish.sh TREE MODULE.ko DIRECTORY' >&2; exit 2; }
tree=$1 module=$2 to=$3

option() { sed -n "s/^$1=//p" "$tree/.config" | tr -d '"'; }

mkdir -p "$to"
file=$to/$(basename "$module")
strip='strip'
compiler=$(option CONFIG_CC_VERSION_TEXT)
compiler=${compiler%% *}
# A cross compiler comes with its own.
case $compiler in *-gcc*) strip=${compiler%gcc*}strip ;; esac
"$strip" --strip-debug -o "$file" "$module"
if [ -n "${KEY-}" ]; then
	[ -n "${CERT-}" ] || { echo 'error: KEY is given, and CERT, its certificate, is not' >&2; exit 1; }
	"$tree/scripts/sign-file" "$(option CONFIG_MODULE_SIG_HASH)" "$KEY" "$CERT" "$file"
fi
rm -f "$file".{xz,zst,gz}
# As scripts/Makefile.modinst does: what the kernel may have to unpack itself.
if [ "$(option CONFIG_MODULE_COMPRESS_XZ)" = y ]; then
	xz --check=crc32 --lzma2=dict=1MiB --threads=1 "$file"
elif [ "$(option CONFIG_MODULE_COMPRESS_ZSTD)" = y ]; then
	zstd --quiet --rm -T1 "$file"
elif [ "$(option CONFIG_MODULE_COMPRESS_GZIP)" = y ]; then
	gzip -n "$file"
fi
