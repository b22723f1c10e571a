#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes Debian packages, in out/deb: one with the module for each kernel, and those that all kernels
# share.
#
#   deb.sh [KERNEL...]      as "make test KERNEL=" knows them; the stock one unless given
#
# In the environment: KEY and CERT, files with which the modules are signed; DEBFULLNAME and DEBEMAIL,
# who makes the packages.

# shellcheck source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

become_root "$0" "$@"
[ $# -gt 0 ] || set -- stock

kernel=$top/scripts/kernels/kernel.sh
deb=$top/out/deb
rm -rf "$deb"
mkdir -p "$deb"
trap 'rm -rf "$deb"/*/keys' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

maintainer="${DEBFULLNAME:-The xfrm-interface-rust developers} <${DEBEMAIL:-root@localhost}>"

# fill FILE: the kernel's names in it.
fill() { sed -e "s/@MAINTAINER@/$maintainer/" -e "s/@RELEASE@/$release/g" -e "s/@VERSION@/$version/g" -e "s/@ARCH@/$arch/g" -e "s/@FLAVOUR@/$flavour/g" "$1"; }

# A source package of its own for this kernel.
source_package() {
	local to=$1 package=$1/debian/xfrm-interface-rust-modules-$release
	# Without what no package has.
	"$top/packaging/copy-tree.sh" "$to" . ':!selftests' ':!bench' ':!patches' ':!tools/xfrmi' ':!examples'
	rm -rf "$to"/{selftests,bench,patches,examples,tools/xfrmi}
	echo "$release" >"$to/debian/release"
	echo "$series" >"$to/debian/series"
	{
		fill "$top/debian/control.in" | sed "/^@BUILD_DEPENDS@$/{
			r $deb/depends
			d
		}"
		fill "$top/debian/control.modules.in"
	} >"$to/debian/control"
	fill "$top/debian/modules.postinst.in" >"$package.postinst"
	fill "$top/debian/modules.postrm.in" >"$package.postrm"
	sed -i "s/^ -- .*>  / -- $maintainer  /" "$to/debian/changelog"
	rm "$to"/debian/*.in
}

what=--build=full
for name in "$@"; do
	mapfile -t binds < <("$kernel" "$name")
	[ ${#binds[@]} -gt 0 ] || exit 1
	mapfile -t facts < <("$kernel" facts "$name")
	release=${facts[0]} version=${facts[1]} series=${facts[2]} arch=${facts[3]} suite=${facts[4]}
	flavour=${release#*-}
	printf ' linux-source-%s (= %s), linux-headers-%s (= %s),\n' "$series" "$version" "$release" "$version" >"$deb/depends"
	printf ' rustc, rust-src, bindgen, flex, bison, bc, libelf-dev, libssl-dev, pahole, python3, xz-utils\n' >>"$deb/depends"
	# Not the same twice, since where they are built is to make no difference.
	directory=source.$$
	source_package "$deb/$release/$directory"
	rm "$deb/depends"
	binds+=(--bind "$deb/$release" /cache)
	if [ -n "${KEY-}" ]; then
		mkdir "$deb/$release/keys"
		cp "$KEY" "$deb/$release/keys/key"
		cp "${CERT:?is the certificate that belongs to KEY}" "$deb/$release/keys/cert"
		signing='export KEY=/cache/keys/key CERT=/cache/keys/cert; '
	fi
	# The tree is there already, so that what it is made from does not have to be.
	XFRMI_SUITE=$suite step "packages for $release" "$top/scripts/vm/sandbox.sh" run "${binds[@]}" -- bash -euc "${signing-}
		cd /cache/$directory
		TREE=/kernel/tree dpkg-buildpackage --no-sign --unsigned-changes --no-check-builddeps --host-arch $arch $what"
	rm -rf "$deb/$release/keys"
	mv "$deb/$release"/*.deb "$deb"
	# One source package is as good as another.
	[ "$what" = --build=any ] || mv "$deb/$release"/*.{dsc,tar.xz} "$deb"
	rm -r "${deb:?}/$release"
	what=--build=any
done
"$top/packaging/deb-xfrmi.sh"
chown -R --reference="$top" "$top/out"
say "in out/deb:"
ls -l "$deb" >&2
