#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Fails if the module can panic while it handles packets, or at any time after it was loaded.
#
#   check-panics.sh OBJECT
#
# An index, an addition or an unwrap that rustc can't prove harmless leaves a call in the object: of
# a function of the crate core that does not return. So the test is that nothing calls any function
# of core, except what runs once for each CPU, while the module is loaded or the CPU comes, and what
# makes tables in process context. Runs in the sandbox.

set -euo pipefail

object=$1

# What may call such functions: they make the caches of a CPU, and room for packets that wait; and a
# table of a cache, where it is the kernel's vector that adds up lengths without saying what happens if
# they are too large. They are not: sets.rs has a bound.
on_load='\(::PerCpuSlot<.*>::online\|::xfrmi::wait::register\|::xfrmi::sets::Sets<.*>>::new\)'

# Where the kernel comes in with packets; what these call is inlined into them, or a function of its
# own.
entries='::start_xmit ::input::received:: ::input::handle4:: ::input::input6:: ::input::error4:: ::input::error6::
	::rx_handler ::routes_changed ::decode_session ::Timer<.*>::function net_xfrm_info_get net_xfrm_info_set'

code=$(objdump --disassemble --reloc --demangle --no-show-raw-insn "$object")
functions=$(sed -n 's/^[0-9a-f]* <\(.*\)>:$/\1/p' <<<"$code")

# Without these the rest would say nothing.
for entry in $entries; do
	grep -q -- "$entry" <<<"$functions" || { echo "$object has no function $entry"; exit 1; }
done

# Each relocation against a symbol of core that is not in the object, after the function that it is
# in.
calls=$(awk '
	/^[0-9a-f]+ <.*>:$/ { caller = $0; sub(/^[0-9a-f]+ </, "", caller); sub(/>:$/, "", caller) }
	/: R_[A-Z0-9_]+\t/ {
		callee = $0
		sub(/.*: R_[A-Z0-9_]+\t/, "", callee)
		sub(/[-+]0x[0-9a-f]+$/, "", callee)
		if (callee in missing)
			print caller " calls " callee
	}
	NR == FNR { sub(/^ *U /, ""); if (/^[<&]*core(\[[0-9a-f]*\])?::/) missing[$0] }
	' <(nm --undefined-only --demangle "$object") - <<<"$code")
if bad=$(grep -v -- "$on_load calls " <<<"$calls" | grep .); then
	sort <<<"$bad" | uniq
	exit 1
fi
printf '%d functions, none of which can panic once the module is loaded\n' "$(wc -l <<<"$functions")"
