#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 110
# Also: meetings
#
# Packets of both families through every kind of transform, over underlays of both families, on
# static and on external devices. What is on the wire is captured: nothing may leave in the clear.
#
#	gwa[ipsec] ---- under, IPv4 and IPv6 ---- under ---- [ipsec]gwb
#
# For nested devices, "ipsec" goes through a second device "outer", whose tunnel uses the underlay:
#
#	gwa[ipsec > outer] ---- under ---- under ---- [outer < ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"

inner_address()
{
	[ "$1" = 4 ] && echo 10.1.0.2 || echo fd00:1::2
}

# ping_on_wire INNER OUTER PROTOCOL [PING-OPTIONS]: three pings to the peer's inner address have to
# be answered, to leave and enter as that protocol, and to be counted by the device: once each,
# unless the caller has set another number in "received".
ping_on_wire()
{
	local inner=$1 ip=IP protocol=$3 before after
	[ "$2" = 4 ] || ip=IP6
	shift 3

	before=$(stat "$gwa" ipsec tx_packets rx_packets)
	capture "$gwa" under
	check reach "$gwa" "$(inner_address "$inner")" 3 "$@" -- 'ping is not answered'
	after=$(stat "$gwa" ipsec tx_packets rx_packets)
	# shellcheck disable=SC2086
	set -- $before $after
	expect 'packets sent' $(($3 - $1)) 3
	expect 'packets received' $(($4 - $2)) "${received:-3}"
	expect "packets of $protocol" "$(captured "^$ip [^ ]+ > [^ ]+: $protocol" 6)" 6
	expect 'packets in the clear' "$(captured "$in_the_clear")" 0
}

tunnel_mode()
{
	local kind=$1 inner=$2 outer=$3 chain=$4 protocol=$5
	shift 5

	defer reset_gateways
	device a "$kind" 5
	device b "$kind" 5
	check tunnel id=5 outer="$outer" chain="$chain" -- 'no states or policies'
	ping_on_wire "$inner" "$outer" "$protocol" "$@"
}

# A connection whose gateways use different if_ids, as they may.
different_ids()
{
	defer reset_gateways
	device a "$1" 5
	device b "$2" 6
	tunnel id_a=5 id_b=6
	ping_on_wire 4 4 ESP
}

# A small packet is not worth compressing: it travels as plain IP in IP, and comes in through the
# tunnel handlers.
comp_small()
{
	local kind=$1 family=$2 protocol='IP '

	[ "$family" = 4 ] || protocol='IP6 '
	defer reset_gateways
	device a "$kind" 5
	device b "$kind" 5
	tunnel id=5 outer="$family" inner="$family" chain=comp:tunnel
	ping_on_wire "$family" "$family" "$protocol" -s 16
}

# Transport mode is received on a static device. It can't be sent there: the packet would be
# routed to the device again. So gwb has the if_id on what it receives only.
transport_received()
{
	local family=$1 address=${under4[b]} before

	[ "$family" = 4 ] || address=${under6[b]}
	defer reset_gateways
	device b static 5
	tunnel outer="$family" inner="$family" chain=esp:transport ns_b=
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= id=0 way=out
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= id=5 way=in
	before=$(stat "$gwb" ipsec rx_packets)
	check reach "$gwa" "$address" 3 -- 'ping is not answered'
	expect 'packets received on the device' $(($(stat "$gwb" ipsec rx_packets) - before)) 3
}

# Two transforms by one policy: a tunnel, and what protects it on its way.
#
# AH inside ESP is not among them, because it can't be received, with or without a device: the
# kernel undoes both transforms in one go, and AH checks an IP header that still names ESP as the
# protocol, unlike the one that the sender's AH has signed. All end as XfrmInStateProtoError.
bundle()
{
	local kind=$1 chain=$2 protocol=$3 outer=$4
	shift 4

	defer reset_gateways
	device a "$kind" 5
	device b "$kind" 5
	tunnel id=5 outer="$outer" chain="$chain"
	# The kernel's transport states hold on to one family, so the inner family is the outer.
	ping_on_wire "$outer" "$outer" "$protocol" "$@"
}

# A packet that IPComp leaves as it is, protected on its way. What ESP decrypts is IP in IP, for
# which the kernel has to start again: that is a packet of the device, and so is what is in it.
comp_small_in_esp()
{
	local kind=$1 family=$2 received=6

	bundle "$kind" 'comp:tunnel esp:transport' ESP "$family" -s 16
}

# ESP in UDP, as behind NAT: a socket brings in what comes by its port.
esp_in_udp()
{
	local ns

	for ns in "$gwa" "$gwb"; do
		job_start ip netns exec "$ns" python3 -c '
import signal, socket
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
s.bind(("", 4500))
signal.pause()'
		defer job_stop "$job"
		slowwait 20 inside "$ns" grep -q :1194 /proc/net/udp6 >/dev/null
	done
	defer reset_gateways
	device a "$1" 5
	device b "$1" 5
	tunnel id=5 outer="$2" encap='espinudp 4500 4500 0.0.0.0'
	ping_on_wire 4 "$2" 'UDP-encap: ESP'
	ping_on_wire 6 "$2" 'UDP-encap: ESP'
}

# A tunnel in a tunnel, each with a device of its own.
nested()
{
	local family=$2 a b before

	nested_devices "$@"
	before=$(stat "$gwb" outer rx_packets)
	ping_on_wire "$family" "$family" ESP -s 400
	expect 'packets received by the outer device' $(($(stat "$gwb" outer rx_packets) - before)) 3
}

# What no policy of the outer tunnel's device lets in does not get to the inner tunnel's state.
nested_without_policy()
{
	local all=0.0.0.0/0 family=$2 a b before

	[ "$2" = 4 ] || all=::/0
	nested_devices "$@"
	ip -n "$gwb" xfrm policy del src $all dst $all dir in if_id 6
	before=$(xfrm_stat "$gwb" XfrmInNoPols)
	check silent "$gwa" "$(inner_address "$family")" -- 'it is answered'
	expect 'packets received by the outer device' "$(stat "$gwb" outer rx_packets)" 3
	expect 'XfrmInNoPols' $(($(xfrm_stat "$gwb" XfrmInNoPols) - before)) 3
	expect 'packets of the inner state' "$(ip -n "$gwb" -s xfrm state get src "$a" dst "$b" proto esp spi 0x1010 |
		sed -n 's/.*[0-9](bytes), \([0-9]*\)(packets)$/\1/p')" 0
}

# nested_devices TRANSFORM FAMILY: a tunnel between $a and $b, which are set, in another.
nested_devices()
{
	local transform=$1 family=$2

	a=10.2.0.1 b=10.2.0.2
	[ "$family" = 4 ] || a=fd00:2::1 b=fd00:2::2
	defer reset_gateways
	defer ip -n "$gwa" link del outer
	defer ip -n "$gwb" link del outer
	device a static 6 name=outer net=2
	device b static 6 name=outer net=2
	device a static 5 dev=
	device b static 5 dev=
	tunnel id=6 n=2 outer="$family"
	tunnel id=5 n=1 a="$a" b="$b" outer="$family" chain="$transform:tunnel"
}

setup_gateways

for kind in static external; do
	for combination in 4in4 6in4 4in6 6in6; do
		subtest "esp_tunnel_${combination}_$kind" \
			tunnel_mode "$kind" "${combination%in*}" "${combination#*in}" esp:tunnel ESP
	done
	for family in 4 6; do
		subtest "esp_in_udp_over_${family}_$kind" esp_in_udp "$kind" "$family"
		subtest "ah_tunnel_${family}in${family}_$kind" \
			tunnel_mode "$kind" "$family" "$family" ah:tunnel AH
		subtest "ipcomp_tunnel_${family}in${family}_$kind" \
			tunnel_mode "$kind" "$family" "$family" comp:tunnel IPComp -s 1000
		subtest "ipcomp_small_as_ipip_${family}in${family}_$kind" comp_small "$kind" "$family"
		subtest "bundle_esp_tunnel_in_ah_transport_over_${family}_$kind" \
			bundle "$kind" 'esp:tunnel ah:transport' AH "$family"
		subtest "bundle_esp_tunnel_in_esp_transport_over_${family}_$kind" \
			bundle "$kind" 'esp:tunnel esp:transport' ESP "$family"
		subtest "bundle_ipcomp_small_in_esp_transport_over_${family}_$kind" \
			comp_small_in_esp "$kind" "$family"
	done
done
subtest bundle_ipcomp_tunnel_in_esp_transport_static \
	bundle static 'comp:tunnel esp:transport' ESP 4 -s 1000
subtest different_if_ids_static_static different_ids static static
subtest different_if_ids_static_external different_ids static external
subtest different_if_ids_external_external different_ids external external
for family in 4 6; do
	subtest "esp_transport_received_on_static_$family" transport_received "$family"
	subtest "nested_devices_esp_in_esp_$family" nested esp "$family"
	subtest "nested_devices_without_policy_$family" nested_without_policy esp "$family"
	subtest "nested_transforms_ah_in_esp_$family" nested ah "$family"
	subtest "nested_transforms_ipcomp_in_esp_$family" nested comp "$family"
done

finish
