#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles what the measurements run into out/bench.
#
#   compile.sh sandbox|here     with the sandbox's compilers, or this machine's

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

if [ "${1-}" = sandbox ]; then
	exec "$top/scripts/vm/sandbox.sh" run -- bash bench/compile.sh here
fi
cd "$top" || exit
mkdir -p out/bench
flags=(-O2 -Wall -Wextra)
gcc "${flags[@]}" -pthread -o out/bench/udp bench/c/udp.c -lm
gcc "${flags[@]}" -o out/bench/bulk bench/c/bulk.c
for plugin in profile caches; do
	gcc "${flags[@]}" -shared -fPIC -fvisibility=hidden -o "out/bench/$plugin.so" "bench/c/$plugin.c"
done
clang=$(command -v clang-19 clang | head -n 1)
"$clang" -O2 -g -target bpf -I "/usr/include/$(uname -m)-linux-gnu" -c bench/c/if_id.bpf.c -o out/bench/if_id.bpf.o
