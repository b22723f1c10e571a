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

# not_heeded NAME ARGUMENT...: sends that error, which changes nothing.
not_heeded()
{
	local name=$1 peer=$7 before
	shift

	before=$(mtu_of "$peer")
	error "$@" $mtu
	check_fail "$(slowwait 1 mtu_is_not "$before" "$peer" >/dev/null; echo $?)" "$name was heeded"
}

# mtu_of ADDRESS: what the first gateway knows of its MTU.
mtu_of()
{
	ip -n "$gwa" route get "$1" | grep -o 'mtu [a-z0-9 ]*'
}

mtu_is_not()
{
	[ "$(mtu_of "$2")" != "$1" ]
}

# too_big KIND PROTOCOL FAMILY [options]
too_big()
{
	local self="under$3[a]" peer="under$3[b]" options=${4-}

	errors_test
	device a "$1" 5
	tunnel id=5 outer="$3" chain="$2:tunnel" what=state ns_b=
	not_heeded 'an error about no state' too-big "$2" 0x7777 "${!peer}" "${!self}" "${!peer}"
	error too-big "$2" $spi_out "${!peer}" "${!self}" "${!peer}" $mtu $options
	check slowwait 10 mtu_known "${!peer}" -- 'the error was not heeded'
}

# What is no news of the path's MTU, or not about IPsec, is not taken for it, even if it looks like it.
other_errors()
{
	local self="under$2[a]" peer="under$2[b]"

	errors_test
	device a "$1" 5
	tunnel id=5 outer="$2" what=state ns_b=
	not_heeded 'that there is no way to the peer' unreachable esp $spi_out "${!peer}" "${!self}" "${!peer}"
	not_heeded 'an error about a packet in a packet' too-big ip $spi_out "${!peer}" "${!self}" "${!peer}"
	error too-big esp $spi_out "${!peer}" "${!self}" "${!peer}" $mtu
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

# redirected TO ROUTER
redirected()
{
	ip -n "$gwa" route get "$1" | grep -q "via $2 "
}

# Another router is told of by the one that packets go through, which has to be a neighbour.
redirect()
{
	local kind=$1 family=$2 self="under$2[a]" far=198.51.100.9 via=${under4[b]} from=${under4[b]} to=192.0.2.3
	shift 2

	if [ "$family" = 6 ]; then
		far=2001:db8:9::9 via=fe80::2 from=fe80::2%under to=fe80::3
		defer ip -n "$gwb" addr del fe80::2/64 dev under
		ip -n "$gwb" addr add fe80::2/64 dev under nodad
	fi
	errors_test
	inside "$gwa" sysctl -qw net.ipv4.conf.all.accept_redirects=1 net.ipv4.conf.under.accept_redirects=1 \
		net.ipv4.conf.all.secure_redirects=0 net.ipv4.conf.under.secure_redirects=0 \
		net.ipv6.conf.under.accept_redirects=1
	defer ip -n "$gwa" route del $far
	ip -n "$gwa" route add $far via $via dev under
	defer ip -n "$gwa" neigh del $to dev under
	ip -n "$gwa" neigh add $to dev under lladdr 02:00:00:00:00:03 nud permanent
	device a "$kind" 5 "$@"
	tunnel id=5 outer=$family a="${!self}" b=$far what=state ns_b=
	check_fail "$(redirected $far $to; echo $?)" 'it goes there without being told'
	error redirect esp $spi_out $from "${!self}" $far $to
	check slowwait 10 redirected $far $to -- 'the error was not heeded'
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
	subtest "too_big_esp_with_options_over_4_$kind" too_big $kind esp 4 options
	for family in 4 6; do
		subtest "other_errors_over_${family}_$kind" other_errors $kind $family
		subtest "redirect_over_${family}_$kind" redirect $kind $family
	done
done
for family in 4 6; do
	subtest "redirect_over_${family}_without_underlay" redirect static $family dev=
	subtest "without_device_over_$family" without_device $family
done

finish
