#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 40
#
# Packets that are redirected on their way in, to where nobody knows any more which states they came
# through: they have to satisfy the policies of their connection all the same.
#
#	gwa[ipsec] ---- [ipsec]gwb ---> red (a VRF), or veth == eth0 (in box)

. "$(dirname "$0")/../lib/nested.sh"

box=''

# attach WAY: redirects all that comes in by the device, and counts where it arrives.
attach()
{
	local way=$1 to=red program=$tmp/redirect.o filter=(bpf direct-action obj "$tmp/redirect.o" program)

	case $way in
	vrf) filter+=(to_ingress) ;;
	peer) filter+=(to_peer) to=veth ;;
	mirred) filter=(matchall action mirred ingress redirect dev red) ;;
	*) filter=(matchall action pass) ;;
	esac
	if [ "${filter[0]}" = bpf ]; then
		to=$(cd / && inside "$gwb" cat "/sys/class/net/$to/ifindex")
		bpf_build "$tools/redirect.bpf.c" "$program" -DTO="$to" || return
	fi
	defer tc -n "$gwb" qdisc del dev ipsec clsact
	tc -n "$gwb" qdisc add dev ipsec clsact
	tc -n "$gwb" filter add dev ipsec ingress "${filter[@]}"
}

# arrives NS DEVICE FROM: how many of three packets from that address come to prerouting there.
arrives()
{
	local ns=$1 dev=$2 to=10.1.0.2 before

	[[ $3 != *:* ]] || to=fd00:1::2
	inside "$ns" nft flush set inet seen by
	before=$(stat "$gwb" under rx_packets)
	inside "$gwa" ping -n -q -c 3 -i 0.02 -W 0.01 -I "$3" "$to" >/dev/null 2>&1
	busywait 5000 came_in $((before + 3)) >/dev/null
	inside "$ns" nft -j list set inet seen by |
		jq "[.nftables[] | .set? // empty | .elem? // [] | .[].elem | select(.val == \"$dev\") | .counter.packets] | add // 0"
}

came_in()
{
	[ "$(stat "$gwb" under rx_packets)" -ge "$1" ]
}

# policies DIRECTION...: what gwb allows: packets from the addresses that end with 1, in these
# directions.
policies()
{
	local direction

	ip -n "$gwb" xfrm policy flush
	for direction in "$@"; do
		ip -n "$gwb" -batch - <<-END
			xfrm policy add src 10.1.0.1/32 dst 0.0.0.0/0 dir $direction if_id 7 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 9 mode tunnel
			xfrm policy add src fd00:1::1/128 dst ::/0 dir $direction if_id 7 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 9 mode tunnel
		END
	done
}

# Each way, each family: who satisfies a policy gets there, and nobody else.
redirected()
{
	# What comes in by a VRF itself goes through netfilter once more when the VRF takes it.
	local way=$1 kind=$2 ns=$gwb dev=red all=6

	setup "$kind"
	[ "$way" != peer ] || ns=$box dev=eth0 all=3
	check attach "$way" -- 'the packets can not be redirected' || return
	policies in
	expect 'packets that a policy allows in' "$(arrives "$ns" "$dev" 10.1.0.1)" $all
	expect 'packets that no policy allows' "$(arrives "$ns" "$dev" 10.1.0.3)" 0
	expect 'IPv6 packets that no policy allows' "$(arrives "$ns" "$dev" fd00:1::3)" 0
	policies fwd
	expect 'packets that a policy allows to be forwarded' "$(arrives "$ns" "$dev" 10.1.0.1)" $all
	expect 'IPv6 packets that a policy allows to be forwarded' "$(arrives "$ns" "$dev" fd00:1::1)" $all
	expect 'packets that no policy allows' "$(arrives "$ns" "$dev" 10.1.0.3)" 0
	policies
	expect 'packets without policies' "$(arrives "$ns" "$dev" 10.1.0.1)" 0
}

# What is refused is counted, as always.
counted()
{
	local stat rx

	setup external
	attach vrf
	policies in
	stat=$(xfrm_stat "$gwb" XfrmInNoPols)
	rx=$(stat "$gwb" ipsec rx_dropped)
	arrives "$gwb" red 10.1.0.3 >/dev/null
	expect 'XfrmInNoPols' $(($(xfrm_stat "$gwb" XfrmInNoPols) - stat)) 3
	expect 'rx_dropped' $(($(stat "$gwb" ipsec rx_dropped) - rx)) 3
}

# Programs that redirect nothing take nothing away: what the last check lets in comes in.
let_in()
{
	setup external
	attach pass
	policies in
	[ "$1" != disable_policy ] || {
		policies
		defer inside "$gwb" sysctl -qw net.ipv4.conf.ipsec.disable_policy=0
		inside "$gwb" sysctl -qw net.ipv4.conf.ipsec.disable_policy=1
	}
	inside "$gwb" nstat -n
	expect 'packets that come in' "$(arrives "$gwb" ipsec 10.1.0.1)" 3
	expect 'echo requests' "$(inside "$gwb" nstat -s | awk '$1 == "IcmpInEchos" { print $2 }')" 3
}

# Two states, and one policy that asks for both: the outer one alone satisfies it not yet.
let_in_nested()
{
	local inner=$1 size=$2 net

	net=$(flow_net "$inner" 2)
	reset_gateways
	device a external 5 net="$net"
	device b external 5 net="$net"
	defer reset_layers
	layers inner="$inner" id=5
	attach pass
	check reach "$gwa" "$(at 4 "$net" 2)" 3 -s "$size" -- 'it is not answered'
}

# Transport mode, with a policy that asks for what follows the header, which the header says only
# later.
let_in_transport()
{
	local family=$1 a=${under4[a]} b=${under4[b]} protocol=icmp

	[ "$family" = 4 ] || a=${under6[a]} b=${under6[b]} protocol=ipv6-icmp
	reset_gateways
	defer reset_gateways
	ip -n "$gwb" link add ipsec type xfrm external
	ip -n "$gwb" link set ipsec up
	tunnel outer="$family" inner="$family" chain=esp:transport ns_b=
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= id=0 way=out
	tunnel outer="$family" inner="$family" chain=esp:transport ns_a= id=7 way=in what=state
	ip -n "$gwb" xfrm policy add src "$a" dst "$b" proto $protocol dir in if_id 7 \
		tmpl src "$a" dst "$b" proto esp reqid 9 mode transport
	attach pass
	check reach "$gwa" "$b" -- 'it is not answered'
	expect 'packets received on the device' "$(stat "$gwb" ipsec rx_packets)" 3
}

# An error from a router that no policy covers, about a packet that one does.
let_in_icmp()
{
	local key

	setup external
	policies in
	key=$(ip -n "$gwb" xfrm state list spi 0x1010 | sed -n 's/.*aead \([^ ]* 0x[0-9a-f]*\) .*/\1/p')
	ip -n "$gwb" xfrm state deleteall spi 0x1010
	ip -n "$gwb" -batch - <<-END
		xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1010 reqid 9 mode tunnel flag icmp af-unspec \
			aead $key 128 if_id 7
		xfrm policy flush
		xfrm policy add dst 10.3.0.0/24 dir out if_id 7 tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 9 mode tunnel
		xfrm policy add src 10.3.0.0/24 dir in if_id 7 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 9 mode tunnel
		route add 10.3.0.0/24 dev ipsec src 10.1.0.2 encap xfrm if_id 7
	END
	ip -n "$gwa" route add unreachable 10.3.0.9
	defer ip -n "$gwa" route del unreachable 10.3.0.9
	inside "$gwa" sysctl -qw net.ipv4.ip_forward=1
	attach pass
	check grep -q 'From 10.1.0.1 .*Unreachable' <(inside "$gwb" ping -n -c 1 -W 2 10.3.0.9) -- 'the error is not let in'
}

# Programs at the egress take nothing away: the last check decides, and not the device.
egress_only()
{
	local before

	setup external
	defer tc -n "$gwb" qdisc del dev ipsec clsact
	tc -n "$gwb" qdisc add dev ipsec clsact
	tc -n "$gwb" filter add dev ipsec egress matchall action pass
	policies
	before=$(stat "$gwb" ipsec rx_dropped)
	expect 'packets that come in' "$(arrives "$gwb" ipsec 10.1.0.1)" 3
	expect 'packets that the device drops' $(($(stat "$gwb" ipsec rx_dropped) - before)) 0
}

# Who makes packets into what policies allow says that it is to be as with C.
switched_off()
{
	setup external
	attach vrf
	policies in
	inside "$gwb" ethtool --set-priv-flags ipsec check-before-ingress off
	expect 'packets that no policy allows' "$(arrives "$gwb" red 10.1.0.3)" 6
	inside "$gwb" ethtool --set-priv-flags ipsec check-before-ingress on
	expect 'packets that no policy allows, with the flag on again' "$(arrives "$gwb" red 10.1.0.3)" 0
}

setup()
{
	reset_gateways
	device a external 7
	device b "$1" 7
	ip -n "$gwa" addr add 10.1.0.3/32 dev ipsec
	ip -n "$gwa" addr add fd00:1::3/128 dev ipsec nodad
	tunnel id=7
}

setup_gateways
setup_ns box
quiet "$box"
ip -n "$gwb" link add veth type veth peer name eth0 netns "$box"
ip -n "$gwb" link set veth up
ip -n "$box" link set eth0 up
ip -n "$gwb" link add red address 02:00:00:00:00:64 type vrf table 100
ip -n "$gwb" link set red up
for ns in "$gwb" "$box"; do
	inside "$ns" nft -f - <<-END
		table inet seen {
			set by { type ifname; flags dynamic; size 16; counter; }
			chain pre {
				type filter hook prerouting priority -310;
				icmp type echo-request add @by { iifname }
				icmpv6 type echo-request add @by { iifname }
			}
		}
	END
done

for kind in static external; do
	for way in vrf peer mirred; do
		subtest ${way}_$kind redirected $way $kind
	done
done
subtest counted counted
for what in in disable_policy; do
	subtest let_in_$what let_in $what
done
for inner in ah:transport esp:tunnel comp:tunnel; do
	subtest let_in_nested_${inner/:/_} let_in_nested $inner 400
done
subtest let_in_nested_comp_tunnel_small let_in_nested comp:tunnel 8
for family in 4 6; do
	subtest let_in_transport_$family let_in_transport $family
done
subtest let_in_icmp let_in_icmp
subtest egress_only egress_only
subtest switched_off switched_off

finish
