#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Three tenants with the same subnets share one external device on each gateway. On the way out the
# tenant's routing table says which if_id is meant; on the way in a rule acts on the connection that
# a packet came through, and picks the tenant's table.
#
#	left1 --[red1]--+                                    +--[red1]-- right1
#	left2 --[red2]-- gwa[ipsec] --- under --- [ipsec]gwb --[red2]-- right2
#	left3 --[red3]--+                                    +--[red3]-- right3
#
#	every left:  10.0.1.2/24, fd00:a::2/64      every right: 10.0.2.2/24, fd00:b::2/64

. "$(dirname "$0")/lib.sh"

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
		rule add fwmark $i lookup $((100 + i)) pref $((500 + i))
	END
	ip -n "$gateway" -6 rule add fwmark $i lookup $((100 + i)) pref $((500 + i))
	ip -n "$host" -batch - <<-END
		addr add $4.2/24 dev eth0
		addr add $5::2/64 dev eth0 nodad
		link set eth0 up
		route add default via $4.1
		route add default via $5::1
	END
}

# What came through a connection carries that connection's reqid in its security path; the rule
# turns it into the mark that picks a routing table.
mark_by_connection()
{
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
		mark_by_connection "$gw"
	done
	for i in 1 2 3; do
		local left=left$i right=right$i
		tenant_link "$gwa" "${!left}" $i 10.0.1 fd00:a 10.0.2 fd00:b
		tenant_link "$gwb" "${!right}" $i 10.0.2 fd00:b 10.0.1 fd00:a
		tunnel id=$i n=$i
		# Each right host says who it is.
		job_start ip netns exec "${!right}" socat TCP6-LISTEN:7,fork,reuseaddr,ipv6only=0 \
			"SYSTEM:echo tenant$i" 2>/dev/null
	done
	for i in 1 2 3; do
		local right=right$i
		await_listener "${!right}" 7
	done
}

# who NUMBER ADDRESS: who answers a tenant's left host.
who()
{
	local left=left$1 address=$2

	[[ $address != *:* ]] || address=[$address]
	inside "${!left}" socat -T 30 "TCP:$address:7,connect-timeout=20" - </dev/null 2>/dev/null
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

# Two packets of one socket for two tenants have different connections; here: the states' counters.
each_uses_its_own_states()
{
	local i left before after

	for i in 1 2 3; do
		left=left$i
		before=$(state_bytes)
		reach "${!left}" 10.0.2.2 $((i + 1))
		after=$(state_bytes)
		check expect_only "$i" "$before" "$after" -- "states of others than tenant $i moved"
	done
}

# The bytes that gwa's outbound states of the three tenants have seen.
state_bytes()
{
	local i

	for i in 1 2 3; do
		ip -n "$gwa" -s xfrm state list spi $((0x1000 + i * 16)) |
			awk '/current:/ { getline; print +$1; exit }'
	done | tr '\n' ' '
}

# shellcheck disable=SC2329
expect_only()
{
	local before after i

	read -ra before <<<"$2"
	read -ra after <<<"$3"
	for i in 1 2 3; do
		if [ "$i" = "$1" ]; then
			((after[i - 1] > before[i - 1])) || return 1
		else
			((after[i - 1] == before[i - 1])) || return 1
		fi
	done
}

# A tenant whose states are gone is cut off, and nobody else.
one_removed()
{
	ip -n "$gwa" xfrm state deleteall reqid 17
	check silent "$left2" 10.0.2.2 -- 'tenant 2 still gets through'
	expect 'who answers tenant 2' "$(who 2 10.0.2.2)" ''
	expect 'who answers tenant 1' "$(who 1 10.0.2.2)" tenant1
	expect 'who answers tenant 3' "$(who 3 fd00:b::2)" tenant3
	ip -n "$gwb" xfrm state deleteall reqid 17
	tunnel id=2 n=2 what=state
	expect 'who answers tenant 2 with new states' "$(who 2 10.0.2.2)" tenant2
}

# What arrives is only let in by a policy with the if_id of the connection it came through.
policy_of_another()
{
	local before

	ip -n "$gwb" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3
	before=$(xfrm_stat "$gwb" XfrmInNoPols)
	check silent "$left3" 10.0.2.2 -- 'it is let in without a policy'
	expect 'XfrmInNoPols' $(($(xfrm_stat "$gwb" XfrmInNoPols) - before)) 3
	# Policies that ask for another connection's states don't let it in either.
	before=$(xfrm_stat "$gwb" XfrmInTmplMismatch)
	ip -n "$gwb" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3 \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 9 mode tunnel
	check silent "$left3" 10.0.2.2 -- "it is let in by another tenant's template"
	expect 'XfrmInTmplMismatch' $(($(xfrm_stat "$gwb" XfrmInTmplMismatch) - before)) 3
	check reach "$left1" 10.0.2.2 -- 'tenant 1 is cut off'
	ip -n "$gwb" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3
	ip -n "$gwb" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3 \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 25 mode tunnel
	check reach "$left3" 10.0.2.2 -- 'it is not let in by the right policy'
}

# A static device takes the states of its if_id away from the external one, and only those.
static_beside_external()
{
	local before

	ip -n "$gwb" link add own2 type xfrm if_id 2
	defer ip -n "$gwb" link del own2
	ip -n "$gwb" link set own2 up
	inside "$gwb" nft insert rule inet tenants pre iifname own2 meta mark set 2
	before=$(stat "$gwb" ipsec rx_packets)
	check reach "$left2" 10.0.2.2 -- 'tenant 2 is cut off'
	expect 'packets on the static device' "$(stat "$gwb" own2 rx_packets)" 3
	expect "packets on the external device" $(($(stat "$gwb" ipsec rx_packets) - before)) 0
	check reach "$left1" 10.0.2.2 -- 'tenant 1 is cut off'
	expect "tenant 1's packets on the external device" \
		$(($(stat "$gwb" ipsec rx_packets) - before)) 3
}

setup_tenants

subtest each_reaches_its_own_4 each_reaches_its_own 10.0.2.2
subtest each_reaches_its_own_6 each_reaches_its_own fd00:b::2
subtest all_at_once_4 at_once 10.0.2.2
subtest all_at_once_6 at_once fd00:b::2
for name in each_uses_its_own_states one_removed policy_of_another static_beside_external; do
	subtest $name $name
done

finish
