# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What a packet costs by each way, with one connection.

# The ways that are measured with this driver: those without any once for each kernel.
kinds()
{
	[ "$driver" = rust ] || echo plain policy vti
	echo static external bpf
}

# each FUNCTION GROUP FAMILIES SIZES [KINDS]: calls FUNCTION GROUP KIND FAMILY for all of them.
each()
{
	local function=$1 group=$2 families=$3 sizes=$4 SIZE family kind

	for family in $families; do
		for SIZE in $sizes; do
			for kind in ${5:-$(kinds)}; do
				"$function" "$group" "$kind" "$family"
				remove_all
			done
		done
	done
}

variant() { echo "IPv$family, $SIZE bytes"; }

# Onto a dummy underlay.
transmit()
{
	underlay dummy
	sender
	outbound "$2" "$3"
	measure "$3" "$2"
	result "$1" "$(variant)" "$2" "$unit" "$value" "$least" "$most"
}

# Over veth, into a socket, and read from it.
both()
{
	underlay veth
	sender
	outbound "$2" "$3"
	inbound "$2" "$3"
	measure "$3" "$2" -i bench-b
	result "$1" "$(variant)" "$2" "$unit" "$value" "$least" "$most"
}

# What the sender's part of "receive" costs, by way, family and size.
declare -A alone

# sender_alone WAY FAMILY: sets transmitting to what it costs to transmit that way to a dummy.
sender_alone()
{
	local known="$driver $1 $2 ${SIZE:-64}"

	if [ -z "${alone[$known]-}" ]; then
		underlay dummy
		sender
		outbound "$1" "$2"
		measure "$2" "$1"
		remove_all
		alone[$known]=$value
	fi
	transmitting=${alone[$known]}
}

# The receiver's part. The sender uses policies, so that it costs the same whatever is measured;
# what it costs to transmit to a dummy is subtracted. Crossing the veth pair and reading from the
# socket are part of the result.
receive()
{
	local way=policy

	[ "$2" != plain ] || way=plain
	sender_alone "$way" "$3"
	underlay veth
	sender
	outbound "$way" "$3"
	inbound "$2" "$3"
	measure "$3" "$way" -i bench-b
	received "$1" "$(variant)" "$2"
}

# received GROUP VARIANT KIND: the result of what was measured, without the transmission.
received()
{
	result "$1" "$2" "$3" "$unit" "$(less "$value")" "$(less "$least")" "$(less "$most")"
}

less() { awk -v a="$1" -v b="$transmitting" 'BEGIN { printf "%.1f", a - b }'; }

# From a veth onto a dummy underlay. The host's part is included.
forward()
{
	forward_setup "$2" "$3"
	measure "$3" "$2"
	result "$1" "$(variant)" "$2" "$unit" "$value" "$least" "$most"
}

# The same where the kernel is told not to look for policies without an if_id first.
forward_disable_xfrm()
{
	forward_setup "$2" "$3"
	ip netns exec bench-a sysctl -qw net.ipv4.conf.ipsec.disable_xfrm=1
	measure "$3" "$2"
	result "$1" "$(variant), disable_xfrm" "$2" "$unit" "$value" "$least" "$most"
}

# forward_setup WAY FAMILY
forward_setup()
{
	underlay dummy
	host
	outbound "$1" "$2"
}
