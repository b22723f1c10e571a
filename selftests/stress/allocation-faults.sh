#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 1
# Runs: alone
# Also: leaks
#
# Memory runs out: each allocation of a request, of a packet, of loading the module and of making a
# namespace fails once (fail_nth.py). Whatever fails leaves everything as it was and can be tried
# again; whether something leaks, run.sh sees at the end. Skipped where the kernel can't let
# allocations fail.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"

# faulty OPERATION ARGUMENTS...: in gwa.
faulty()
{
	local out status=0

	out=$(KALLSYMS=$tmp/kallsyms python3 "$here/fail_nth.py" "$gwa" "$@" 2>&1) || status=$?
	check [ "$status" -eq 0 ] -- "$out" || return
	echo "# $1: $out"
}

# traffic KIND ARGUMENTS...: transmit with the device and the tunnel that it takes.
traffic()
{
	local family=$1 kind=$2
	shift 2

	defer reset_gateways
	device a "$kind" 5
	device b external 5
	tunnel id=5
	faulty transmit "$gwb" "$family" "$kind" "$@"
}

# received FAMILY KIND WHICH [SIZE]: gwa sends without the driver.
received()
{
	local family=$1 kind=$2
	shift 2

	defer reset_gateways
	defer ip -n "$gwa" route del 10.1.0.2
	defer ip -n "$gwa" -6 route del fd00:1::2
	device b "$kind" 5
	[ "$kind" = static ] || check program ingress "$gwb" mark_is_if_id -- 'the program is not accepted' || return
	ip -n "$gwa" -batch - <<-END
		route add 10.1.0.2 via 192.0.2.2
		route add fd00:1::2 via 2001:db8::2
	END
	tunnel id_b=5
	faulty receive "$gwb" "$family" "$driver_name" "$@"
}

# program WAY NS NAME: attaches a program to the gateway's device.
program()
{
	[ -e "$tmp/metadata.bpf.o" ] ||
		bpf_build "$tools/metadata.bpf.c" "$tmp/metadata.bpf.o" || return
	tc -n "$2" qdisc add dev ipsec clsact
	tc -n "$2" filter add dev ipsec "$1" bpf direct-action obj "$tmp/metadata.bpf.o" program "$3"
}

programmed()
{
	defer reset_gateways
	device a external 5
	device b external 5
	tunnel id=5
	if ! program egress "$gwa" if_id_is_mark; then
		skip 'the program is not accepted'
		return
	fi
	faulty transmit-program "$gwb" "$1"
}

# The module's own functions are all that it needs here.
stripped()
{
	strip -g -o "$tmp/module.ko" "$MODULE"
	"$@" "$tmp/module.ko" "$driver_name"
}

why=''
if [ ! -e /proc/self/fail-nth ] || [ ! -d /sys/kernel/debug/failslab ] ||
	[ ! -e /sys/kernel/debug/failslab/require-start ]; then
	why='this kernel does not let allocations fail (CONFIG_FAILSLAB, CONFIG_FAULT_INJECTION_STACKTRACE_FILTER)'
elif [ "$DRIVER" = c ] || driver_built_in; then
	why='the module is not ours'
fi
if [ -n "$why" ]; then
	subtest allocation_faults skip "$why"
	finish
fi

cat /proc/kallsyms >"$tmp/kallsyms"
peer=''
setup_gateways
setup_ns peer

subtest create_static faulty create static
subtest create_external faulty create external
subtest create_static_link_netns faulty create other "$peer"
subtest create_external_link_netns faulty create external "$peer"
for kind in static external; do
	subtest delete_$kind faulty delete $kind
	subtest get_$kind faulty get $kind
done
subtest change faulty change
subtest dump faulty get static dump
for family in 4 6; do
	for what in add replace delete dump; do
		subtest route_${what}_$family faulty route $what $family
	done
done
for family in 4 6; do
	for kind in static external; do
		subtest transmit_${kind}_first_$family traffic $family $kind first
		subtest transmit_${kind}_later_$family traffic $family $kind later
		subtest receive_${kind}_$family received $family $kind later
	done
	subtest transmit_new_device_$family traffic $family static new-device
	subtest transmit_large_$family traffic $family external later 1300
	subtest transmit_segments_$family traffic $family external later 1000 3
	subtest transmit_program_$family programmed $family
done
subtest receive_external_first_4 received 4 external first
subtest namespace_created faulty namespace "$driver_name"
subtest namespace_removed faulty namespace-goes "$driver_name"
subtest module_loaded stripped faulty load
subtest module_unloaded stripped faulty unload

finish
