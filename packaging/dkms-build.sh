#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the module for DKMS, in its copy of the source.
#
#   dkms-build.sh TREE RELEASE

set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
mapfile -t arguments < <("$top/scripts/build/check-kdir.sh" "$1")
exec make -C "$1" M="$top" MODULE_NAME=xfrm_interface KERNELRELEASE="$2" CONFIG_MODULE_SIG_ALL= -j"$(nproc)" "${arguments[@]}" modules
