#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 30
#
# Packets of routes with an encapsulation go past the queue of an external device, where there is
# none: whoever is at the device sees them all the same, from the packet on that follows.
#
#	host ---- in[gwa]ipsec ---- under ---- ipsec[gwb]

. "$(dirname "$0")/../lib/lib.sh"

host=''

# sent FAMILY [FROM]: five pings, which are answered; how many packets the device has counted.
sent()
{
	local family=$1 from=${2:-$gwa} to=10.1.0.2 before

	[ "$family" = 4 ] || to=fd00:1::2
	before=$(stat "$gwa" ipsec tx_packets)
	reach "$from" "$to" 5 || check_err 1 "IPv$family pings are not answered"
	echo $(($(stat "$gwa" ipsec tx_packets) - before))
}

# What attaches somebody to the device, how many packets that has seen, and what takes it away.

# dump DEVICE: has tcpdump note what it sees there, from here on.
dump()
{
	job_start ip netns exec "$gwa" tcpdump -Z root --immediate-mode -l -t -n -i "$1" >"$tmp/seen" 2>"$tmp/seen.log"
	watcher=$job
	slowwait 20 grep -q 'listening on' "$tmp/seen.log" >/dev/null
}

packet_socket_on() { dump ipsec; }
packet_socket_seen() { grep -c 'echo request' "$tmp/seen"; }
packet_socket_off() { job_stop "$watcher"; }

# One that watches all devices.
all_devices_on() { dump any; }
all_devices_seen() { grep -c '^ipsec Out .*echo request' "$tmp/seen"; }
all_devices_off() { job_stop "$watcher"; }

qdisc_on() { tc -n "$gwa" qdisc add dev ipsec root pfifo limit 100; }
qdisc_seen() { tc -n "$gwa" -s -j qdisc show dev ipsec root | jq '.[0].packets'; }
qdisc_off() { tc -n "$gwa" qdisc del dev ipsec root; }

tc_egress_on()
{
	tc -n "$gwa" qdisc add dev ipsec clsact
	tc -n "$gwa" filter add dev ipsec egress matchall action ok
}
tc_egress_seen()
{
	tc -n "$gwa" -s -j filter show dev ipsec egress | jq '[.. | .stats?.packets? // empty] | max'
}
tc_egress_off() { tc -n "$gwa" qdisc del dev ipsec clsact; }

# nft_on FAMILY HOOK
nft_on()
{
	inside "$gwa" nft -f - <<-END
		table $1 seen {
			chain every {
				type filter hook $2 priority 0;
				oifname "ipsec" counter
			}
		}
	END
}
nft_seen()
{
	inside "$gwa" nft -j list table "$1" seen | jq '[.. | .counter?.packets? // empty] | add'
}

nft_egress_on() { nft_on netdev 'egress device "ipsec"'; }
nft_egress_seen() { nft_seen netdev; }
nft_egress_off() { inside "$gwa" nft delete table netdev seen; }

postrouting_on() { nft_on inet postrouting; }
postrouting_seen() { nft_seen inet; }
postrouting_off() { inside "$gwa" nft delete table inet seen; }

setup()
{
	defer reset_gateways
	device a external 7
	device b external 7
	check tunnel id=7 -- 'no states or policies'
}

# Before, while and after somebody is there.
watched()
{
	local who=$1 family=$2

	setup
	expect 'packets before' "$(sent "$family")" 5
	check "${who}_on" -- "$who can not be attached" || return
	expect 'packets while somebody watches' "$(sent "$family")" 5
	busywait 3000 has_seen "$who" 5 >/dev/null
	expect 'packets that are seen' "$("${who}_seen")" 5
	"${who}_off"
	expect 'packets afterwards' "$(sent "$family")" 5
}

has_seen()
{
	[ "$("${1}_seen")" -ge "$2" ]
}

# What is forwarded goes the same way.
forwarded()
{
	local family=$1

	setup
	ip -n "$gwb" -batch - <<-END
		route add 10.3.0.0/24 dev ipsec encap xfrm if_id 7
		route add fd00:3::/64 dev ipsec encap xfrm if_id 7
	END
	expect 'packets before' "$(sent "$family" "$host")" 5
	check tc_egress_on -- 'no filter' || return
	expect 'packets while somebody watches' "$(sent "$family" "$host")" 5
	expect 'packets that are seen' "$(tc_egress_seen)" 5
	tc_egress_off
	expect 'packets afterwards' "$(sent "$family" "$host")" 5
}

# What is dropped at the device is not sent.
dropped()
{
	local before

	setup
	expect 'packets before' "$(sent 4)" 5
	tc -n "$gwa" qdisc add dev ipsec clsact
	tc -n "$gwa" filter add dev ipsec egress matchall action drop
	before=$(stat "$gwa" ipsec tx_packets)
	check silent "$gwa" 10.1.0.2 -- 'it is answered'
	expect 'packets that are sent' $(($(stat "$gwa" ipsec tx_packets) - before)) 0
	tc -n "$gwa" qdisc del dev ipsec clsact
	expect 'packets afterwards' "$(sent 4)" 5
}

# counted FAMILY OUTER: both counters of IP say how many packets were sent, inside and outside. Of
# IPv6 the kernel may have messages of its own to send meanwhile, though not by the device.
counted()
{
	local family=$1 outer=$2 inside outside

	defer reset_gateways
	device a external 7
	device b external 7
	check tunnel id=7 outer="$outer" -- 'no states or policies'
	inside "$gwa" nstat -n
	expect 'packets of the device' "$(sent "$family")" 5
	inside "$gwa" nstat -s >"$tmp/nstat"
	if [ "$family" = 4 ]; then
		inside=$(counter_of IpOutTransmits)
		outside=$(counter_of Ip6OutTransmits)
	else
		inside=$(inside "$gwa" awk '$1 == "Ip6OutTransmits" { print $2 }' /proc/net/dev_snmp6/ipsec)
		outside=$(counter_of IpOutTransmits)
	fi
	expect 'packets sent inside' "$inside" 5
	check [ "$outside" -ge 5 ] -- "$outside packets are sent outside"
	check [ "$outside" -lt 10 ] -- "$outside packets are sent outside"
}

counter_of()
{
	awk -v name="$1" '$1 == name { print $2 }' "$tmp/nstat"
}

# The sender hears that its packet has got to the queue, if it wants to know.
time_stamps()
{
	setup
	# Nobody has this address, and answers.
	ip -n "$gwa" route add 10.1.0.9/32 dev ipsec src 10.1.0.1 encap xfrm if_id 7
	check inside "$gwa" python3 "$(dirname "$0")/sched-timestamp.py" 10.1.0.9 -- 'no time stamp'
}

neighbours_of_device()
{
	ip -n "$gwa" neigh show nud all dev ipsec | grep -c '10.1.0.2\|fd00:1::2'
}

# The queue's way needs a neighbour, and the other one doesn't. Off and on, nothing else changes.
switched()
{
	setup
	if ! inside "$gwa" ethtool --show-priv-flags ipsec 2>/dev/null | grep -q '^skip-queue *: on'; then
		skip 'this driver has no flag skip-queue'
		return
	fi
	expect 'IPv4 packets' "$(sent 4)" 5
	expect 'IPv6 packets' "$(sent 6)" 5
	expect 'neighbours' "$(neighbours_of_device)" 0
	inside "$gwa" ethtool --set-priv-flags ipsec skip-queue off
	expect 'IPv4 packets by the queue' "$(sent 4)" 5
	expect 'IPv6 packets by the queue' "$(sent 6)" 5
	expect 'neighbours, by the queue' "$(neighbours_of_device)" 2
	inside "$gwa" ethtool --set-priv-flags ipsec skip-queue on
	expect 'packets afterwards' "$(sent 4)" 5
	expect 'flags of a static device' "$(static_flags)" 'check-before-ingress skip-queue'
}

static_flags()
{
	ip -n "$gwa" link add other type xfrm if_id 9
	inside "$gwa" ethtool --show-priv-flags other | awk 'NR > 1 { print $1 }' | tr -d : | xargs
	ip -n "$gwa" link del other
}

setup_gateways
setup_ns host
quiet "$host"
host_behind_gwa "$host"
for family in 4 6; do
	for who in packet_socket all_devices qdisc tc_egress nft_egress postrouting; do
		subtest "${who}_$family" watched "$who" "$family"
	done
	subtest "forwarded_$family" forwarded "$family"
done
subtest counted_4_over_6 counted 4 6
subtest counted_6_over_4 counted 6 4
subtest dropped dropped
subtest time_stamps time_stamps
subtest switched switched
finish
