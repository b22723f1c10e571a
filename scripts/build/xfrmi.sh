#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds xfrmi, with its man page and completions, in the sandbox, into out/xfrmi. The crates come from
# where the machine's own cargo has them from.
#
#	xfrmi.sh [COMMAND...]	cargo commands instead, as "test" or "clippy --all-targets"
#	xfrmi.sh update		takes the newest versions of crates, and writes them to Cargo.lock.in

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# The configuration is that of whoever calls this.
become_root env CARGO_HOME="${CARGO_HOME:-${HOME:-/root}/.cargo}" "$0" "$@"
own=${CARGO_HOME:-${HOME:-/root}/.cargo}

mkdir -p "$cache/cargo"
# One at a time, since cargo would wait without a word.
exec {lock}>"$cache/cargo.lock"
flock -w 1 "$lock" || { say 'waiting for another build of xfrmi'; flock "$lock"; }
# The mirror that the machine's cargo uses, if it uses one, and whom the machine trusts.
rm -f "$cache"/cargo/{config.toml,trusted.crt}
for file in "$own"/config{.toml,}; do
	[ ! -f "$file" ] || [ -e "$cache/cargo/config.toml" ] || cp "$file" "$cache/cargo/config.toml"
done
[ ! -f /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$cache/cargo/trusted.crt"

# run COMMAND...: with the Rust of backports.
run() {
	local environment=(PATH=/opt/rust/usr/bin:/usr/bin:/bin LD_LIBRARY_PATH=/opt/rust/usr/lib/x86_64-linux-gnu
		CARGO_HOME=/cache CARGO_TARGET_DIR=/src/out/xfrmi)
	[ ! -e "$cache/cargo/trusted.crt" ] || environment+=(CARGO_HTTP_CAINFO=/cache/trusted.crt)
	"$top/scripts/vm/sandbox.sh" run --bind "$cache/cargo" /cache -- env "${environment[@]}" "$@"
}

cargo() { run cargo "$1" --locked --manifest-path tools/xfrmi/Cargo.toml "${@:2}"; }

# Cargo.lock names the registry, which is the machine's matter: Cargo.lock.in leaves that out.
lock() {
	local crate=$top/tools/xfrmi
	[ ! "$crate/Cargo.lock" -nt "$crate/Cargo.lock.in" ] || return 0
	# shellcheck disable=SC2016 # It is expanded in the sandbox.
	step 'xfrmi: which registry cargo has' run bash -euc '
		mkdir -p /tmp/ask/src && cd /tmp/ask && touch src/lib.rs
		printf "[package]\nname = \"ask\"\nedition = \"2024\"\n[dependencies]\ncfg-if = \"1\"\n" >Cargo.toml
		cargo generate-lockfile
		registry=$(grep -m 1 "^source = " Cargo.lock)
		sed "s|^source = .*|$registry|" /src/tools/xfrmi/Cargo.lock.in >/src/tools/xfrmi/Cargo.lock.new
		mv /src/tools/xfrmi/Cargo.lock.new /src/tools/xfrmi/Cargo.lock'
}

rc=0
lock
if [ "${1-}" = update ]; then
	run cargo update --manifest-path tools/xfrmi/Cargo.toml
	sed 's/^source = .*/source = "@REGISTRY@"/' "$top/tools/xfrmi/Cargo.lock" >"$top/tools/xfrmi/Cargo.lock.in"
	touch "$top/tools/xfrmi/Cargo.lock"
elif [ $# -gt 0 ]; then
	cargo "$@" || rc=$?
else
	mkdir -p "$top/out/xfrmi"
	before=$(stat -c %Y "$top/out/xfrmi/release/xfrmi" 2>/dev/null || echo 0)
	step 'xfrmi: crates and program' cargo build --release || rc=$?
	[ "$rc" -ne 0 ] || step 'xfrmi: man page and completions' cargo run -q --release --example pages -- /src/out/xfrmi/pages || rc=$?
	[ "$rc" -ne 0 ] || [ "$before" = "$(stat -c %Y "$top/out/xfrmi/release/xfrmi")" ] ||
		say 'built out/xfrmi/release/xfrmi'
fi
chown -R --reference="$top" "$top/out" "$top/tools/xfrmi/Cargo.lock"
exit "$rc"
