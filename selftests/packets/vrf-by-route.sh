#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 90
#
# Packets of an external device come in by the VRF whose routes lead to their connection, once the
# device has the private flag vrf-by-route. There is no rule, no mark and no BPF.

. "$(dirname "$0")/../lib/tenants.sh"

flag()
{
	inside "${2:-$gwb}" ethtool --set-priv-flags ipsec vrf-by-route "$1"
}

# watch_arrivals: from here on came_by knows by which device packets come in.
watch_arrivals()
{
	inside "$gwb" nft -f - <<-END
		table inet seen {
			set by { type ifname; flags dynamic; size 16; }
			chain pre {
				type filter hook prerouting priority -310;
				icmp type echo-request add @by { iifname }
				icmpv6 type echo-request add @by { iifname }
			}
		}
	END
}

# came_by IF_ID [FAMILY]: by which devices of gwb a packet of the connection comes in.
came_by()
{
	local to=10.9.0.$1 before

	[ "${2:-4}" = 4 ] || to=fd00:9::$1
	inside "$gwb" nft flush set inet seen by
	before=$(stat "$gwb" ipsec rx_packets)
	inside "$gwa" ping -n -q -c 1 -W 0.01 "$to" >/dev/null 2>&1
	busywait 5000 received_since "$before" >/dev/null
	inside "$gwb" nft -j list set inet seen by |
		jq -r '[.nftables[] | .set? // empty | .elem? // empty | .[]] | sort | join(" ")'
}

# received_since PACKETS: whether the device has received more than that.
received_since()
{
	[ "$(stat "$gwb" ipsec rx_packets)" != "$1" ]
}

# comes_by IF_ID DEVICE [WHEN]: for IPv4 and IPv6, whatever the family of the route is.
comes_by()
{
	local family

	for family in 4 6; do
		expect "where IPv$family of connection $1 comes in${3:+ $3}" "$(came_by "$1" $family)" "$2"
	done
}

# with_flag COMMAND...: what needs no driver that has no such flag to be tried.
with_flag()
{
	expect 'the flag' "$(flag_of "$gwb")" on && "$@"
}

# flag_of NS
flag_of()
{
	inside "$1" ethtool --show-priv-flags ipsec 2>/dev/null | sed -n 's/^vrf-by-route *: //p'
}

# A device is made without the flag, as C's, and is that again when it is taken away.
off()
{
	expect 'the flag of a new device' "$(flag_of "$gwb")" off || return
	comes_by 2 ipsec
	check flag on -- 'the flag is refused'
	comes_by 2 red2
	flag off
	comes_by 2 ipsec 'with the flag off'
}

# Static devices are members of VRFs themselves.
static_has_no_flag()
{
	ip -n "$gwb" link add own type xfrm if_id 77
	defer ip -n "$gwb" link del own
	check_fail "$(inside "$gwb" ethtool --set-priv-flags own vrf-by-route on 2>/dev/null; echo $?)" \
		'a static device takes the flag'
	expect 'the flag of the external device' "$(flag_of "$gwb")" on
}

# The VRF and the device count and show each packet, once.
counted_and_shown()
{
	local red ipsec

	capture "$gwb" red2
	red=$(stat "$gwb" red2 rx_packets rx_bytes)
	ipsec=$(stat "$gwb" ipsec rx_packets rx_bytes)
	check reach "$left2" 10.0.2.2 3 -- 'no answer' || return
	check reach "$left2" fd00:b::2 3 -- 'no answer' || return
	# And what the host answers.
	expect 'packets and bytes of the VRF' "$(gained red "$red" red2)" '12 1128'
	expect 'packets and bytes of the device' "$(gained ipsec "$ipsec" ipsec)" '6 564'
	expect 'echo requests that tcpdump shows on the VRF' \
		"$(captured 'echo request' 6)" 6
	capture "$gwb" ipsec
	check reach "$left2" 10.0.2.2 3 -- 'no answer'
	expect 'echo requests that tcpdump shows on the device' "$(captured 'echo request' 3)" 3
}

# gained WHAT BEFORE DEVICE
gained()
{
	local before now

	read -ra before <<<"$2"
	read -ra now <<<"$(stat "$gwb" "$3" rx_packets rx_bytes)"
	echo $((now[0] - before[0])) $((now[1] - before[1]))
}

# With a zone for each VRF, connections with the same addresses and ports are different ones.
conntrack_zones()
{
	local i left

	defer inside "$gwb" nft delete table inet zones
	inside "$gwb" nft -c 'add table inet zones; add chain inet zones pre; add rule inet zones pre ct zone set 1' 2>/dev/null || {
		skip 'the kernel has no zones'
		return
	}
	check inside "$gwb" nft -f - <<-END -- 'no zones' || return
		table inet zones {
			chain raw {
				type filter hook prerouting priority raw;
				iifname { "red1", "host1" } ct zone set 1
				iifname { "red2", "host2" } ct zone set 2
			}
			chain forward {
				type filter hook forward priority filter;
				ct state established accept
				iifname "red1" accept
				iifname "red2" drop
			}
		}
	END
	for i in 1 2; do
		left=left$i
		inside "${!left}" ping -n -q -c 1 -W 1 -e 4242 10.0.2.2 >/dev/null && echo "$i"
	done >"$tmp/answered"
	expect 'who is answered' "$(cat "$tmp/answered")" 1
	expect 'entries in the zone of tenant 1' \
		"$(inside "$gwb" conntrack -L -w 1 2>/dev/null | grep -c 'id=4242')" 1
	expect 'entries in no zone' \
		"$(inside "$gwb" conntrack -L 2>/dev/null | grep 'id=4242' | grep -vc zone=)" 0
}

# The gateways themselves speak in the VRF: to each other, and to the tenant's hosts.
from_the_vrf()
{
	local to=$1 listen=$2 peer=$3

	check reach "$gwa" "$peer" 3 -I red2 -- 'the gateways do not reach each other in the VRF'
	check reach "$gwa" "$to" 3 -I red2 -- "the tenant's host does not answer the gateway"
	job_start ip netns exec "$gwb" socat -U "TCP$listen-LISTEN:179,fork,reuseaddr,so-bindtodevice=red2" \
		"SYSTEM:echo here is red2" 2>/dev/null
	await_listener "$gwb" 179
	[[ $peer != *:* ]] || peer=[$peer]
	expect 'who answers in the VRF' "$(inside "$gwa" socat -u -T 5 \
		"TCP$listen:$peer:179,connect-timeout=3,so-bindtodevice=red2" - 2>/dev/null)" 'here is red2'
	expect 'who answers in another VRF' "$(inside "$gwa" socat -u -T 5 \
		"TCP$listen:$peer:179,connect-timeout=1,so-bindtodevice=red1" - 2>/dev/null)" ''
	job_stop "$job"
}

rp_filter()
{
	defer inside "$gwb" sysctl -qw net.ipv4.conf.all.rp_filter=0
	inside "$gwb" sysctl -qw net.ipv4.conf.all.rp_filter=1
	check reach "$left2" 10.0.2.2 -- 'strict filtering of reverse paths drops them'
}

# The policies are those of the connection, as strict as without.
policies()
{
	local before

	defer eval "ip -n $gwb xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3 \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 25 mode tunnel"
	ip -n "$gwb" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 3
	before=$(xfrm_stat "$gwb" XfrmInNoPols)
	check silent "$left3" 10.0.2.2 -- 'it is let in without a policy'
	expect 'XfrmInNoPols' $(($(xfrm_stat "$gwb" XfrmInNoPols) - before)) 3
	defer ip -n "$gwb" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd
	# Nor by one that has no if_id, though the device is the VRF's.
	ip -n "$gwb" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 25 mode tunnel
	check silent "$left3" 10.0.2.2 -- 'it is let in by a policy without if_id'
}

# IPv6 takes the loopback address from a VRF, because the host itself sends it there. From others it must
# not come in by one.
not_from_outside()
{
	local red ipsec

	red=$(stat "$gwb" red2 rx_packets)
	ipsec=$(stat "$gwb" ipsec rx_packets)
	send_ip6 ::1 fd00:9::2
	send_ip6 fd00:9::9 fd00:9::2
	slowwait 2 [ "$(stat "$gwb" ipsec rx_packets)" = $((ipsec + 2)) ] >/dev/null
	expect 'packets of the device' $(($(stat "$gwb" ipsec rx_packets) - ipsec)) 2
	expect 'packets of the VRF' $(($(stat "$gwb" red2 rx_packets) - red)) 1
}

# send_ip6 FROM TO: sends an empty packet from gwa.
send_ip6()
{
	inside "$gwa" python3 - "$@" <<-END
		import socket, struct, sys
		source, to = (socket.inet_pton(socket.AF_INET6, it) for it in sys.argv[1:])
		raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
		raw.sendto(struct.pack("!IHBB", 6 << 28, 0, 59, 64) + source + to, (sys.argv[2], 0))
	END
}

# A program at the device sees each packet first, with its metadata.
program_first()
{
	local program=$tmp/metadata.bpf.o count

	bpf_build "$tools/metadata.bpf.c" "$program" || {
		skip 'no BPF program'
		return
	}
	defer eval "tc -n $gwb qdisc del dev ipsec clsact; inside $gwb nft delete table inet marks"
	tc -n "$gwb" qdisc add dev ipsec clsact
	tc -n "$gwb" filter add dev ipsec ingress bpf direct-action obj "$program" program mark_is_if_id 2>/dev/null || {
		skip 'the kernel has no BTF of the driver'
		return
	}
	inside "$gwb" nft -f - <<-END
		table inet marks {
			counter marked {
			}
			chain pre {
				type filter hook prerouting priority raw;
				iifname "red2" meta mark 2 counter name marked
			}
		}
	END
	check reach "$left2" 10.0.2.2 3 -- 'no answer'
	count=$(inside "$gwb" nft -j list counter inet marks marked | jq '.nftables[1].counter.packets')
	expect 'packets that the program has marked' "$count" 3
}

# Each change of a route is known at once.
route_changes()
{
	local family=$1 to=$2 other=$3

	ip -n "$gwb" route del "$to" vrf red2
	ip -n "$gwb" route del "$other" vrf red2
	comes_by 2 ipsec 'without routes'
	ip -n "$gwb" route add "$to" vrf red2 dev ipsec encap xfrm if_id 2
	comes_by 2 red2 'with a route of one family'
	ip -n "$gwb" route replace "$to" vrf red2 dev ipsec encap xfrm if_id 5
	comes_by 2 ipsec 'when the route leads elsewhere'
	ip -n "$gwb" route replace "$to" vrf red2 dev ipsec encap xfrm if_id 2
	comes_by 2 red2 'when it leads back'
	ip -n "$gwb" route replace unreachable "$to" vrf red2 2>/dev/null ||
		ip -n "$gwb" "-$family" route replace unreachable "$to" vrf red2
	ip -n "$gwb" "-$family" route del "$to" vrf red2 dev ipsec 2>/dev/null
	comes_by 2 ipsec 'when the prefix is unreachable'
	ip -n "$gwb" "-$family" route flush table 102 type unreachable
	ip -n "$gwb" route add "$other" vrf red2 dev ipsec encap xfrm if_id 2
	ip -n "$gwb" route add "$to" vrf red2 dev ipsec encap xfrm if_id 2
	comes_by 2 red2 'with both'
}

# shellcheck disable=SC2329
no_more_routes()
{
	ip -n "$gwb" -4 route flush table 102 proto 77
	ip -n "$gwb" -6 route flush table 102 proto 77
}

# A route with a worse metric counts when it is used.
metrics()
{
	local to=$1

	defer no_more_routes
	ip -n "$gwb" route add "$to" vrf red2 metric 10 proto 77 dev ipsec encap xfrm if_id 5
	ip -n "$gwb" route add "$to" vrf red2 metric 20 proto 77 dev ipsec encap xfrm if_id 6
	comes_by 5 red2
	ip -n "$gwb" route del "$to" vrf red2 metric 10
	comes_by 5 ipsec 'when its route is gone'
	comes_by 6 red2 'when it has become the best'
}

multipath()
{
	local to=$1 family=$2

	defer no_more_routes
	check inside "$gwb" "$tools/multipath-route.py" "$to" 102 ipsec 5 6 -- 'the route is not added' || return
	comes_by 5 red2
	comes_by 6 red2
	check ip -n "$gwb" "-$family" route del "$to" vrf red2 proto 77 -- 'the route is not deleted'
	comes_by 5 ipsec 'without the route'
	comes_by 6 ipsec 'without the route'
}

# ECMP routes of IPv6 come and go one by one.
siblings()
{
	local to=fd00:77::/64

	defer no_more_routes
	check ip -n "$gwb" -6 -batch - <<-END -- 'the routes are not added' || return
		route add $to vrf red2 proto 77 via fe80::5 dev ipsec encap xfrm if_id 5
		route append $to vrf red2 proto 77 via fe80::6 dev ipsec encap xfrm if_id 6
		route append $to vrf red2 proto 77 via fe80::8 dev ipsec encap xfrm if_id 8
	END
	comes_by 5 red2
	comes_by 6 red2
	comes_by 8 red2
	ip -n "$gwb" -6 route del $to vrf red2 proto 77 via fe80::5 dev ipsec encap xfrm if_id 5
	comes_by 5 ipsec 'when its route is gone'
	comes_by 6 red2 'when that of another is gone'
	ip -n "$gwb" -6 route replace $to vrf red2 proto 77 via fe80::5 dev ipsec encap xfrm if_id 5
	comes_by 5 red2 'when it replaces them'
	comes_by 6 ipsec 'when it was replaced'
	comes_by 8 ipsec 'when it was replaced'
}

# Routes through nexthop objects, and groups of them, follow the objects.
nexthops()
{
	local to=$1 family=$2

	defer eval "ip -n $gwb nexthop flush proto 77"
	ip -n "$gwb" "-$family" nexthop add id 50 proto 77 dev ipsec encap xfrm if_id 5
	ip -n "$gwb" "-$family" nexthop add id 60 proto 77 dev ipsec encap xfrm if_id 6
	check ip -n "$gwb" "-$family" route add "$to" vrf red2 nhid 50 proto 77 -- 'the route is not added' || return
	comes_by 5 red2
	ip -n "$gwb" "-$family" nexthop replace id 50 proto 77 dev ipsec encap xfrm if_id 8
	comes_by 5 ipsec 'when the object leads elsewhere'
	comes_by 8 red2 'when the object leads there'
	ip -n "$gwb" "-$family" nexthop replace id 50 proto 77 dev ipsec encap xfrm if_id 5
	comes_by 8 ipsec 'when the object leads back'
	comes_by 5 red2 'when the object leads back'
	ip -n "$gwb" nexthop add id 70 proto 77 group 50/60
	ip -n "$gwb" "-$family" route replace "$to" vrf red2 nhid 70 proto 77
	comes_by 5 red2 'by the group'
	comes_by 6 red2 'by the group'
	ip -n "$gwb" "-$family" nexthop replace id 60 proto 77 dev ipsec encap xfrm if_id 8
	comes_by 6 ipsec 'when the object in the group leads elsewhere'
	comes_by 8 red2 'when the object in the group leads there'
	ip -n "$gwb" nexthop replace id 70 proto 77 group 50
	comes_by 8 ipsec 'when it was taken out of the group'
	ip -n "$gwb" nexthop replace id 70 proto 77 group 50/60
	comes_by 8 red2 'when it is in the group again'
	ip -n "$gwb" nexthop del id 60
	comes_by 8 ipsec 'when the object is gone'
	comes_by 5 red2 'when another object is gone'
	ip -n "$gwb" nexthop del id 70
	comes_by 5 ipsec 'when the group is gone'
}

# said_more_than COUNT: the kernel does not say everything if there is much to say.
# shellcheck disable=SC2329
said_more_than()
{
	inside "$gwa" ping -n -q -c 1 -W 0.01 10.9.0.2 >/dev/null 2>&1
	[ "$(dmesg | grep -c 'routes of several VRFs')" -gt "$1" ]
}

# Where two VRFs have routes to a connection it is nobody's, and that is said.
conflict()
{
	local before said

	before=$(stat "$gwb" ipsec rx_dropped)
	defer ip -n "$gwb" route del 10.77.0.0/24 vrf red3
	said=$(dmesg | grep -c 'routes of several VRFs')
	ip -n "$gwb" route add 10.77.0.0/24 vrf red3 dev ipsec encap xfrm if_id 2
	expect 'where it comes in' "$(came_by 2)" ''
	check [ "$(stat "$gwb" ipsec rx_dropped)" -gt "$before" ] -- 'it is not counted'
	check slowwait 20 said_more_than "$said" -- 'it is not said'
	ip -n "$gwb" route del 10.77.0.0/24 vrf red3
	comes_by 2 red2 'after the conflict'
	ip -n "$gwb" route add 10.77.0.0/24 dev ipsec encap xfrm if_id 2
	comes_by 2 red2 'with a route outside of VRFs besides'
	ip -n "$gwb" route replace 10.77.0.0/24 vrf red3 dev ipsec encap xfrm if_id 9
	ip -n "$gwb" route del 10.77.0.0/24 table main
}

# VRFs come and go, and routes of their tables may have been there before.
vrfs()
{
	ip -n "$gwb" route add 10.77.0.0/24 table 177 dev ipsec encap xfrm if_id 5
	defer ip -n "$gwb" route flush table 177
	comes_by 5 ipsec 'before there is a VRF'
	ip -n "$gwb" link add blue type vrf table 177
	expect 'where it comes in while the VRF is down' "$(came_by 5)" ''
	ip -n "$gwb" link set blue up
	comes_by 5 blue
	ip -n "$gwb" link set blue name navy
	comes_by 5 navy 'when the VRF has another name'
	ip -n "$gwb" link add green type vrf table 177
	expect 'where it comes in when two VRFs have the table' "$(came_by 5)" ''
	ip -n "$gwb" link del green
	comes_by 5 navy 'when the other VRF is gone'
	ip -n "$gwb" link del navy
	comes_by 5 ipsec 'without the VRF'
}

# What is known is of one namespace.
moved()
{
	local ns

	setup_ns ns
	ip -n "$ns" link add there type vrf table 102
	ip -n "$ns" link set there up
	ip -n "$gwb" link set ipsec netns "$ns"
	defer eval "ip -n $ns link set ipsec netns $gwb; restore"
	ip -n "$ns" link set ipsec up
	expect 'the flag' "$(flag_of "$ns")" on
	ip -n "$ns" route add 10.0.1.0/24 vrf there dev ipsec encap xfrm if_id 2
	inside "$gwa" ping -n -q -c 1 -W 0.1 10.9.0.2 >/dev/null
	expect 'packets of the VRF there' "$(stat "$ns" there rx_packets)" 1
}

# shellcheck disable=SC2329
restore()
{
	local i

	ip -n "$gwb" link set ipsec up
	for i in 1 2 3; do
		ip -n "$gwb" route add 10.0.1.0/24 vrf red$i dev ipsec encap xfrm if_id $i
		ip -n "$gwb" route add fd00:a::/64 vrf red$i dev ipsec encap xfrm if_id $i
	done
}

# Somebody else handles the device's packets.
busy()
{
	flag off
	defer eval "inside $gwb ovs-dpctl del-dp taken; flag on"
	modprobe openvswitch 2>/dev/null || {
		skip 'the kernel has no Open vSwitch'
		return
	}
	check inside "$gwb" ovs-dpctl add-dp taken -- 'no Open vSwitch' &&
		check inside "$gwb" ovs-dpctl add-if taken ipsec -- 'Open vSwitch does not take the device' || return
	check_fail "$(flag on 2>/dev/null; echo $?)" 'the flag is set though Open vSwitch has the device'
	expect 'the flag' "$(flag_of "$gwb")" off
}

setup_tenants
watch_arrivals
# Connections of nobody's, and addresses by which gwa itself reaches each connection.
for id in 5 6 8; do
	tunnel id=$id n=$((id + 10))
done
for id in 1 2 3 5 6 8; do
	ip -n "$gwa" route add 10.9.0.$id dev ipsec encap xfrm if_id $id
	ip -n "$gwa" route add fd00:9::$id dev ipsec encap xfrm if_id $id
done
ip -n "$gwa" addr add 10.9.9.9/32 dev ipsec
ip -n "$gwa" addr add fd00:9::9/128 dev ipsec nodad

subtest off off
flag on 2>/dev/null
flag on "$gwa" 2>/dev/null

for family in 4 6; do
	to=10.0.2.2
	[ $family = 4 ] || to=fd00:b::2
	subtest each_reaches_its_own_$family with_flag each_reaches_its_own $to
	subtest all_at_once_$family with_flag at_once $to
done
subtest counted_and_shown with_flag counted_and_shown
subtest conntrack_zones with_flag conntrack_zones
subtest from_the_vrf_4 with_flag from_the_vrf 10.0.2.2 4 10.0.2.1
subtest from_the_vrf_6 with_flag from_the_vrf fd00:b::2 6 fd00:b::1
subtest rp_filter with_flag rp_filter
subtest policies with_flag policies
subtest not_from_outside with_flag not_from_outside
subtest program_first with_flag program_first
subtest route_changes_4 with_flag route_changes 4 10.0.1.0/24 fd00:a::/64
subtest route_changes_6 with_flag route_changes 6 fd00:a::/64 10.0.1.0/24
subtest metrics_4 with_flag metrics 10.77.0.0/24
subtest metrics_6 with_flag metrics fd00:77::/64
subtest multipath_4 with_flag multipath 10.77.0.0/24 4
subtest multipath_6 with_flag multipath fd00:77::/64 6
subtest siblings with_flag siblings
subtest nexthops_4 with_flag nexthops 10.77.0.0/24 4
subtest nexthops_6 with_flag nexthops fd00:77::/64 6
subtest conflict with_flag conflict
subtest vrfs with_flag vrfs
subtest static_has_no_flag with_flag static_has_no_flag
subtest busy with_flag busy
subtest moved with_flag moved

finish
