#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 31
# Runs: alone
#
# GRO for ESP sees what comes out of a tunnel before the IP stack does. If that is ESP again, it
# must not get past the policies of the outer tunnel.
#
#	gwa[ipsec > outer] ---- under ---- under ---- [outer < ipsec]gwb

. "$(dirname "$0")/../lib/nested.sh"
. "$lib/esp-offload.sh"

# The modules that bring GRO to ESP. Others than those of the kernel, from a directory, with
# ESP_OFFLOAD.
load_esp_gro()
{
	local module

	for module in esp4_offload esp6_offload; do
		if [ -n "${ESP_OFFLOAD-}" ]; then
			# What it depends on is the kernel's, and comes with that.
			modprobe $module && rmmod $module || return
			insmod "$ESP_OFFLOAD/$module.ko"
		else
			modprobe $module
		fi || return
	done
}

# A tunnel without devices in one with a device, and the other way round.
mixed_refused()
{
	local family=$1 a b

	a=$(at "$family" 2 1)
	b=$(at "$family" 2 2)
	defer reset_gateways
	defer ip -n "$gwa" link del outer
	defer ip -n "$gwb" link del outer
	device a static 6 name=outer net=2
	device b static 6 name=outer net=2
	device a static 5 dev=
	device b static 5 dev=
	tunnel id=6 id_b=0 n=2 outer="$family" what=state
	tunnel id=6 n=2 outer="$family" what=policy ns_b=
	tunnel id=5 n=1 a="$a" b="$b" outer="$family"
	ip -n "$gwb" addr add "$b" dev lo
	check silent "$gwa" "$(at "$family" 1 2)" -- 'it is answered'
	expect 'packets received by the inner device' "$(stat "$gwb" ipsec rx_packets)" 0
}

if ! load_esp_gro; then
	subtest gro skip 'the kernel has no GRO for ESP'
	finish
fi
setup_gateways

for family in 4 6; do
	subtest "let_in_$family" nested_let_in $family
	subtest "refused_$family" nested_refused $family
	subtest "outer_without_device_refused_$family" mixed_refused $family
	# By a socket without GRO, and by one that has it.
	for gro in 0 1; do
		subtest "udp_let_in_${family}_gro_$gro" udp_let_in $family $gro
		subtest "udp_refused_${family}_gro_$gro" udp_refused $family $gro
	done
done
reset_gateways
subtest esp_offload_goes esp_offload_goes

finish
