#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Three tenants with the same subnets share one external device on each gateway. On the way out the
# tenant's routing table says which if_id is meant. What picks the tenant's table on the way in is
# up to the test that sources this.
#
#	left1 --[red1]--+                                    +--[red1]-- right1
#	left2 --[red2]-- gwa[ipsec] --- under --- [ipsec]gwb --[red2]-- right2
#	left3 --[red3]--+                                    +--[red3]-- right3
#
#	every left:  10.0.1.2/24, fd00:a::2/64      every right: 10.0.2.2/24, fd00:b::2/64
#
# The if_id of tenant N is N, its table 100 + N.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

left1='' left2='' left3='' right1='' right2='' right3=''

# tenant_link GATEWAY HOST NUMBER SUBNET PREFIX OTHER-SUBNET OTHER-PREFIX: a host behind a gateway,
# in the VRF of its tenant.
tenant_link()
{
	local gateway=$1 host=$2 i=$3

	ip -n "$gateway" link add "host$i" type veth peer name eth0 netns "$host"
	forwarding_link "$gateway" "host$i"
	ip -n "$gateway" -batch - <<-END
		link add red$i type vrf table $((100 + i))
		link set red$i up
		link set host$i master red$i
		addr add $4.1/24 dev host$i
		addr add $5::1/64 dev host$i nodad
		link set host$i up
		route add $6.0/24 vrf red$i dev ipsec encap xfrm if_id $i
		route add $7::/64 vrf red$i dev ipsec encap xfrm if_id $i
	END
	ip -n "$host" -batch - <<-END
		addr add $4.2/24 dev eth0
		addr add $5::2/64 dev eth0 nodad
		link set eth0 up
		route add default via $4.1
		route add default via $5::1
	END
}

# setup_tenants: gateways, hosts and tunnels. Each right host says who it is.
setup_tenants()
{
	local i gw

	setup_gateways
	setup_ns left1 left2 left3 right1 right2 right3 || exit "$ksft_skip"
	quiet "$left1" "$left2" "$left3" "$right1" "$right2" "$right3"
	for gw in "$gwa" "$gwb"; do
		inside "$gw" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		ip -n "$gw" link add ipsec type xfrm external
		ip -n "$gw" link set ipsec up
	done
	for i in 1 2 3; do
		local left=left$i right=right$i
		tenant_link "$gwa" "${!left}" $i 10.0.1 fd00:a 10.0.2 fd00:b
		tenant_link "$gwb" "${!right}" $i 10.0.2 fd00:b 10.0.1 fd00:a
		tunnel id=$i n=$i
		job_start ip netns exec "${!right}" socat -U TCP6-LISTEN:7,fork,reuseaddr,ipv6only=0 \
			"SYSTEM:echo tenant$i" 2>/dev/null
	done
	for i in 1 2 3; do
		local right=right$i
		await_listener "${!right}" 7
	done
}

# What came through a connection carries that connection's reqid in its security path; the rule
# turns it into the mark that picks a routing table.
mark_by_connection()
{
	local i family

	for i in 1 2 3; do
		for family in -4 -6; do
			ip -n "$1" $family rule add fwmark $i lookup $((100 + i)) pref $((500 + i))
		done
	done
	inside "$1" nft -f - <<-END
		table inet tenants {
			chain pre {
				type filter hook prerouting priority raw;
				iifname "ipsec" ipsec in reqid 9 meta mark set 1
				iifname "ipsec" ipsec in reqid 17 meta mark set 2
				iifname "ipsec" ipsec in reqid 25 meta mark set 3
			}
		}
	END
}

# no_routes_across: no routing table of gwa leads to the right hosts any more, so that something else
# has to choose the connection.
no_routes_across()
{
	local i

	for i in 1 2 3; do
		ip -n "$gwa" route del 10.0.2.0/24 vrf red$i
		ip -n "$gwa" route del fd00:b::/64 vrf red$i
	done
	# IPv6 wants a route that leads to the device.
	ip -n "$gwa" route add fd00:b::/64 dev ipsec
}

# out_by_tc NUMBER [ID]: what comes from that tenant's left host goes to the device, with that id of
# an IP tunnel.
out_by_tc()
{
	local i=$1 id=${2:-$1} prefix protocol

	tc -n "$gwa" qdisc replace dev "host$i" clsact
	for prefix in 10.0.2.0/24 fd00:b::/64; do
		protocol=ip
		[[ $prefix != *:* ]] || protocol=ipv6
		tc -n "$gwa" filter add dev "host$i" ingress protocol $protocol flower dst_ip $prefix \
			action tunnel_key set id "$id" src_ip 198.51.100.1 dst_ip 198.51.100.2 \
			action mirred egress redirect dev ipsec
	done
	defer tc -n "$gwa" qdisc del dev "host$i" clsact
}

# who NUMBER ADDRESS [SECONDS]: who answers a tenant's left host within that time; nobody, perhaps.
who()
{
	local left=left$1 address=$2 patience=${3:-20}

	[[ $address != *:* ]] || address=[$address]
	# Only that way: else it would wait for half a second after it has nothing to say any more.
	inside "${!left}" socat -u -T $((patience + 10)) "TCP:$address:7,connect-timeout=$patience" - 2>/dev/null
}

each_reaches_its_own()
{
	local i

	for i in 1 2 3; do
		expect "who answers tenant $i" "$(who $i "$1")" "tenant$i"
	done
}

# All at once, so that packets of different tenants alternate on the device.
at_once()
{
	local i jobs=() left

	for i in 1 2 3; do
		left=left$i
		job_start ip netns exec "${!left}" ping -n -q -c 100 -i 0.01 -W 3 "$1" >"$tmp/ping$i"
		jobs+=("$job")
	done
	wait "${jobs[@]}"
	for i in 1 2 3; do
		check grep -q ' 100 received' "$tmp/ping$i" -- \
			"tenant $i: $(grep received "$tmp/ping$i")"
	done
}
