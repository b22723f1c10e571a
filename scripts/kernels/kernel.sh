#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernels, each with a build tree that modules can be built against.
#
#   kernel.sh stock     Debian's own cloud-amd64 kernel, of the version in "version"
#   kernel.sh RELEASE   another one of Debian's; debian.sh says how they are named
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
#
#   kernel.sh releases  prints the releases that there are, of Debian 13 and of unstable
#   kernel.sh suite RELEASE   prints in which suite's sandbox modules for it are built
#   kernel.sh arch KERNEL     prints for which architecture it is
#   kernel.sh facts RELEASE   prints release, version of the packages, series, architecture and suite

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# shellcheck source=debian.sh
. "$top/scripts/kernels/debian.sh"

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
	find rust -type f \( -name '*.rs' -o -name '*.[ch]' -o -name '*.sh' -o -name Kbuild -o -name bindgen_parameters \) \
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
	options "$source" "$tree/tree" "$tree/$lib"
}

options() { printf '%s\n' --bind "$1" /kernel/source --bind "$2" /kernel/tree --bind "$3" /usr/lib/modules; }

# Sets what one of Debian's kernels is called.
find_debian() {
	if [ "$1" = stock ]; then
		version=$(version)
		[ "$version" = "$pinned" ] || say "kernel: $pinned has left trixie-backports, using $version"
		release=$(release_of "${version%%-*}")
		XFRMI_SUITE=trixie
	else
		release=$(release_of "$1")
		XFRMI_SUITE=$(suite_of "$release")
		export XFRMI_SUITE
		version=$(asked "$cache/kernel-version.$release" "there is no linux-headers-$release" \
			version_inside "$release:$(arch_of "$release")")
	fi
}

# The same as "show" for one of those.
show_debian() {
	local tree source
	find_debian "$1"
	source=$(cached source "$(source_key "$version")" build_source)
	tree=$(cached stock "$(stock_key "$version" "$release")" build_stock)
	options "$source" "$tree/tree" "$tree/lib"
}

case ${1-} in
debug | kcsan | patched | builtin) become_root "$0" "$@"; show "$1" ;;
stock | [0-9]*) become_root "$0" "$@"; show_debian "$1" ;;
suite) if [ "${2-}" = stock ]; then echo trixie; else suite_of "$(release_of "${2-}")"; fi ;;
arch) if [[ ${2-} = [0-9]* ]]; then arch_of "$(release_of "$2")"; else echo amd64; fi ;;
facts)
	become_root "$0" "$@"
	find_debian "${2-}"
	printf '%s\n' "$release" "$version" "$(series_of "$version")" "$(arch_of "$release")" "$XFRMI_SUITE"
	;;
releases)
	become_root "$0" "$@"
	for XFRMI_SUITE in trixie sid; do
		export XFRMI_SUITE
		"$sandbox" run --rw -- bash -euo pipefail -c "$(declare -f releases_inside); releases_inside"
	done
	;;
*) die "usage: kernel.sh stock | RELEASE | debug | kcsan | patched | builtin | releases | suite RELEASE | arch KERNEL | facts RELEASE" ;;
esac
