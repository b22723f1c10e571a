#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 400
# Also: leaks
#
# ICMP errors about packets that went out through IPsec: the route that the packets took heeds them,
# if they name a state that there is.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#	                               gwb sends the errors

. "$(dirname "$0")/../lib/lib.sh"

# The states of the first gateway for what it sends, as tunnel() numbers them.
spi_out=0x1010

error()
{
	inside "$gwb" python3 "$here/errors.py" "$@"
}

# Each error says less than those before, which the routes may remember.
mtu=1450

# How the route of the packets is asked for: what "ip route get" wants besides the address.
route=()

# mtu_known ADDRESS: whether the first gateway knows of that MTU.
mtu_known()
{
	ip -n "$gwa" route get "$1" "${route[@]}" | grep -q "mtu $mtu\\b"
}

errors_test()
{
	defer reset_gateways
	mtu=$((mtu - 1))
	route=()
}

# by WAY FAMILY PEER [GATEWAY]: lets packets for the peer take a way to the underlay for which the
# link of the device does not stand, or not alone. Sets the link, the states' output-mark, and how
# to ask for the route.
by()
{
	local way=$1 family=$2 peer=$3 via=${4:+via $4} table=main whole=5

	link=under mark='' route=()
	case $way in
	link) ;;
	no_link) link='' ;;
	loopback) link=lo ;;
	other_link) link=other ;;
	esac
	if [[ $way = *vrf* ]]; then
		into_vrf
		route=(vrf red) table=101
	fi
	# Packets go from one VRF to another, or to none, where a route says so.
	if [ "$way" = leak_from_vrf ]; then
		link='' route=() table=main
	fi
	if [[ $way = *mark* ]]; then
		defer ip -n "$gwa" "-$family" rule del pref 100
		mark='5 mask 0xf' table=100
		[ "$way" != reflected_mark ] || whole=0x15
		ip -n "$gwa" "-$family" rule add pref 100 fwmark $whole table 100
		route+=(mark "$whole")
	fi
	# Without the mark or, where the link is another device, with that for a device to send by,
	# packets would leave by another device.
	if [[ $way = *mark* || $way = other_link ]]; then
		defer ip -n "$gwa" link del other
		ip -n "$gwa" link add other type dummy
		ip -n "$gwa" link set other up
		ip -n "$gwa" route add "$peer" dev other metric 50
	fi
	if [[ $way = *mark* || $way = leak* || $way = other_link || -n $via ]]; then
		defer ip -n "$gwa" "-$family" route del "$peer" table $table metric 40
		ip -n "$gwa" "-$family" route add "$peer" $via dev under table $table metric 40
	fi
}

# What the states leave of a packet's mark is found on errors, as if it had been saved with the
# connection.
reflect_marks()
{
	defer inside "$gwa" sysctl -qw net.ipv4.fwmark_reflect=0 net.ipv6.fwmark_reflect=0
	inside "$gwa" sysctl -qw net.ipv4.fwmark_reflect=1 net.ipv6.fwmark_reflect=1
	defer inside "$gwa" nft flush ruleset
	inside "$gwa" nft -f - <<-END
		table inet marks {
			chain errors {
				type filter hook prerouting priority mangle
				meta l4proto { icmp, ipv6-icmp } meta mark set 0x10
			}
		}
	END
}

# Puts the first gateway's underlay into a VRF, which takes addresses and neighbours away.
into_vrf()
{
	defer gateway_address "$gwa" a
	defer ip -n "$gwa" -6 addr flush dev under
	defer ip -n "$gwa" -4 addr flush dev under
	defer ip -n "$gwa" link del red
	ip -n "$gwa" -batch - <<-END
		link add red type vrf table 101
		link set red up
		link set under master red
		addr replace ${under4[a]}/24 dev under
		addr replace ${under6[a]}/64 dev under nodad
	END
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
	ip -n "$gwa" route get "$1" "${route[@]}" | grep -o 'mtu [a-z0-9 ]*'
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

# too_big_by WAY KIND PROTOCOL FAMILY: it is the route that the packet took which heeds the error.
too_big_by()
{
	local way=$1 kind=$2 protocol=$3 family=$4 self="under$4[a]" peer="under$4[b]" link mark

	errors_test
	by "$way" "$family" "${!peer}"
	[ "$way" != reflected_mark ] || reflect_marks
	device a "$kind" 5 dev="$link"
	tunnel id=5 outer="$family" chain="$protocol:tunnel" mark="$mark" what=state ns_b=
	error too-big "$protocol" $spi_out "${!peer}" "${!self}" "${!peer}" $mtu
	check slowwait 10 mtu_known "${!peer}" -- 'the error was not heeded'
	[[ $way = *mark* ]] || return
	route=()
	check_fail "$(mtu_known "${!peer}"; echo $?)" 'a route without the mark heeds the error, too'
}

# What is no news of the path's MTU, or not about IPsec, is not taken for it, even if it looks like
# it.
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
	ip -n "$gwa" route get "$1" "${route[@]}" | grep -q "via $2 "
}

# Another router is told of by the one that packets go through, which has to be a neighbour.
redirect()
{
	local kind=$1 family=$2 way=$3 self="under$2[a]" link mark
	local far=198.51.100.9 via=${under4[b]} from=${under4[b]} to=192.0.2.3

	if [ "$family" = 6 ]; then
		far=2001:db8:9::9 via=fe80::2 from=fe80::2%under to=fe80::3
		defer ip -n "$gwb" addr del fe80::2/64 dev under
		ip -n "$gwb" addr add fe80::2/64 dev under nodad
	fi
	errors_test
	by "$way" "$family" $far $via
	accept_redirects
	defer ip -n "$gwa" neigh del $to dev under
	ip -n "$gwa" neigh add $to dev under lladdr 02:00:00:00:00:03 nud permanent
	device a "$kind" 5 dev="$link"
	tunnel id=5 outer="$family" a="${!self}" b=$far mark="$mark" what=state ns_b=
	check_fail "$(redirected $far $to; echo $?)" 'it goes there without being told'
	error redirect esp $spi_out $from "${!self}" $far $to
	check slowwait 10 redirected $far $to -- 'the error was not heeded'
}

accept_redirects()
{
	local dev

	for dev in all under red; do
		inside "$gwa" sysctl -eqw net.ipv4.conf.$dev.accept_redirects=1 \
			net.ipv4.conf.$dev.secure_redirects=0 net.ipv6.conf.$dev.accept_redirects=1
	done
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
		subtest "redirect_over_${family}_$kind" redirect $kind $family link
	done
done
for family in 4 6; do
	# The look-up depends on the way, and on protocols little.
	for protocol in esp ah comp; do
		[ "$protocol$family" != ah6 ] || continue
		for way in loopback mark; do
			subtest "too_big_${protocol}_by_${way}_over_${family}_static" \
				too_big_by $way static $protocol $family
		done
	done
	for way in no_link other_link vrf leak_from_vrf mark_in_vrf reflected_mark; do
		subtest "too_big_esp_by_${way}_over_${family}_static" too_big_by $way static esp $family
	done
	# The link of an external device's packets is not known when an error about them comes in.
	for way in mark vrf leak_from_vrf mark_in_vrf; do
		subtest "too_big_esp_by_${way}_over_${family}_external" too_big_by $way external esp $family
	done
	for way in no_link loopback other_link vrf mark mark_in_vrf; do
		subtest "redirect_by_${way}_over_${family}_static" redirect static $family $way
	done
	for way in vrf mark mark_in_vrf; do
		subtest "redirect_by_${way}_over_${family}_external" redirect external $family $way
	done
	subtest "without_device_over_$family" without_device $family
done

finish
