#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 120
#
# What the kernel's C driver does wrong, and what users expect instead. Subtests are named after
# what has to be true, and after the entry in docs/differences.md; the C driver fails those that
# expect/known-c-failures lists.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#
# Faults that belong to a subject of its own are in its file: nested transforms in traffic.sh, the
# metadata of programs in metadata.sh, the path's MTU in a VRF in pmtu.sh, netlink in netlink.py.

. "$(dirname "$0")/../lib/lib.sh"

# external NS: an external device, up, that no route leads to.
external()
{
	ip -n "$1" link add ipsec type xfrm external
	ip -n "$1" link set ipsec up
}

# Connections in transport mode that have nothing to do with an xfrm device go on working when an
# external device comes up.
own_states_transport()
{
	local family=$1 address=${under4[b]}

	[ "$family" = 4 ] || address=${under6[b]}
	defer reset_gateways
	tunnel outer="$family" inner="$family" chain="$2"
	check reach "$gwa" "$address" -- 'it is not answered to begin with'
	external "$gwb"
	check reach "$gwa" "$address" -- 'it is not answered with an external device up'
	external "$gwa"
	check reach "$gwa" "$address" -- 'it is not answered with two external devices up'
	expect 'packets of the external device' "$(stat "$gwb" ipsec rx_packets)" 0
}

# A transport-mode state with an if_id belongs to the external device, which receives for it.
transport_mode_route_with_if_id()
{
	local family=$1 address=${under4[b]}

	[ "$family" = 4 ] || address=${under6[b]}
	defer reset_gateways
	external "$gwb"
	tunnel outer="$family" inner="$family" chain=esp:transport ns_b=
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= id=0 way=out
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= id=7 way=in
	check reach "$gwa" "$address" -- 'it is not answered'
	expect 'packets received on the device' "$(stat "$gwb" ipsec rx_packets)" 3
}

# The same with UDP and TCP, which check policies and reverse paths on their own.
own_states_transport_tcp()
{
	defer reset_gateways
	tunnel outer=4 inner=4 chain=esp:transport
	external "$gwb"
	job_start ip netns exec "$gwb" socat -U TCP4-LISTEN:7,reuseaddr SYSTEM:'echo hello'
	await_listener "$gwb" 7
	expect 'the answer' "$(inside "$gwa" socat -u -T 10 TCP4:192.0.2.2:7,connect-timeout=5 -)" hello
	job_stop "$job"
}

# Connections in tunnel mode without an if_id stay where they are: nothing comes out of a device
# that they don't belong to, where a firewall or a VRF would treat it differently.
own_states_policy_based_tunnel()
{
	local inner=$1 outer=$2 address=10.7.0.2 addresses ns

	[ "$inner" = 4 ] || address=fd00:7::2
	defer reset_gateways
	for ns in "$gwa" "$gwb"; do
		defer ip -n "$ns" link del inner
		addresses=$([ "$ns" = "$gwa" ] && echo 1 || echo 2)
		ip -n "$ns" -batch - <<-END
			link add inner type dummy
			link set inner up
			addr add 10.7.0.$addresses/32 dev inner
			addr add fd00:7::$addresses/128 dev inner nodad
		END
	done
	ip -n "$gwa" route add 10.7.0.2 dev under src 10.7.0.1 via 192.0.2.2
	ip -n "$gwb" route add 10.7.0.1 dev under src 10.7.0.2 via 192.0.2.1
	ip -n "$gwa" route add fd00:7::2 dev under src fd00:7::1 via 2001:db8::2
	ip -n "$gwb" route add fd00:7::1 dev under src fd00:7::2 via 2001:db8::1
	# Policies for the inner addresses only, or they would catch the tunnel itself.
	tunnel outer="$outer" inner="$inner" sel_a="${address%2}1" sel_b="$address"
	check reach "$gwa" "$address" -- 'it is not answered to begin with'
	external "$gwb"
	defer inside "$gwb" nft flush ruleset
	inside "$gwb" nft -f - <<-END
		table inet f {
			chain pre {
				type filter hook input priority 0;
				iifname "ipsec" drop
			}
		}
	END
	check reach "$gwa" "$address" -- 'it is not answered with an external device up'
	expect 'packets received on the external device' "$(stat "$gwb" ipsec rx_packets)" 0
}

# With a device down, what is meant for it is not delivered, and least of all by another device.
device_down_beside_external()
{
	defer reset_gateways
	defer ip -n "$gwb" link del five
	device a static 5
	device b external 5
	tunnel id=5
	ip -n "$gwb" link add five type xfrm if_id 5
	check silent "$gwa" "$1" -- 'the external device delivers for one that is down'
	expect 'packets received on the external device' "$(stat "$gwb" ipsec rx_packets)" 0
	ip -n "$gwb" link set five up
	check reach "$gwa" "$1" -- 'it is not answered once the device is up'
	expect 'packets received on the device' "$(stat "$gwb" five rx_packets)" 3
}

# Nor by the stack itself, if a policy without an if_id would let it in.
device_down_with_broad_policy()
{
	local udp_before

	defer reset_gateways
	device a static 5
	device b static 5
	tunnel id=5
	# The same templates without an if_id.
	tunnel id=0 ns_a= what=policy way=in
	ip -n "$gwb" link set ipsec down
	# The address goes elsewhere, so that nothing but the device's state is in the way.
	ip -n "$gwb" addr add 10.1.0.2/32 dev lo
	defer ip -n "$gwb" addr del 10.1.0.2/32 dev lo
	before=$(icmp_in)
	inside "$gwa" ping -n -q -c 3 -i 0.02 -W 1 10.1.0.2 >/dev/null
	expect 'echo requests that were delivered' $(($(icmp_in) - before)) 0
}

# How many echo requests gwb's ICMP has taken.
icmp_in()
{
	inside "$gwb" awk '/^Icmp: [0-9]/ { print $10 }' /proc/net/snmp
}

# datagrams_under_change NS PACKETS CHANGE...: sends at least so many datagrams from gwa to gwb,
# while the device of NS is changed all the time. What happened is in variables of those names.
datagrams_under_change()
{
	local changed=$1 packets=$2 changes=500 result
	shift 2

	if debug_kernel; then
		packets=$((packets / 20))
		changes=50
	fi
	sent='' received='' requests='' refused='' backlog='' buffer=''
	result=$(python3 "$here/changelink.py" "$gwa" "$gwb" "$changed" "$packets" "$changes" "$@")
	check_err $? 'changes or traffic came to an end'
	log_info "$result"
	# shellcheck disable=SC2086
	declare -g $result
	check [ "${requests:-0}" -ge "$changes" ] -- 'too few changes'
	expect "datagrams received (queues that were full have dropped $backlog and $buffer)" "$received" "$sent"
}

# gwb's device gets all of the datagrams, whatever is asked of it that changes nothing.
changelink_lossless()
{
	defer reset_gateways
	defer ip -n "$gwb" link del six
	device a static 5
	device b static 5
	tunnel id=5
	ip -n "$gwb" link add six type xfrm if_id 6
	datagrams_under_change "$gwb" 50000 "$@"
	expect 'packets of the device' "$(stat "$gwb" ipsec rx_packets rx_errors rx_dropped)" "$sent 0 0"
	expect 'if_id' "$(ip -n "$gwb" -d -j link show ipsec | jq -r '.[0].linkinfo.info_data.if_id')" 0x5
}

changelink_same_value()
{
	changelink_lossless 5@under nothing
}

changelink_failing()
{
	changelink_lossless 5@lo 6@under 0@under
	expect 'changes refused' "$refused" "$requests"
}

# The receiver changes to another if_id and back. Whenever it has the other one, what is sent
# belongs to the external device, so that each packet is received by one of the two.
changelink_real_on_receiver()
{
	local packets other

	defer reset_gateways
	defer ip -n "$gwb" link del other
	device a static 5
	device b static 5
	tunnel id=5
	ip -n "$gwb" link add other type xfrm external
	ip -n "$gwb" link set other up
	datagrams_under_change "$gwb" 20000 6@under 5@under
	expect 'changes refused' "$refused" 0
	packets=$(stat "$gwb" ipsec rx_packets)
	other=$(stat "$gwb" other rx_packets)
	expect 'packets of both devices' $((packets + other)) "$sent"
	check [ "$packets" -gt 100 ] -- "only $packets packets of the device"
	check [ "$other" -gt 100 ] -- "only $other packets of the external device"
}

# The sender changes between two if_ids of which its peer has both: whichever it uses, the packet
# gets through.
changelink_real_on_sender()
{
	defer reset_gateways
	device a static 5
	device b external 5
	tunnel id=5 n=1
	tunnel id=6 n=2
	datagrams_under_change "$gwa" 20000 6@under 5@under
	expect 'changes refused' "$refused" 0
	expect 'packets sent and errors' "$(stat "$gwa" ipsec tx_packets tx_errors)" "$sent 0"
	expect 'packets received' "$(stat "$gwb" ipsec rx_packets)" "$sent"
}

# From the moment at which a change has succeeded the old if_id is out and the new one is in.
changelink_at_once()
{
	local i new=5 old=6 before

	defer reset_gateways
	defer ip -n "$gwa" link del six
	device a static 5
	device b static 5
	tunnel id=5 n=1
	tunnel id=6 n=2
	device a static 6 name=six net=2
	ip -n "$gwb" addr add 10.2.0.2/32 dev ipsec
	ip -n "$gwb" route add 10.2.0.1 dev ipsec src 10.2.0.2
	for i in 1 2 3 4; do
		old=$new new=$((11 - new))
		check ip -n "$gwb" link change ipsec type xfrm dev under if_id $new -- 'change fails'
		before=$(stat "$gwb" ipsec rx_packets)
		check reach "$gwa" 10.$((new - 4)).0.2 2 -- "if_id $new is not answered after the change"
		inside "$gwa" ping -n -q -c 2 -i 0.02 -W 1 10.$((old - 4)).0.2 >/dev/null
		expect "packets received after the change to $new" \
			$(($(stat "$gwb" ipsec rx_packets) - before)) 2
	done
}

# What has come in may be sent back out, by a mirror instead of a route: without BPF.
redirected_back()
{
	local destination=$1

	defer reset_gateways
	device a "$2" 5
	device b "$2" 5
	tunnel id=5
	encap=''
	[ "$2" = static ] || encap='encap xfrm if_id 5'
	ip -n "$gwa" route add "$destination" dev ipsec $encap
	ip -n "$gwb" route add "$destination" dev ipsec $encap
	tc -n "$gwb" qdisc add dev ipsec clsact
	tc -n "$gwb" filter add dev ipsec ingress matchall action mirred egress redirect dev ipsec
	inside "$gwa" ping -n -q -c 3 -i 0.02 -W 1 "$destination" >/dev/null
	expect 'packets received by gwb' "$(stat "$gwb" ipsec rx_packets)" 3
	expect 'packets sent back and errors' "$(stat "$gwb" ipsec tx_packets tx_errors)" '3 0'
	expect 'packets that came back' "$(stat "$gwa" ipsec rx_packets)" 3
}

# A packet may come with the metadata of a tunnel of another kind. To a static device that says nothing; nor
# does it to an external one if it is that of the tunnel through which the packet was received.
metadata_no_route_of_another_tunnel()
{
	defer reset_gateways
	device a "$2" 5
	device b "$2" 5
	tunnel id=5
	if [ "$2" = external ]; then
		metadata_received "${1%2}77"
		return
	fi
	tc -n "$gwa" qdisc add dev ipsec clsact
	tc -n "$gwa" filter add dev ipsec egress matchall \
		action tunnel_key set id 7 src_ip 198.51.100.1 dst_ip 198.51.100.2
	check reach "$gwa" "$1" -- 'it is not answered'
	expect 'packets sent and errors' "$(stat "$gwa" ipsec tx_packets tx_errors)" '3 0'
}

# metadata_received ADDRESS: what gwb sends there comes to gwa by VXLAN, and goes back through the device.
metadata_received()
{
	local address=$1 mac=02:00:00:00:00:0a

	defer eval "ip -n $gwa link del vxlan; ip -n $gwb link del vxlan"
	ip -n "$gwa" link add vxlan address $mac type vxlan external dstport 4789
	ip -n "$gwa" link set vxlan up
	ip -n "$gwb" link add vxlan type vxlan id 9 remote "${under4[a]}" local "${under4[b]}" dstport 4789
	ip -n "$gwb" link set vxlan up
	ip -n "$gwb" neigh add "$address" lladdr $mac dev vxlan
	ip -n "$gwb" route add "$address" dev vxlan
	ip -n "$gwa" route add "$address" dev ipsec encap xfrm if_id 5
	tc -n "$gwa" qdisc add dev vxlan clsact
	tc -n "$gwa" filter add dev vxlan ingress matchall action mirred egress redirect dev ipsec
	inside "$gwb" ping -n -q -c 3 -i 0.02 -W 1 "$address" >/dev/null
	expect 'packets sent and errors' "$(stat "$gwa" ipsec tx_packets tx_errors)" '3 0'
	expect 'packets received by gwb' "$(stat "$gwb" ipsec rx_packets)" 3
}

setup_gateways

for family in 4 6; do
	subtest own_states_transport_esp_without_if_id_$family own_states_transport $family esp:transport
	subtest own_states_transport_ah_without_if_id_$family own_states_transport $family ah:transport
	subtest transport_mode_route_with_if_id_$family transport_mode_route_with_if_id $family
done
subtest own_states_transport_tcp own_states_transport_tcp
for combination in 4in4 6in4 4in6 6in6; do
	subtest own_states_policy_based_tunnel_$combination \
		own_states_policy_based_tunnel "${combination%in*}" "${combination#*in}"
done
subtest device_down_beside_external_4 device_down_beside_external 10.1.0.2
subtest device_down_beside_external_6 device_down_beside_external fd00:1::2
subtest device_down_with_broad_policy device_down_with_broad_policy
subtest lossless_change_same_value changelink_same_value
subtest lossless_change_failing changelink_failing
subtest lossless_change_real_on_receiver changelink_real_on_receiver
subtest lossless_change_real_on_sender changelink_real_on_sender
subtest changelink_takes_effect_at_once changelink_at_once
for kind in static external; do
	subtest redirected_back_4_$kind redirected_back 10.1.0.77 $kind
	subtest redirected_back_6_$kind redirected_back fd00:1::77 $kind
	subtest metadata_no_route_of_another_tunnel_4_$kind metadata_no_route_of_another_tunnel 10.1.0.2 $kind
	subtest metadata_no_route_of_another_tunnel_6_$kind metadata_no_route_of_another_tunnel fd00:1::2 $kind
done

finish
