#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Renders what the module's Rust code says about itself, private items included, into out/doc. Fails
# if rustdoc warns, or if a link leads nowhere.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

become_root "$0" "$@"
"$top/scripts/build/build.sh" stock
mapfile -t binds < <("$top/scripts/kernels/kernel.sh" stock)
[ ${#binds[@]} -gt 0 ] || exit 1
inside() { "$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- "$@" </dev/null; }

# As the kernel's rules have called rustc, in the directory of the build, but for what rustdoc does
# not know.
render_inside() {
	local command options='--document-private-items --enable-index-page'

	options+=' --generate-link-to-definition -Dwarnings'
	cd /src/out/stock || return
	command=$(sed -n 's/^savedcmd_[^ ]* := //p' rust/.main.o.cmd |
		sed -E "s# (--emit=[^ ]*|--out-dir [^ ]*|-Zbinary_dep_depinfo=y)##g
			s# rustc # rustdoc $options --output /src/out/doc.new #")
	[[ $command = *' rustdoc '* ]] || { echo 'no command of rustc in out/stock'; return 1; }
	export RUSTC_BOOTSTRAP=1 NET_BINDINGS=/src/out/stock/rust/bindings/bindings_generated.rs
	bash -c "$command"
}

rm -rf "$top/out/doc.new"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
inside bash -euo pipefail -c "$(declare -f render_inside); render_inside" >"$log" 2>&1 || {
	cat "$log" >&2
	die 'rustdoc fails, or warns'
}
[ ! -s "$log" ] || { cat "$log" >&2; die 'rustdoc has something to say'; }
cd "$top/out" || exit
# edit EXPRESSION: of all pages.
edit() { find doc.new -name '*.html' -print0 | xargs -0 sed -Ei "$1"; }
# Links to the kernel's sources begin with "srctree". Of links to other crates, which are not
# rendered here, rustdoc leaves the name of what they are about.
edit 's#<a href="srctree/([^"]+)">#<a href="/kernel/source/\1">#g
	s#<a href="[A-Za-z_]+(::[A-Za-z_]+)*">((<code>)?[^<]*(</code>)?)</a>#\2#g'
inside python3 scripts/checks/links.py out/doc.new >&2 || die 'these links lead nowhere'
source=$(printf '%s\n' "${binds[@]}" | grep -B 1 -x /kernel/source | head -n 1)
edit "s#<a href=\"/kernel/source/#<a href=\"$source/#g"
rm -rf doc
mv doc.new doc
chown -R --reference="$top" .
say 'rendered out/doc/xfrm_interface_rust/index.html'
