#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernels, each with a build tree that modules can be built against.
#
#   kernel.sh stock     Debian's own cloud-amd64 kernel
#   kernel.sh debug     the same source, made with clang in a lean configuration that finds mistakes:
#                       KASAN, lockdep, kmemleak, reference trackers; see debug.config
#   kernel.sh kcsan     the same source, made with clang in a lean configuration that finds data races
#   kernel.sh patched   the same source with patches/7.3 and the driver in its tree, as a module
#   kernel.sh builtin   the same with the driver built in, and the kernel's C helpers inlined into Rust
#
# Prints the options for "sandbox.sh run" that show the kernel inside: its source at
# /kernel/source, a build tree at /kernel/tree, modules and vmlinuz below /usr/lib/modules.
#
# Debian's header packages hold no Rust metadata (rust/*.rmeta), so the tree is prepared from the
# same source, configuration and compiler: symbol names then agree with those of Debian's build.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox=$top/scripts/vm/sandbox.sh
pinned=$(grep -v '^#' "$top/scripts/kernels/version")
flavour=cloud-amd64

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

# The version this machine uses; asks the mirror only when the pinned one is not in the cache.
version() {
	local file
	if [ -d "$cache/stock-$(stock_key "$pinned")" ]; then
		echo "$pinned"
		return
	fi
	file=$cache/kernel-version.$(key "$pinned" "$(date +%Y-%m)")
	if [ ! -s "$file" ]; then
		"$sandbox" run --rw -- bash -euo pipefail -c "$(declare -f resolve_inside); resolve_inside $pinned" \
			>"$file.new" 2>"$cache/log/resolve.log" || {
			tail -n 5 "$cache/log/resolve.log" >&2
			die "no kernel source of the ${pinned%%.*}.x series found in trixie-backports (package mirror out of reach?)"
		}
		mv "$file.new" "$file"
	fi
	cat "$file"
}

# Debian's names for a package version: 7.3.4-1~bpo13+1 is 7.3 (series), 7.3.4+deb13-cloud-amd64 (release).
series_of() { local v=${1%%-*}; echo "${v%.*}"; }
release_of() { echo "${1%%-*}+deb13-$flavour"; }

# What in the sandbox a kernel depends on: the compilers.
toolchain() {
	awk '/^Package: / { name = $2 }
	     /^Version: / && name ~ /^(gcc-14|rustc|rust-src|bindgen|clang-19|lld-19|pahole)$/ { print name, $2 }' \
		"$("$sandbox" path)/var/lib/dpkg/status"
}

source_key() { key "$1" "$(recipe build_source)"; }
stock_key() { key "$1" "$flavour" "$(toolchain)" "$(recipe build_source build_stock prepare_inside)"; }

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

prepare_inside() {
	local release=$1
	cd /cache || return
	for deb in *.deb; do dpkg -x "$deb" x; done
	rm ./*.deb
	mv x/usr/lib/modules lib
	cp x/boot/vmlinuz-"$release" lib/"$release"/vmlinuz 2>/dev/null || true
	[ -e lib/"$release"/vmlinuz ] || cp "$(find x -name 'vmlinuz*' -type f | head -n 1)" lib/"$release"/vmlinuz
	rm -f lib/"$release"/build lib/"$release"/source
	mkdir tree
	cp x/usr/src/linux-headers-"$release"/{.config,Module.symvers} tree/
	# The BTF that a module's own BTF is made against.
	cp x/usr/src/linux-headers-"$release"/vmlinux tree/ 2>/dev/null || true
	rm -r x
	mount --bind /cache/lib /usr/lib/modules
	depmod "$release"
	cp tree/Module.symvers Module.symvers
	make=(make -C /kernel/source O=/kernel/tree CC=gcc-14 HOSTCC=gcc-14 KERNELRELEASE="$release" -j"$(nproc)")
	mount --bind /cache/tree /kernel/tree
	/kernel/source/scripts/config --file tree/.config --set-str SYSTEM_TRUSTED_KEYS ''
	"${make[@]}" olddefconfig
	"${make[@]}" rustavailable
	"${make[@]}" modules_prepare
	mv Module.symvers tree/
	test -s tree/rust/libkernel.rmeta
}

build_stock() {
	local release
	release=$(release_of "$version")
	step "kernel $release: downloading Debian's build" \
		"$sandbox" run --rw --bind "$1" /cache -- bash -euc \
		"$(declare -f fetch_inside); fetch_inside $version linux-{headers,base,modules,binary}-$release"
	step "kernel $release: preparing a tree to build modules against (1 to 2 minutes)" \
		"$sandbox" run --bind "$1" /cache --bind "$source" /kernel/source -- bash -euc \
		"$(declare -f prepare_inside); prepare_inside $release"
}

# configure_inside FRAGMENT...: makes the configuration that of the fragments, of which a later one
# overrides earlier ones, and nothing else; and sets "make", with the arguments in "extra".
configure_inside() {
	make=(make -C /kernel/source O=/kernel/tree LLVM=-19 -j"$(nproc)" "${extra[@]}")
	mountpoint -q /kernel/tree || mount --bind /cache/tree /kernel/tree
	cat "$@" | sed 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=n/' | grep '^CONFIG' | tac |
		awk -F= '!seen[$1]++' | sed 's/^\(.*\)=n$/# \1 is not set/' >/tmp/fragments
	"${make[@]}" KCONFIG_ALLCONFIG=/tmp/fragments allnoconfig
	# An option that is not what was asked for has lost a dependency, and the tests would test less.
	if grep -vxF -f /kernel/tree/.config /tmp/fragments; then
		echo 'error: not as configured: the lines above'
		return 1
	fi
	"${make[@]}" rustavailable
}

# compile_inside LIB FRAGMENT...: a kernel with that configuration. What is installed of it goes to LIB.
compile_inside() {
	local release lib=$1
	shift
	configure_inside "$@"
	"${make[@]}" bzImage modules
	release=$(cat /kernel/tree/include/config/kernel.release)
	"${make[@]}" INSTALL_MOD_PATH=/tmp/root INSTALL_MOD_STRIP=1 modules_install
	mv /tmp/root/lib/modules "/cache/$lib"
	cp /kernel/tree/arch/x86/boot/bzImage "/cache/$lib/$release/vmlinuz"
	rm -f "/cache/$lib/$release"/{build,source}
}

tidy_inside() {
	# Building modules takes headers, metadata and vmlinux, not the objects.
	find /kernel/tree \( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '*.o.cmd' \) \
		-not -path '*/scripts/*' -not -path '*/tools/*' -not -name module-common.o -delete
	rm -f /kernel/tree/vmlinux.unstripped /kernel/tree/arch/x86/boot/compressed/vmlinux*
}

# KASAN looks at accesses to memory by what the driver works with. In what starts processes, maps their
# memory and reads their files it would cost most and find nothing of ours.
sanitized() {
	extra=('KASAN_SANITIZE=$(if $(filter net net/% drivers/net drivers/net/% crypto rust kernel/bpf,$(obj)),,n)'
		KASAN_SANITIZE_{nlattr,rhashtable,refcount}.o=y)
}

build_debug() {
	mkdir "$1/tree"
	step "kernel $version with debugging: compiling (10 to 20 minutes)" \
		"$sandbox" run --bind "$1" /cache --bind "$source" /kernel/source -- bash -euc \
		"$(declare -f sanitized configure_inside compile_inside tidy_inside)
		sanitized
		compile_inside lib /src/scripts/kernels/{lean,debug}.config
		tidy_inside"
}

debug_key() {
	key "$1" "$(toolchain)" "$top/scripts/kernels/lean.config" "$top/scripts/kernels/debug.config" \
		"$(recipe build_source sanitized build_debug configure_inside compile_inside tidy_inside)"
}

# KCSAN watches the same, but for what shares nothing with the driver but the bytes of packets. It is also
# to watch Rust, which the kernel does not know of: rustc's thread sanitizer calls the same functions as
# that of clang, but allows itself only for targets that name it.
watched() {
	extra=('KCSAN_SANITIZE=$(if $(filter net net/% drivers/net drivers/net/% rust,$(obj)),,n)'
		KCSAN_SANITIZE_{nlattr,rhashtable,refcount}.o=y)
	sed 's/"kernel-address"\]/"kernel-address", "thread"]/' /kernel/source/scripts/generate_rust_target.rs \
		>/tmp/generate_rust_target.rs
	mount --bind /tmp/generate_rust_target.rs /kernel/source/scripts/generate_rust_target.rs
}

build_kcsan() {
	mkdir "$1/tree"
	step "kernel $version with KCSAN: compiling (10 to 20 minutes)" \
		"$sandbox" run --bind "$1" /cache --bind "$source" /kernel/source -- bash -euc \
		"$(declare -f watched configure_inside compile_inside tidy_inside)
		watched
		compile_inside lib /src/scripts/kernels/{lean,kcsan}.config
		grep -q '\"thread\"' /kernel/tree/scripts/target.json
		tidy_inside"
}

kcsan_key() {
	key "$1" "$(toolchain)" "$top/scripts/kernels/lean.config" "$top/scripts/kernels/kcsan.config" \
		"$(recipe build_source watched build_kcsan configure_inside compile_inside tidy_inside)"
}

# What a driver in the tree is built upon, with all objects, so that a change of the driver does not
# take another kernel. Most source files are those of the source as it is, by hard links: what writes
# another version of one, here and in into-tree.sh, makes a new file.
build_patched_base() {
	mkdir "$1/tree"
	cp -al "$source" "$1/source"
	rm "$1/source/.manifest"
	step "kernel $version: applying patches/7.3" "$sandbox" run --bind "$1" /cache -- bash -euc '
		cd /cache/source
		for patch in $(grep -v "^#" /src/patches/7.3/series); do
			patch --batch --strip=1 <"/src/patches/7.3/$patch"
		done'
	step "kernel $version with patches/7.3: compiling (10 to 15 minutes)" \
		"$sandbox" run --bind "$1" /cache --bind "$1/source" /kernel/source -- bash -euc \
		"$(declare -f configure_inside)
		configure_inside /src/scripts/kernels/{lean,patched}.config
		\"\${make[@]}\" bzImage modules"
}

patched_base_key() {
	key "$1" "$(toolchain)" "$top"/patches/7.3/* "$top"/scripts/kernels/{lean,patched}.config \
		"$(recipe build_source build_patched_base configure_inside)"
}

build_patched() {
	cp -al "$base/source" "$1/source"
	cp -a --reflink=auto "$base/tree" "$1/tree"
	step "kernel $version with patches/7.3: compiling the driver, two ways (3 to 5 minutes)" \
		"$sandbox" run --bind "$1" /cache --bind "$1/source" /kernel/source -- bash -euc \
		"$(declare -f configure_inside compile_inside tidy_inside)
		/src/scripts/into-tree.sh /cache/source
		compile_inside lib /src/scripts/kernels/{lean,patched,module}.config
		compile_inside lib-builtin /src/scripts/kernels/{lean,patched,builtin}.config
		tidy_inside"
}

driver_sources() {
	find rust -type f \( -name '*.rs' -o -name '*.[ch]' -o -name Kbuild -o -name bindgen_parameters \) \
		! -name bindings_generated.rs ! -name '*.mod.c' | LC_ALL=C sort
}

patched_key() {
	key "$(patched_base_key "$1")" "$top"/scripts/kernels/{module,builtin}.config "$top/scripts/into-tree.sh" \
		"$(cd "$top" && driver_sources | xargs sha256sum)" \
		"$(recipe build_patched configure_inside compile_inside tidy_inside)"
}

# The options for "sandbox.sh run" that show the kernel KIND inside.
show() {
	local kind=$1 tree lib=lib
	version=$(version)
	[ "$version" = "$pinned" ] || say "kernel: $pinned has left trixie-backports, using $version"
	source=$(cached source "$(source_key "$version")" build_source)
	if [ "$kind" = builtin ]; then
		kind=patched
		lib='lib-builtin'
	fi
	if [ "$kind" = patched ]; then
		base=$(cached patched-base "$(patched_base_key "$version")" build_patched_base)
	fi
	tree=$(cached "$kind" "$("${kind}_key" "$version")" "build_$kind")
	[ "$kind" != patched ] || source=$tree/source
	printf '%s\n' --bind "$source" /kernel/source --bind "$tree/tree" /kernel/tree --bind "$tree/$lib" /usr/lib/modules
}

case ${1-} in
stock | debug | kcsan | patched | builtin) become_root "$0" "$@"; show "$1" ;;
*) die "usage: kernel.sh stock | debug | kcsan | patched | builtin" ;;
esac
