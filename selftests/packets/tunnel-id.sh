#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
#
# What chooses the connection is neither a route nor a BPF program, but whatever sets the id of an IP
# tunnel: TC and Open vSwitch. The tenants' hosts are at gwa in no VRF, or in one that has no route to
# the other side.

. "$(dirname "$0")/../lib/tenants.sh"

tc_chooses()
{
	local i

	for i in 1 2 3; do
		out_by_tc $i
	done
	check reach "$left1" "$1" -- 'it is not answered' || return
	each_reaches_its_own "$1"
	at_once "$1"
	expect 'what the device could not send' "$(stat "$gwa" ipsec tx_errors tx_dropped)" "$errors"
}

# An id that is nobody's, or no if_id at all.
tc_refused()
{
	local dropped

	out_by_tc 1 "$1"
	dropped=$(stat "$gwa" ipsec tx_dropped)
	check silent "$left1" "$2" -- 'it is answered'
	expect 'packets that were dropped' "$(($(stat "$gwa" ipsec tx_dropped) - dropped))" 3
	errors=$(stat "$gwa" ipsec tx_errors tx_dropped)
}

# A packet that has no states yet waits, and then belongs to the same connection.
tc_waits()
{
	out_by_tc 2
	defer inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=1
	inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=0
	ip -n "$gwa" xfrm state deleteall reqid 17
	job_start ip -n "$gwa" xfrm monitor acquire >"$tmp/acquire"
	job_start ip netns exec "$left2" ping -n -q -c 2 -i 0.2 -W 10 "$1" >"$tmp/ping"
	check slowwait 10 grep -q acquire "$tmp/acquire" -- 'nobody is asked for states'
	ip -n "$gwb" xfrm state deleteall reqid 17
	# At once when gwa has its states, the packets go.
	tunnel id=2 n=2 what=state ns_a=
	ip -n "$gwa" xfrm state deleteall reqid 17 2>/dev/null
	tunnel id=2 n=2 what=state ns_b=
	wait "$job"
	check grep -q ' 2 received' "$tmp/ping" -- "it does not get there: $(grep received "$tmp/ping")"
	errors=$(stat "$gwa" ipsec tx_errors tx_dropped)
}

# To a static device the id says nothing.
static_ignores()
{
	ip -n "$gwb" link add own type xfrm if_id 9
	defer ip -n "$gwb" link del own
	ip -n "$gwb" link set own up
	ip -n "$gwa" link add own type xfrm if_id 9
	defer ip -n "$gwa" link del own
	ip -n "$gwa" link set own up
	ip -n "$gwa" -6 route add fd00:c::/64 dev own
	tunnel id=9 n=9
	tc -n "$gwa" qdisc replace dev host1 clsact
	defer tc -n "$gwa" qdisc del dev host1 clsact
	for protocol in ip ipv6; do
		tc -n "$gwa" filter add dev host1 ingress protocol $protocol flower \
			dst_ip "$([ $protocol = ip ] && echo 10.0.3.0/24 || echo fd00:c::/64)" \
			action tunnel_key set id 2 src_ip 198.51.100.1 dst_ip 198.51.100.2 \
			action mirred egress redirect dev own
	done
	silent "$left1" 10.0.3.3
	silent "$left1" fd00:c::3
	expect 'packets that came by the device' "$(stat "$gwb" own rx_packets)" 6
}

# dp COMMAND...: of the kernel's Open vSwitch, without a daemon.
dp()
{
	inside "$gwa" ovs-dpctl "$@"
}

port()
{
	dp show | sed -n "s/^ *port \([0-9]*\): $1\b.*/\1/p"
}

# Open vSwitch carries the packets both ways. What comes in it tells apart by the mark of the states.
setup_ovs()
{
	command -v ovs-dpctl >/dev/null || { skip 'there is no ovs-dpctl: install openvswitch-switch'; return 1; }
	modprobe openvswitch 2>/dev/null || { skip 'the kernel has no Open vSwitch'; return 1; }
	defer dp del-dp dp0
	check connected_by_ovs "$@" -- 'Open vSwitch does not take what it is told'
}

connected_by_ovs()
{
	local i left mac gateway

	dp add-dp dp0 || return
	dp add-if dp0 ipsec || return
	for i in 1 2 3; do
		left=left$i
		ip -n "$gwa" link set "host$i" nomaster
		dp add-if dp0 "host$i" || return
		for gateway in 10.0.1.1 fd00:a::1; do
			ip -n "${!left}" neigh replace $gateway dev eth0 lladdr 02:00:00:00:00:01 nud permanent
		done
		ip -n "$gwa" xfrm state deleteall reqid $((i * 8 + 1))
		ip -n "$gwb" xfrm state deleteall reqid $((i * 8 + 1))
		tunnel id=$i n=$i what=state mark_in=$i
		mac=$(inside "${!left}" cat /sys/class/net/eth0/address)
		flows "$i" $((${1:-0} + i)) "${mac//:/}" 2048 ipv4 12
		flows "$i" $((${1:-0} + i)) "${mac//:/}" 34525 ipv6 40
	done | jq -c . | inside "$gwa" "$tools/ovs-flow.py" dp0
}

# flows NUMBER ID MAC TYPE HEADER LENGTH: prints those of a tenant, out and in, for packets with that type of
# Ethernet, and a header of so many bytes.
flows()
{
	local i=$1 id=$2 mac=$3 type=$4 header=$5 host device zeros all=$((0xffffffff))

	host=$(port "host$i") device=$(port ipsec)
	zeros=$(printf "%0$((2 * $6))d" 0)
	cat <<-END
		{
			"key": {"in-port": $host, "ethernet": "${zeros:0:24}", "ethertype": $type, "$header": "$zeros"},
			"mask": {"in-port": $all, "ethernet": "${zeros:0:24}", "ethertype": 65535, "$header": "$zeros"},
			"actions": {
				"set": {"tunnel": {"id": $id, "ipv4-src": $((0xc6336401)), "ipv4-dst": $((0xc6336402)), "ttl": 64}},
				"pop-eth": true,
				"output": $device
			}
		}
		{
			"key": {"in-port": $device, "skb-mark": $i, "ethertype": $type, "$header": "$zeros"},
			"mask": {"in-port": $all, "skb-mark": $all, "ethertype": 65535, "$header": "$zeros"},
			"actions": {"push-eth": "020000000001$mac", "output": $host}
		}
	END
}

ovs_chooses()
{
	setup_ovs || return
	check reach "$left1" "$1" -- 'it is not answered' || return
	each_reaches_its_own "$1"
	at_once "$1"
}

# More than 32 bits.
ovs_too_large()
{
	local dropped

	setup_ovs $((1 << 32)) || return
	dropped=$(stat "$gwa" ipsec tx_dropped)
	check silent "$left1" "$1" -- 'it is answered'
	expect 'packets that were dropped' "$(($(stat "$gwa" ipsec tx_dropped) - dropped))" 3
}

setup_tenants
no_routes_across
mark_by_connection "$gwa"
mark_by_connection "$gwb"
errors='0 0'

subtest tc_4 tc_chooses 10.0.2.2
subtest tc_6 tc_chooses fd00:b::2
subtest tc_id_0_4 tc_refused 0 10.0.2.2
subtest tc_id_0_6 tc_refused 0 fd00:b::2
subtest tc_id_of_nobody tc_refused 77 10.0.2.2
subtest tc_waits_4 tc_waits 10.0.2.2
subtest static_ignores static_ignores
subtest ovs_4 ovs_chooses 10.0.2.2
subtest ovs_6 ovs_chooses fd00:b::2
subtest ovs_too_large ovs_too_large 10.0.2.2

finish
