#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 80
# Also: leaks meetings
#
# The metadata of an external device's packets, read and written by BPF programs. Skipped as long as
# the driver has no functions for them.
#
#	inner ---- [in]gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#	             if_id 5, 6                            if_id 5, 6

. "$(dirname "$0")/../lib/lib.sh"

# A namespace for the device whose link namespace is gwb, or for a host behind gwa.
inner=''

program=$tmp/metadata.bpf.o

# attach NS ingress|egress PROGRAM [DEVICE]
attach()
{
	tc -n "$1" qdisc add dev "${4:-ipsec}" clsact 2>/dev/null
	tc -n "$1" filter add dev "${4:-ipsec}" "$2" bpf direct-action obj "$program" program "$3"
}

# count_marks NS MARK...: counts what comes in with these marks, under counters of that name. With
# hook=postrouting, what leaves; that passes there twice, before IPsec and after it.
count_marks()
{
	local ns=$1 mark hook=${hook:-prerouting} which=''
	shift

	[ "$hook" = prerouting ] || which='meta l4proto esp'

	defer inside "$ns" nft flush ruleset
	{
		echo 'table inet marks {'
		printf 'counter mark%s {}\n' "$@"
		echo "chain $hook { type filter hook $hook priority 0;"
		for mark in "$@"; do
			echo "$which meta mark $mark counter name mark$mark"
		done
		printf '}\n}\n'
	} | inside "$ns" nft -f -
}

marked()
{
	inside "$1" nft -j list counter inet marks "mark$2" |
		jq '.nftables[] | select(.counter) | .counter.packets'
}

# Both connections on both gateways, the second one with inner addresses of its own.
two_connections()
{
	defer reset_gateways
	device a external 5
	device b external 5
	tunnel id=5 n=1
	tunnel id=6 n=2
	ip -n "$gwa" -batch - <<-END
		addr add 10.2.0.1/32 dev ipsec
		route add 10.2.0.2 dev ipsec src 10.2.0.1 encap xfrm if_id 6
	END
	ip -n "$gwb" -batch - <<-END
		addr add 10.2.0.2/32 dev ipsec
		route add 10.2.0.1 dev ipsec src 10.2.0.2 encap xfrm if_id 6
	END
}

receive_if_id()
{
	two_connections
	check attach "$gwb" ingress mark_is_if_id -- 'the program is not accepted'
	count_marks "$gwb" 5 6 57005
	check reach "$gwa" 10.1.0.2 3 -- 'if_id 5 is not answered'
	check reach "$gwa" 10.2.0.2 4 -- 'if_id 6 is not answered'
	check reach "$gwa" fd00:1::2 5 -- 'IPv6 is not answered'
	expect 'packets with if_id 5' "$(marked "$gwb" 5)" 8
	expect 'packets with if_id 6' "$(marked "$gwb" 6)" 4
	expect 'packets without metadata' "$(marked "$gwb" 57005)" 0
}

# The mark of a packet whose metadata names the link with that index, as the program sets it.
mark_of_link()
{
	echo $((100000 + $1))
}

index_of()
{
	inside "$1" cat "/sys/class/net/$2/ifindex"
}

receive_link()
{
	local under

	two_connections
	under=$(mark_of_link "$(index_of "$gwb" under)")
	check attach "$gwb" ingress mark_is_link -- 'the program is not accepted'
	count_marks "$gwb" "$under"
	check reach "$gwa" 10.1.0.2 3 -- 'it is not answered'
	expect 'packets with the link' "$(marked "$gwb" "$under")" 3
}

# The device is in a namespace where the index of what its packets came in by means nothing, or
# another device: its packets have no link.
receive_link_of_other_netns()
{
	local none under

	defer reset_gateways "$inner"
	if [ "$1" = created ]; then
		ip -n "$inner" link add ipsec link-netns "$gwb" type xfrm external
	else
		ip -n "$gwb" link add ipsec type xfrm external
		ip -n "$gwb" link set ipsec netns "$inner"
	fi
	device a static 5
	device b external 5 ns="$inner"
	tunnel id=5
	none=$(mark_of_link 0)
	under=$(mark_of_link "$(index_of "$gwb" under)")
	check attach "$inner" ingress mark_is_link -- 'the program is not accepted'
	count_marks "$inner" "$none" "$under"
	check reach "$gwa" 10.1.0.2 3 -- 'it is not answered'
	expect 'packets with a link of the other namespace' "$(marked "$inner" "$under")" 0
	expect 'packets without a link' "$(marked "$inner" "$none")" 3
}

receive_metadata_link_other_netns_created()
{
	receive_link_of_other_netns created
}

receive_metadata_link_other_netns_moved()
{
	receive_link_of_other_netns moved
}

# Both layers of a tunnel in a tunnel come through the same device. The link that the inner packet
# tells must not be the device itself, which an answer could never be sent through.
receive_metadata_link_nested()
{
	local own none under

	defer reset_gateways
	defer ip -n "$gwa" link del outer
	device a static 6 name=outer net=2
	device a static 5 dev=
	device b external 5
	tunnel id=6 n=2
	tunnel id=5 n=1 a=10.2.0.1 b=10.2.0.2
	ip -n "$gwb" -batch - <<-END
		addr add 10.2.0.2/32 dev ipsec
		route add 10.2.0.1 dev ipsec src 10.2.0.2 encap xfrm if_id 6
	END
	own=$(mark_of_link "$(index_of "$gwb" ipsec)")
	under=$(mark_of_link "$(index_of "$gwb" under)")
	none=$(mark_of_link 0)
	check attach "$gwb" ingress mark_is_link -- 'the program is not accepted'
	count_marks "$gwb" "$own" "$under" "$none"
	# Both layers of an answer would leave through the same device too, which is a loop.
	inside "$gwa" ping -q -c 3 -i 0.02 -W 1 10.1.0.2 >/dev/null
	expect 'outer packets with the link that they came in by' "$(marked "$gwb" "$under")" 3
	expect "inner packets whose link is the device's own" "$(marked "$gwb" "$own")" 0
	expect 'inner packets without a link' "$(marked "$gwb" "$none")" 3
}

# A static device's packets carry none.
receive_static()
{
	defer reset_gateways
	device a static 5
	device b static 5
	tunnel id=5
	attach "$gwb" ingress mark_is_if_id
	count_marks "$gwb" 57005
	check reach "$gwa" 10.1.0.2 -- 'it is not answered'
	expect 'packets without metadata' "$(marked "$gwb" 57005)" 3
}

# While packets come in, their state goes from the external device's connection to that of a static
# device and back. What the metadata says is the connection by which the device was found. That the
# policies are asked in between, because the devices are in another namespace, makes it more likely
# that the state has changed by then.
receive_if_id_changes()
{
	local sender now id6 changes=0 rounds=0

	[ "$(nproc)" -ge 2 ] || { skip 'there is one CPU only'; return; }
	defer reset_gateways "$inner"
	defer ip -n "$inner" link del six
	device a static 5
	ip -n "$inner" -batch - <<-END
		link add ipsec link-netns $gwb type xfrm external
		link add six link-netns $gwb type xfrm if_id 6
		link set ipsec up
		link set six up
	END
	tunnel id=5 n=1 ns_b= way=out
	tunnel id=5 n=1 ns_a= way=in
	tunnel id=6 n=1 ns_a= way=in what=policy
	check attach "$inner" ingress mark_is_if_id -- 'the program is not accepted'
	count_marks "$inner" 5 6 57005
	# Nobody answers there.
	ip -n "$gwa" route add 10.1.0.77 dev ipsec src 10.1.0.1
	job_start ip netns exec "$gwa" taskset -c 0 socat -u -b 32 OPEN:/dev/zero UDP4-SENDTO:10.1.0.77:9 2>/dev/null
	sender=$job
	# How long it takes depends on the machine.
	until [ "$(marked "$inner" 5)" -gt 500 ] && [ "$(stat "$inner" six rx_packets)" -gt 500 ] || ((rounds++ == 12)); do
		now=$(inside "$gwb" taskset -c 1 "$tools/xfrm.py" alternate-if-id "${under4[b]}" 0x1010 5 6 5) || break
		changes=$((changes + now))
	done
	job_stop "$sender"
	id6=$(stat "$inner" six rx_packets)
	log_info "$changes changes, $(marked "$inner" 5) packets of the external device, $id6 of the static one"
	check [ "$changes" -gt 1000 ] -- "the state has changed $changes times"
	check [ "$(marked "$inner" 5)" -gt 500 ] -- 'the external device has received too few packets'
	check [ "$id6" -gt 500 ] -- 'the static device has received too few packets'
	expect "the external device's packets that belong to the other" "$(marked "$inner" 6)" 0
	expect "the external device's packets without metadata" "$(marked "$inner" 57005)" 0
}

# The firewall says which connection a packet belongs to, and routes say nothing.
mark_output()
{
	defer inside "$gwa" nft flush ruleset
	inside "$gwa" nft -f - <<-END
		table inet output {
			chain output {
				type route hook output priority 0;
				ip daddr 10.1.0.2 meta mark set $1
				ip6 daddr fd00:1::2 meta mark set $1
				ip daddr 10.2.0.2 meta mark set $2
			}
		}
	END
	ip -n "$gwa" -batch - <<-END
		route replace 10.1.0.2 dev ipsec src 10.1.0.1
		route replace 10.2.0.2 dev ipsec src 10.2.0.1
		route replace fd00:1::2 dev ipsec src fd00:1::1
	END
}

transmit_if_id()
{
	two_connections
	mark_output 5 6
	check silent "$gwa" 10.1.0.2 -- 'it is answered without a program'
	check attach "$gwa" egress if_id_is_mark -- 'the program is not accepted'
	attach "$gwb" ingress mark_is_if_id
	count_marks "$gwb" 5 6
	check reach "$gwa" 10.1.0.2 3 -- 'if_id 5 is not answered'
	check reach "$gwa" 10.2.0.2 4 -- 'if_id 6 is not answered'
	check reach "$gwa" fd00:1::2 5 -- 'IPv6 is not answered'
	expect 'packets with if_id 5' "$(marked "$gwb" 5)" 8
	expect 'packets with if_id 6' "$(marked "$gwb" 6)" 4
}

transmit_link()
{
	local link

	two_connections
	link=$(inside "$gwa" cat /sys/class/net/under/ifindex)
	mark_output $((link << 8 | 5)) $((link << 8 | 6))
	attach "$gwa" egress if_id_and_link_are_mark
	check reach "$gwa" 10.1.0.2 -- 'if_id 5 is not answered'
	check reach "$gwa" 10.2.0.2 -- 'if_id 6 is not answered'
	# A VRF without an underlay.
	defer ip -n "$gwa" link del red
	ip -n "$gwa" -batch - <<-END
		link add red type vrf table 101
		link set red up
		route add unreachable default vrf red metric 8192
	END
	link=$(inside "$gwa" cat /sys/class/net/red/ifindex)
	inside "$gwa" nft flush ruleset
	mark_output $((link << 8 | 5)) $((link << 8 | 6))
	check silent "$gwa" 10.1.0.2 -- 'it is answered with the wrong link'
}

transmit_set_twice()
{
	two_connections
	mark_output 5 6
	attach "$gwa" egress set_twice
	check reach "$gwa" 10.1.0.2 -- 'if_id 5 is not answered'
}

# The metadata of a packet is its own, also while it waits behind others for other connections.
transmit_metadata_per_packet_behind_netem()
{
	local i job5 job6

	two_connections
	mark_output 5 6
	attach "$gwa" egress if_id_is_mark
	attach "$gwb" ingress mark_is_if_id
	count_marks "$gwb" 5 6
	tc -n "$gwa" qdisc add dev ipsec root netem delay 50ms limit 1000
	job_start ip netns exec "$gwa" ping -n -q -c 100 -i 0.004 -W 2 10.1.0.2 >"$tmp/ping5"
	job5=$job
	job_start ip netns exec "$gwa" ping -n -q -c 100 -i 0.004 -W 2 10.2.0.2 >"$tmp/ping6"
	job6=$job
	wait "$job5" "$job6"
	for i in 5 6; do
		check grep -q ' 100 received' "$tmp/ping$i" -- \
			"if_id $i: $(grep -o '[0-9]* received' "$tmp/ping$i")"
		expect "packets with if_id $i" "$(marked "$gwb" $i)" 100
	done
}

# forwarding: "inner" is a host whose packets gwa forwards.
forwarding()
{
	defer ip -n "$gwa" link del in
	defer inside "$gwa" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	host_behind_gwa "$inner"
	ip -n "$gwb" route add 10.3.0.0/24 dev ipsec encap xfrm if_id 5
	ip -n "$gwb" route add fd00:3::/64 dev ipsec encap xfrm if_id 5
}

# As long as nothing else says which connection a packet belongs to, its route does. The mark shows
# on what leaves for the other gateway.
transmit_read()
{
	two_connections
	check attach "$gwa" egress mark_is_if_id -- 'the program is not accepted'
	hook=postrouting count_marks "$gwa" 5 6 57005
	check reach "$gwa" 10.1.0.2 3 -- 'if_id 5 is not answered'
	check reach "$gwa" 10.2.0.2 4 -- 'if_id 6 is not answered'
	check reach "$gwa" fd00:1::2 5 -- 'IPv6 is not answered'
	expect 'packets with if_id 5' "$(marked "$gwa" 5)" 8
	expect 'packets with if_id 6' "$(marked "$gwa" 6)" 4
	ip -n "$gwa" route replace 10.1.0.2 dev ipsec src 10.1.0.1
	inside "$gwa" ping -n -q -c 3 -i 0.02 -W 1 10.1.0.2 >/dev/null
	expect 'packets without metadata' "$(stat "$gwa" ipsec tx_errors)" 3
}

# The same of packets that are forwarded. With disable_xfrm no policy is asked before the device,
# and the packet holds no reference to its route then.
transmit_read_forwarded()
{
	two_connections
	forwarding
	inside "$gwa" sysctl -qw net.ipv4.conf.ipsec.disable_xfrm=1
	check attach "$gwa" egress mark_is_if_id -- 'the program is not accepted'
	hook=postrouting count_marks "$gwa" 5 57005
	check reach "$inner" 10.1.0.2 3 -- 'IPv4 is not answered'
	check reach "$inner" fd00:1::2 5 -- 'IPv6 is not answered'
	expect 'packets with if_id 5' "$(marked "$gwa" 5)" 8
	expect 'packets without metadata' "$(marked "$gwa" 57005)" 0
}

transmit_forwarded()
{
	two_connections
	forwarding
	inside "$gwa" sysctl -qw net.ipv4.conf.ipsec.disable_xfrm=1
	defer inside "$gwa" nft flush ruleset
	inside "$gwa" nft -f - <<-END
		table inet forward {
			chain forward {
				type filter hook forward priority 0;
				oifname "ipsec" meta mark set 5
			}
		}
	END
	ip -n "$gwa" route replace 10.1.0.2 dev ipsec src 10.1.0.1
	ip -n "$gwa" route replace fd00:1::2 dev ipsec src fd00:1::1
	check silent "$inner" 10.1.0.2 -- 'it is answered without a program'
	attach "$gwa" egress if_id_is_mark
	attach "$gwb" ingress mark_is_if_id
	count_marks "$gwb" 5
	check reach "$inner" 10.1.0.2 3 -- 'IPv4 is not answered'
	check reach "$inner" fd00:1::2 5 -- 'IPv6 is not answered'
	expect 'packets with if_id 5' "$(marked "$gwb" 5)" 8
}

# What is redirected to the device comes without a route.
transmit_metadata_no_route()
{
	two_connections
	forwarding
	tc -n "$gwa" qdisc add dev in clsact
	tc -n "$gwa" filter add dev in ingress protocol ip flower dst_ip 10.1.0.2 \
		action skbedit mark 5 pipe action mirred egress redirect dev ipsec
	tc -n "$gwa" filter add dev in ingress protocol ipv6 flower dst_ip fd00:1::2 \
		action skbedit mark 5 pipe action mirred egress redirect dev ipsec
	ip -n "$gwa" route replace 10.1.0.2 dev ipsec src 10.1.0.1
	ip -n "$gwa" route replace fd00:1::2 dev ipsec src fd00:1::1
	attach "$gwa" egress if_id_is_mark
	attach "$gwb" ingress mark_is_if_id
	count_marks "$gwb" 5
	check reach "$inner" 10.1.0.2 3 -- 'IPv4 is not answered'
	check reach "$inner" fd00:1::2 5 -- 'IPv6 is not answered'
	expect 'packets with if_id 5' "$(marked "$gwb" 5)" 8
	expect 'packets sent and errors' "$(stat "$gwa" ipsec tx_packets tx_errors)" '8 0'
}

# The sender of a packet that is too big is told, whoever has set the connection.
transmit_too_big()
{
	local address answer

	two_connections
	mark_output 5 6
	attach "$gwa" egress if_id_is_mark
	for address in 10.1.0.2 fd00:1::2; do
		check reach "$gwa" $address -- "$address is not answered"
		answer=$(inside "$gwa" ping -n -c 1 -W 1 -M "do" -s 1450 $address 2>&1)
		check grep -q 'mtu *[=:] *1446' <<<"$answer" -- "the sender is told: $(grep -i -e mtu -e loss <<<"$answer")"
	done
}

# A packet that has become one of the other family still belongs to its connection. Its route is
# none for errors about it.
transmit_other_family()
{
	two_connections
	mark_output 5 6
	attach "$gwa" egress set_and_wrap
	inside "$gwa" ping -n -q -c 3 -i 0.02 -W 1 -s 100 10.1.0.2 >/dev/null
	expect 'packets and bytes that arrived' "$(stat "$gwb" ipsec rx_packets rx_bytes)" '3 504'
	inside "$gwa" ping -n -q -c 1 -W 1 -M "do" -s 1420 10.1.0.2 >/dev/null
	expect 'packets that were too big' "$(stat "$gwa" ipsec tx_errors tx_dropped)" '1 1'
	expect 'packets that arrived' "$(stat "$gwb" ipsec rx_packets)" 3
}

# What came in is sent straight back out, by the connection it came through.
ingress_redirected_back()
{
	two_connections
	ip -n "$gwa" -batch - <<-END
		route add 10.1.0.77 dev ipsec src 10.1.0.1 encap xfrm if_id 5
		route add 10.2.0.77 dev ipsec src 10.2.0.1 encap xfrm if_id 6
	END
	ip -n "$gwb" route add 10.1.0.77 dev ipsec encap xfrm if_id 5
	ip -n "$gwb" route add 10.2.0.77 dev ipsec encap xfrm if_id 6
	attach "$gwb" ingress send_back
	attach "$gwa" ingress mark_is_if_id
	count_marks "$gwa" 5 6
	inside "$gwa" ping -n -q -c 3 -i 0.02 -W 1 10.1.0.77 >/dev/null
	inside "$gwa" ping -n -q -c 4 -i 0.02 -W 1 10.2.0.77 >/dev/null
	expect 'packets received by gwb' "$(stat "$gwb" ipsec rx_packets)" 7
	expect 'packets sent back by gwb' "$(stat "$gwb" ipsec tx_packets tx_errors)" '7 0'
	expect 'packets that came back with if_id 5' "$(marked "$gwa" 5)" 3
	expect 'packets that came back with if_id 6' "$(marked "$gwa" 6)" 4
}

all='receive_if_id receive_link receive_metadata_link_other_netns_created
	receive_metadata_link_other_netns_moved receive_metadata_link_nested receive_static receive_if_id_changes
	transmit_if_id
	transmit_link transmit_set_twice transmit_metadata_per_packet_behind_netem transmit_read transmit_read_forwarded
	transmit_forwarded transmit_metadata_no_route transmit_too_big transmit_other_family
	ingress_redirected_back'

setup_gateways
setup_ns inner
quiet "$inner"
btf=/sys/kernel/btf/$driver_name
[ -e "$btf" ] || btf=/sys/kernel/btf/vmlinux
functions=$(bpftool btf dump file "$btf" 2>/dev/null)
missing=''
if [[ $functions != *bpf_skb_get_xfrm_info* ]]; then
	missing='the driver has no functions for BPF'
elif ! bpf_build "$tools/metadata.bpf.c" "$program"; then
	missing='the program can not be built'
fi
for name in $all; do
	if [ -n "$missing" ]; then
		subtest $name skip "$missing"
	else
		subtest $name $name
	fi
done

finish
