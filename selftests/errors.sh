#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ICMP errors about packets that went out through IPsec: the route that the packets took heeds them, if
# they name a state that there is.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#	                               gwb sends the errors

. "$(dirname "$0")/lib.sh"

# The states of the first gateway for what it sends, as tunnel() numbers them.
spi_out=0x1010

error()
{
	inside "$gwb" python3 "$here/errors.py" "$@"
}

# Each error says less than those before, which the routes may remember.
mtu=1450

# mtu_known ADDRESS: whether the first gateway knows of that MTU.
mtu_known()
{
	ip -n "$gwa" route get "$1" | grep -q "mtu $mtu\\b"
}

errors_test()
{
	defer reset_gateways
	mtu=$((mtu - 4))
}

# too_big KIND PROTOCOL FAMILY
too_big()
{
	local self="under$3[a]" peer="under$3[b]"

	errors_test
	device a "$1" 5
	tunnel id=5 outer="$3" chain="$2:tunnel" what=state ns_b=
	error too-big "$2" 0x7777 "${!peer}" "${!self}" "${!peer}" $mtu
	check_fail "$(slowwait 1 mtu_known "${!peer}" >/dev/null; echo $?)" 'an error about no state was heeded'
	error too-big "$2" $spi_out "${!peer}" "${!self}" "${!peer}" $mtu
	check slowwait 10 mtu_known "${!peer}" -- 'the error was not heeded'
}

# What belongs to no device of ours is left to the kernel.
without_device()
{
	local self="under$1[a]" peer="under$1[b]"

	errors_test
	device a external 5
	tunnel id=0 outer="$1" what=state ns_b=
	error too-big esp $spi_out "${!peer}" "${!self}" "${!peer}" $mtu
	check slowwait 10 mtu_known "${!peer}" -- 'the error was not heeded'
}

redirected()
{
	ip -n "$gwa" route get 198.51.100.9 | grep -q 'via 192.0.2.3 '
}

# Another router is told of by the one that packets go through.
redirect()
{
	errors_test
	inside "$gwa" sysctl -qw net.ipv4.conf.all.accept_redirects=1 net.ipv4.conf.under.accept_redirects=1 \
		net.ipv4.conf.all.secure_redirects=0 net.ipv4.conf.under.secure_redirects=0
	defer ip -n "$gwa" route del 198.51.100.9
	ip -n "$gwa" route add 198.51.100.9 via "${under4[b]}"
	defer ip -n "$gwa" neigh del 192.0.2.3 dev under
	ip -n "$gwa" neigh add 192.0.2.3 dev under lladdr 02:00:00:00:00:03 nud permanent
	device a "$1" 5
	tunnel id=5 b=198.51.100.9 what=state ns_b=
	check_fail "$(redirected; echo $?)" 'it goes there without being told'
	error redirect esp $spi_out "${under4[b]}" "${under4[a]}" 198.51.100.9 192.0.2.3
	check slowwait 10 redirected -- 'the error was not heeded'
}

setup_gateways

for kind in static external; do
	for family in 4 6; do
		for protocol in esp ah comp; do
			# In IPv6, AH is an extension header: its protocol is not told of errors.
			[ "$protocol$family" != ah6 ] || continue
			subtest "too_big_${protocol}_over_${family}_$kind" too_big $kind $protocol $family
		done
	done
	subtest "redirect_$kind" redirect $kind
done
for family in 4 6; do
	subtest "without_device_over_$family" without_device $family
done

finish
