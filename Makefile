# SPDX-License-Identifier: GPL-2.0
#
# What a user does with this tree; `make help` lists it. The kernel's own rules are in Kbuild.

KDIR ?=
export KDIR KEY CERT DESTDIR
DRIVER ?= both
export DRIVER TESTS ALL V

scripts := $(CURDIR)/scripts
vm := $(scripts)/vm/vm.sh

# Of Debian's kernels the one that is tried: 7.2.12, 7.3.4-rt, 7.2.13+deb14-amd64.
KERNEL ?= stock

.DEFAULT_GOAL := help

## demo: three tenants with the same addresses over one device, in a VM
.PHONY: demo
demo: modules
	@$(vm) --kernel $(KERNEL) --timeout 300 -- bash /src/scripts/demo/demo.sh

## test: every selftest, in a VM, with both drivers side by side (DRIVER=rust or c: one; TESTS="lwt pmtu" or packets/: some; ALL=1: more combinations; KERNEL=7.2.12: another of Debian's)
runner := $(if $(filter both,$(DRIVER)),side-by-side.sh,run.sh)
.PHONY: test
test: modules
	@$(vm) --kernel $(KERNEL) --timeout 4200 -- bash /src/selftests/$(runner)

## xfrmi: the program for those who run a gateway
.PHONY: xfrmi
xfrmi:
	@$(scripts)/build/xfrmi.sh

## test-gateway: xfrmi, its agent and the examples of docs/gateway.md, with both drivers (TESTS="list why": some)
.PHONY: test-gateway
test-gateway: modules xfrmi
	@TESTS='$(or $(TESTS),gateway/)' $(vm) --kernel $(KERNEL) --timeout 4200 -- bash /src/selftests/$(runner)

## test-debug: every selftest on a kernel that finds mistakes (KASAN, lockdep, kmemleak), with our driver
# kmemleak costs more than all the rest together: it watches those that make and delete things,
# which say so at their top.
# $(call on_debug,TESTS,VM-OPTIONS,VARIABLES)
on_debug = TESTS='$(1)' DRIVER=rust $(vm) --kernel debug --memory 3G $(2) -- \
	env MODULE=/src/out/debug/rust/xfrm_interface_rust.ko $(3) bash /src/selftests/run.sh
.PHONY: test-debug
test-debug:
	@$(scripts)/build/build.sh debug
	@$(scripts)/total.sh \
		$(if $(TESTS),,"$(call on_debug,,--timeout 4200 --append kmemleak=off,LIMIT=1800)") \
		"$(call on_debug,$(or $(TESTS),@leaks),--timeout 4200,LIMIT=1800)"

## test-races: everything at once on that kernel, for ten minutes on two CPUs and on four (RACES=SECONDS)
.PHONY: test-races
test-races:
	@$(scripts)/build/build.sh debug
	@$(scripts)/total.sh $(foreach n,2 4,\
		"$(call on_debug,races,--cpus $(n) --timeout 7200,LIMIT=7200 RACES=$(or $(RACES),600))")

## test-kcsan: those tests where CPUs meet, on a kernel that finds data races (TESTS="lwt pmtu": others)
# Emulated CPUs rarely meet within the time that KCSAN watches unless told otherwise.
.PHONY: test-kcsan
test-kcsan:
	@$(scripts)/build/build.sh kcsan
	@TESTS='$(or $(TESTS),@meetings)' DRIVER=rust $(vm) --kernel kcsan --memory 2G --timeout 4200 \
		--append 'kcsan.skip_watch=100 kcsan.udelay_task=1000 kcsan.udelay_interrupt=500' -- \
		env MODULE=/src/out/kcsan/rust/xfrm_interface_rust.ko LIMIT=1800 RACES=$(or $(RACES),60) bash /src/selftests/run.sh

## fuzz: a million netlink requests and packets that nobody should send, 100,000 changes (FUZZ_COUNT=N, FUZZ_CHANGES=N, FUZZ_SEED=N)
FUZZ_COUNT ?= 1000000
FUZZ_CHANGES ?= 100000
fuzz_seed := $(if $(FUZZ_SEED),FUZZ_SEED=$(FUZZ_SEED))
.PHONY: fuzz
fuzz:
	@$(scripts)/build/build.sh debug
	@$(scripts)/total.sh \
		"$(call on_debug,fuzz-netlink fuzz-packets,--timeout 43200,LIMIT=40000 FUZZ_COUNT=$(FUZZ_COUNT) $(fuzz_seed))" \
		"$(call on_debug,fuzz-changes,--timeout 43200,LIMIT=40000 FUZZ_COUNT=$(FUZZ_CHANGES) $(fuzz_seed))"

## coverage: which lines of the driver the selftests reach (TESTS="lwt pmtu": some of them)
.PHONY: coverage
coverage:
	@$(scripts)/checks/coverage.sh

## kernel-patched: kernels with patches/7.3 and the driver in their tree, as a module and built in
.PHONY: kernel-patched
kernel-patched:
	@$(scripts)/kernels/kernel.sh patched >/dev/null

## test-patched: every selftest on these kernels, and what the patches are for with the C driver, too
for_c := hooks faults:transport_mode_route_with_if_id_4,transport_mode_route_with_if_id_6 \
	nested-gro
.PHONY: test-patched
test-patched:
	@TESTS= $(scripts)/total.sh \
		"TESTS='$(TESTS)' DRIVER=rust $(vm) --kernel patched --timeout 4200 -- bash -c 'MODULE=\$$(modinfo -n xfrm_interface_rust) exec selftests/run.sh'" \
		"TESTS='$(TESTS)' DRIVER=rust $(vm) --kernel builtin --timeout 4200 -- selftests/run.sh" \
		"TESTS='$(for_c)' DRIVER=c $(vm) --kernel patched --timeout 1200 -- selftests/run.sh"

## test-kernels: the module for each of Debian's kernels that has Rust, booted with some selftests (KERNELS="7.2.12 7.3.4-rt": some)
.PHONY: test-kernels
test-kernels:
	@$(scripts)/kernels/test-kernels.sh $(KERNELS)

## test-packages: installs the packages on a plain Debian root, and boots that after each step (CASES="install remove": some)
.PHONY: test-packages
test-packages:
	@packaging/test-packages.sh $(CASES)

## bench: what packets, tenants and devices cost, ours and the C driver's (CASES="transmit forward": some, FULL=1: more)
.PHONY: bench
bench: modules
	@bench/bench.sh $(if $(KDIR),--here rust/xfrm_interface_rust.ko)

## bench-patched: what packets cost on those kernels: the C driver, ours as a module, and ours built in with inlined helpers
.PHONY: bench-patched
bench-patched:
	@bench/bench.sh --patched

## bench-profile: in which functions a packet's instructions are executed (CASE="transmit policy external")
.PHONY: bench-profile
bench-profile: modules
	@bench/profile.sh

## vm: a shell in the VM, with the module loaded
.PHONY: vm
vm: modules
	@$(vm) --kernel $(KERNEL) --shell

## modules: builds the module for the stock kernel, in the sandbox; with KDIR=<tree> for that kernel, on this machine
.PHONY: modules
ifeq ($(KDIR),)
modules:
	@$(scripts)/build/build.sh $(KERNEL)
else
modules:
	@$(scripts)/build/check-kdir.sh '$(KDIR)' >/dev/null
	$(MAKE) -C '$(KDIR)' M='$(CURDIR)' $(shell $(scripts)/build/check-kdir.sh '$(KDIR)' 2>/dev/null) modules
endif

## install: builds the module for the running kernel, and installs it (as root; KDIR=, RELEASE=, KEY= and CERT= as packaging/install.sh says)
.PHONY: install
install:
	@packaging/install.sh $(RELEASE)

## uninstall: removes what that has installed; the kernel's own driver serves again
.PHONY: uninstall
uninstall:
	@packaging/uninstall.sh

## deb: Debian packages in out/deb, for the stock kernel or for others (KERNELS="7.3.4 7.2.12-rt"; KEY=, CERT=: signed)
.PHONY: deb
deb:
	@packaging/deb.sh $(KERNELS)

## lint: rustfmt, clippy, checkpatch, shellcheck, codespell, SPDX lines, no unsafe code in the driver, no panics
.PHONY: lint
lint:
	@$(scripts)/checks/lint.sh

## doc: the documentation of the module's Rust code, private items included, in out/doc
.PHONY: doc
doc:
	@$(scripts)/build/doc.sh

## rust-analyzer: rust-project.json, by which rust-analyzer knows this crate and the kernel's (KERNEL=debug: with its tests)
.PHONY: rust-analyzer
rust-analyzer:
	@$(scripts)/build/rust-analyzer.sh $(KERNEL)

## clean: removes what was built in this tree
.PHONY: clean
clean:
	@rm -rf out rust-project.json
	@find . -name .git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name modules.order -o -name Module.symvers \
		-o -name "*_generated.rs" -o -name features_generated \) -type f -print0 | xargs -0 -r rm -f

## distclean: removes the cache too (sandbox and kernels)
.PHONY: distclean
distclean: clean
	@$(scripts)/vm/sandbox.sh remove

.PHONY: help
help:
	@sed -n 's/^## \([a-z-]*\): \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r verb what; do printf '  make %-14s %s\n' "$$verb" "$$what"; done
