#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 100
#
# What a device counts: packets and bytes exactly, and errors in the fields in which users look for
# them.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"

errors='tx_errors tx_dropped tx_carrier_errors tx_aborted_errors collisions'

# sent NS and received NS: packets and bytes.
sent()
{
	stat "$1" ipsec tx_packets tx_bytes
}

received()
{
	stat "$1" ipsec rx_packets rx_bytes
}

devices()
{
	defer reset_gateways
	device a "$1" 5
	device b "$1" 5
}

# Five pings of 100 bytes: 128 bytes with IPv4's and ICMP's headers, 148 with IPv6's.
exact()
{
	local address=10.1.0.2 bytes=640

	[ "$2" = 4 ] || address=fd00:1::2 bytes=740
	devices "$1"
	tunnel id=5
	check reach "$gwa" $address 5 -s 100 -- 'ping is not answered'
	expect 'sent by gwa' "$(sent "$gwa")" "5 $bytes"
	expect 'received by gwb' "$(received "$gwb")" "5 $bytes"
	expect 'sent by gwb' "$(sent "$gwb")" "5 $bytes"
	expect 'received by gwa' "$(received "$gwa")" "5 $bytes"
	# shellcheck disable=SC2086
	expect 'errors' "$(stat "$gwa" ipsec $errors rx_errors rx_dropped)" '0 0 0 0 0 0 0'
}

# expect_errors ERRORS DROPPED CARRIER ABORTED COLLISIONS
expect_errors()
{
	# shellcheck disable=SC2086
	expect "$errors" "$(stat "$gwa" ipsec $errors)" "$*"
	expect 'sent by gwa' "$(sent "$gwa")" '0 0'
}

no_policy()
{
	devices "$1"
	tunnel id=6
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect_errors 3 3 3 0 0
}

blocked_by_policy()
{
	local before

	devices "$1"
	tunnel id=5 what=state
	ip -n "$gwa" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 5 action block
	before=$(xfrm_stat "$gwa" XfrmOutPolBlock)
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect_errors 3 3 3 0 0
	expect 'XfrmOutPolBlock' $(($(xfrm_stat "$gwa" XfrmOutPolBlock) - before)) 3
}

no_state()
{
	local before

	devices "$1"
	tunnel id=5 what=policy
	before=$(xfrm_stat "$gwa" XfrmOutNoStates)
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect_errors 3 3 3 0 0
	expect 'XfrmOutNoStates' $(($(xfrm_stat "$gwa" XfrmOutNoStates) - before)) 3
}

# A state with another if_id does not do, even if the policy's template would have it.
state_of_another_if_id()
{
	devices "$1"
	tunnel id=5 what=policy
	tunnel id=6 what=state
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect_errors 3 3 3 0 0
}

no_underlay_route()
{
	devices "$1"
	tunnel id=5
	tunnel id=5 a=198.51.100.1 b=198.51.100.2 what=state
	ip -n "$gwa" xfrm policy flush
	ip -n "$gwa" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 5 \
		tmpl src 192.0.2.1 dst 198.51.100.2 proto esp reqid 9 mode tunnel
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect_errors 3 3 3 0 0
}

# The tunnel's own packets are routed into the tunnel.
routing_loop()
{
	local encap=''

	devices "$1"
	[ "$1" = static ] || encap='encap xfrm if_id 5'
	# A static device that is tied to an underlay can't loop.
	if [ "$1" = static ]; then
		ip -n "$gwa" link del ipsec
		device a static 5 dev=
	fi
	tunnel id=5 a=10.1.0.1 b=198.51.100.2
	# shellcheck disable=SC2086
	ip -n "$gwa" route add 198.51.100.2 dev ipsec $encap
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect_errors 3 3 0 0 3
}

# What is neither IPv4 nor IPv6 has no business on the device.
other_protocol()
{
	devices "$1"
	tunnel id=5
	inside "$gwa" python3 - <<-END
		import socket
		s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
		for _ in range(3):
		    s.sendto(b"x" * 64, ("ipsec", 0x88b5))
	END
	expect_errors 3 3 0 0 0
}

# A packet socket's IP packets have no route attached; the device looks for one.
packet_socket()
{
	devices static
	tunnel id=5
	inside "$gwa" python3 - <<-END
		import socket, sys
		sys.path.insert(0, "/usr/lib/python3/dist-packages")
		from scapy.all import IP, UDP, raw
		s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
		packet = raw(IP(src="10.1.0.1", dst="10.1.0.2") / UDP(sport=9, dport=9) / (b"x" * 72))
		for _ in range(3):
		    s.sendto(packet, ("ipsec", 0x800))
	END
	expect 'sent by gwa' "$(sent "$gwa")" '3 300'
	expect 'received by gwb' "$(received "$gwb")" '3 300'
}

# Such a packet may have nothing behind the IP header that anybody knows, so that nobody says where
# its transport header is.
packet_socket_unknown()
{
	devices static
	tunnel id=5
	inside "$gwa" python3 - "$1" <<-END
		import socket, sys
		sys.path.insert(0, "/usr/lib/python3/dist-packages")
		from scapy.all import IP, IPv6, raw
		s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
		# The header of a packet in the packet ends early.
		if sys.argv[1] == "4":
		    protocol, packet = 0x800, IP(src="10.1.0.1", dst="10.1.0.2", proto=4)
		else:
		    protocol, packet = 0x86dd, IPv6(src="fd00:1::1", dst="fd00:1::2", nh=4)
		for _ in range(3):
		    s.sendto(raw(packet / (b"E" * 4)), ("ipsec", protocol))
	END
	expect 'sent by gwa' "$(sent "$gwa")" "3 $2"
	expect 'received by gwb' "$(received "$gwb")" "3 $2"
}

too_big()
{
	devices "$1"
	tunnel id=5
	inside "$gwa" ping -q -c 1 -W 1 -M 'do' -s 1472 10.1.0.2 >/dev/null
	expect_errors 1 1 0 0 0
}

# What the queue of the underlay does not take has not been sent.
queue_full()
{
	devices "$1"
	tunnel id=5
	tc -n "$gwa" qdisc add dev under root pfifo limit 0
	defer tc -n "$gwa" qdisc del dev under root
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect_errors 3 0 0 3 0
}

# What fails the integrity check is an error of the device that the state belongs to.
receive_wrong_key()
{
	local before

	devices "$1"
	tunnel id=5 ns_b=
	tunnel id=5 ns_a= what=policy
	# The same states on gwb, with another key.
	tunnel id=5 ns_a= what=state
	ip -n "$gwb" xfrm state update src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010 reqid 9 \
		mode tunnel flag af-unspec aead 'rfc4106(gcm(aes))' \
		0x1111111111111111111111111111111111111111 128 if_id 5 2>/dev/null
	ip -n "$gwb" xfrm state del src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010
	ip -n "$gwb" xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010 reqid 9 \
		mode tunnel flag af-unspec aead 'rfc4106(gcm(aes))' \
		0x1111111111111111111111111111111111111111 128 if_id 5
	before=$(xfrm_stat "$gwb" XfrmInStateProtoError)
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect 'rx_errors rx_dropped rx_packets' "$(stat "$gwb" ipsec rx_errors rx_dropped rx_packets)" \
		'3 3 0'
	expect 'XfrmInStateProtoError' $(($(xfrm_stat "$gwb" XfrmInStateProtoError) - before)) 3
}

# The policy is checked after the device has counted the packet, so that is where it shows.
receive_no_policy()
{
	local before

	devices "$1"
	tunnel id=5 ns_b=
	tunnel id=5 ns_a= what=state
	tunnel id=5 ns_a= what=policy way=out
	before=$(xfrm_stat "$gwb" XfrmInNoPols)
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect 'rx_packets' "$(stat "$gwb" ipsec rx_packets)" 3
	expect 'XfrmInNoPols' $(($(xfrm_stat "$gwb" XfrmInNoPols) - before)) 3
}

receive_policy_mismatch()
{
	local before

	devices "$1"
	tunnel id=5 ns_b=
	tunnel id=5 ns_a= what=state
	tunnel id=5 ns_a= what=policy n=2
	before=$(xfrm_stat "$gwb" XfrmInTmplMismatch)
	check silent "$gwa" 10.1.0.2 -- 'ping is answered'
	expect 'XfrmInTmplMismatch' $(($(xfrm_stat "$gwb" XfrmInTmplMismatch) - before)) 3
}

# Several CPUs count without losing anything.
parallel()
{
	local jobs=() i

	devices "$1"
	tunnel id=5
	for i in 1 2 3 4; do
		job_start ip netns exec "$gwa" ping -n -q -c 200 -i 0.002 -W 3 10.1.0.2 >"$tmp/ping$i"
		jobs+=("$job")
	done
	wait "${jobs[@]}"
	for i in 1 2 3 4; do
		check grep -q ' 200 received' "$tmp/ping$i" -- "$(grep received "$tmp/ping$i")"
	done
	expect 'sent by gwa' "$(sent "$gwa")" '800 67200'
	expect 'received by gwa' "$(received "$gwa")" '800 67200'
}

setup_gateways

for kind in static external; do
	for family in 4 6; do
		subtest exact_${kind}_$family exact $kind $family
	done
	for name in no_policy blocked_by_policy no_state state_of_another_if_id no_underlay_route \
		routing_loop other_protocol too_big queue_full receive_wrong_key \
		receive_no_policy receive_policy_mismatch parallel; do
		subtest ${name}_$kind $name $kind
	done
done
subtest packet_socket packet_socket
subtest packet_socket_unknown_4 packet_socket_unknown 4 72
subtest packet_socket_unknown_6 packet_socket_unknown 6 132

finish
