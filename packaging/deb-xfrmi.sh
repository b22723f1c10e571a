#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the Debian package of xfrmi, in out/deb. In the environment: DEBFULLNAME and DEBEMAIL, who makes
# it.

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

become_root "$0" "$@"
"$top/scripts/build/xfrmi.sh"

deb=$top/out/deb
work=$(mktemp -d "$top/out/deb-xfrmi.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

maintainer="${DEBFULLNAME:-The xfrm-interface-rust developers} <${DEBEMAIL:-root@localhost}>"
mkdir -p "$deb" "$work/source"
tar -C "$top/tools/xfrmi" --exclude=target -c . | tar -C "$work/source" -x --no-same-owner
# The guide, and its files.
mkdir "$work/source/guide"
cp -r "$top/examples/." "$top/docs/gateway.md" "$top/docs/symptoms.md" "$top/tools/xfrmi/updown/updown.conf" "$work/source/guide"
sed "s/@MAINTAINER@/$maintainer/" "$work/source/debian/control.in" >"$work/source/debian/control"
rm "$work/source/debian/control.in"
sed -i "s/^ -- .*>  / -- $maintainer  /" "$work/source/debian/changelog"
# What builds it is there already, though not as packages.
step 'package of xfrmi' "$top/scripts/vm/sandbox.sh" run --bind "$work" /cache -- bash -euc '
	cd /cache/source
	BUILT=/src/out/xfrmi dpkg-buildpackage --no-sign --unsigned-changes --no-check-builddeps --build=full'
mv "$work"/*.{deb,dsc,tar.xz} "$deb"
chown -R --reference="$top" "$deb"
say "in out/deb: $(cd "$deb" && echo xfrmi_*.deb)"
