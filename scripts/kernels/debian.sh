# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Debian's own kernels: what they are called, where they come from, and a tree for each.
#
# A kernel is named by its release, 7.3.4+deb13-cloud-amd64, of which what is usual may be left out:
# 7.2.12 is 7.2.12+deb13-cloud-amd64, 7.3.4-rt is 7.3.4+deb13-rt-amd64. Those of Debian 13 come from
# trixie-backports, others from unstable, testing or experimental, with the compilers there.

sandbox=$top/scripts/vm/sandbox.sh
pinned=$(grep -v '^#' "$top/scripts/kernels/version")

# Debian's names for a package version: 7.3.4-1~bpo13+1 is 7.3 (series), 7.3.4+deb13-cloud-amd64 (release).
series_of() { cut -d. -f1,2 <<<"${1%%[-~]*}"; }

release_of() {
	local version=${1%%-*} flavour=${1#"${1%%-*}"}
	flavour=${flavour#-}
	case $flavour in
	'') flavour=cloud-amd64 ;;
	rt | cloud) flavour+=-amd64 ;;
	esac
	case $version in
	*+* | 7.3) ;;
	*) version+=+deb13 ;;
	esac
	echo "$version-$flavour"
}

suite_of() {
	case $1 in
	*+deb13-*) echo trixie ;;
	*) echo sid ;;
	esac
}

arch_of() {
	case $1 in
	*-arm64) echo arm64 ;;
	*) echo amd64 ;;
	esac
}

# In the sandbox, with fresh package lists: the version to use, when the pinned one is gone the
# newest of its series (7.3), else the newest of its major version.
resolve_inside() {
	local pinned=$1 series major candidate
	series=${pinned%%-*}; series=${series%.*}; major=${series%%.*}
	apt-get -q update >&2
	for names in "^linux-source-${series//./\\.}\$" "^linux-source-$major\\."; do
		candidate=$(apt-cache search --names-only "$names" | awk '{ print $1 }' | xargs -r apt-cache madison |
			cut -d'|' -f2 | tr -d ' ' | sort -rV | uniq)
		if grep -qxF -- "$pinned" <<<"$candidate"; then echo "$pinned"; return; fi
		if [ -n "$candidate" ]; then head -n 1 <<<"$candidate"; return; fi
	done
	return 1
}

# asked FILE MESSAGE FUNCTION ARGUMENTS...: what that function says in the sandbox, once for all.
asked() {
	local file=$1 message=$2
	shift 2
	if [ ! -s "$file" ]; then
		"$sandbox" run --rw -- bash -euo pipefail -c "$(declare -f "$1"); $*" >"$file.new" 2>"$cache/log/resolve.log" || {
			tail -n 5 "$cache/log/resolve.log" >&2
			die "$message (package mirror out of reach?)"
		}
		mv "$file.new" "$file"
	fi
	cat "$file"
}

# The version this machine uses; asks the mirror only when the pinned one is not in the cache.
version() {
	if [ -d "$cache/stock-$(stock_key "$pinned" "$(release_of "${pinned%%-*}")")" ]; then
		echo "$pinned"
		return
	fi
	asked "$cache/kernel-version.$(key "$pinned" "$(date +%Y-%m)")" \
		"no kernel source of the ${pinned%%.*}.x series found in trixie-backports" resolve_inside "$pinned"
}

# In the sandbox: the version of the package that holds a release's headers.
version_inside() {
	apt-get -q update >&2
	apt-cache madison "linux-headers-$1" | awk -F'|' 'NR == 1 { gsub(" ", "", $2); print $2 } END { exit !NR }'
}

# In the sandbox: the releases that have headers with Rust, of 7.2 and later.
releases_inside() {
	apt-get -q update >&2
	apt-cache search --names-only '^linux-headers-[0-9].*-(amd64|arm64)$' | awk '{ sub("linux-headers-", ""); print $1 }' |
		grep -E '^(7\.[2-9]|7\.[1-9][0-9]|[89]\.)' | sort -V
}

# What in the sandbox a kernel depends on: the compilers.
toolchain() {
	awk '/^Package: / { name = $2 }
	     /^Version: / && name ~ /^(gcc-14|gcc-16|rustc|rust-src|bindgen|clang-19|lld-19|pahole)$/ { print name, $2 }' \
		"$("$sandbox" path)/var/lib/dpkg/status"
}

source_key() { key "$1" "$(recipe build_source)"; }
stock_key() {
	key "$1" "$2" "$(toolchain)" "$top/scripts/kernels/prepare-tree.sh" "$(recipe build_source build_stock unpack_inside prepare_inside)"
}

fetch_inside() {
	cd /cache || return
	apt-get -q update >/dev/null
	for package in "${@:2}"; do
		apt-get -q download "$package=$1"
	done
}

build_source() {
	step "kernel $version: downloading the source" \
		"$sandbox" run --rw --bind "$1" /cache -- bash -euc \
		"$(declare -f fetch_inside); fetch_inside $version linux-source-$(series_of "$version")"
	step "kernel $version: unpacking the source" \
		"$sandbox" run --bind "$1" /cache -- bash -euc '
		cd /cache || return
		dpkg -x linux-source-*.deb x && rm linux-source-*.deb
		tar -x --no-same-owner --strip-components=1 -f x/usr/src/linux-source-*.tar.xz
		rm -r x'
}

# In the sandbox: lib with the release's modules and its kernel, headers.
unpack_inside() {
	local release=$1 image
	cd /cache || return
	for deb in *.deb; do dpkg -x "$deb" x; done
	rm ./*.deb
	mv x/usr/lib/modules lib
	image=$(find lib/"$release" x/boot -maxdepth 1 -name 'vmlinuz*' -type f 2>/dev/null | head -n 1)
	[ "$image" = "lib/$release/vmlinuz" ] || cp "$image" "lib/$release/vmlinuz"
	rm -f lib/"$release"/build lib/"$release"/source
	mv x/usr/src/linux-headers-"$release" headers
	rm -r x
}

prepare_inside() {
	local release=$1
	mkdir /cache/tree
	mount --bind /cache/lib /usr/lib/modules
	depmod "$release"
	mount --bind /cache/tree /kernel/tree
	/src/scripts/kernels/prepare-tree.sh /kernel/source /cache/headers /kernel/tree
	rm -r /cache/headers
}

build_stock() {
	local packages=(linux-{headers,base,modules}-"$release") arch
	arch=$(arch_of "$release")
	# Signed ones are made after the others, and not of all.
	packages+=("$("$sandbox" run --rw -- bash -euc "apt-get -q update >&2
		for name in linux-binary linux-binary-unsigned; do
			if apt-cache madison \$name-$release:$arch | grep -qF ' $version '; then echo \$name-$release; exit; fi
		done
		echo 'error: there is no linux-binary-$release' >&2; exit 1")")
	step "kernel $release: downloading Debian's build" \
		"$sandbox" run --rw --bind "$1" /cache -- bash -euc \
		"$(declare -f fetch_inside); fetch_inside $version ${packages[*]/%/:$arch}"
	step "kernel $release: preparing a tree to build modules against (1 to 2 minutes)" \
		"$sandbox" run --bind "$1" /cache --bind "$source" /kernel/source -- bash -euc \
		"$(declare -f unpack_inside prepare_inside); unpack_inside $release; prepare_inside $release"
}
