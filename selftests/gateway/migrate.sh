#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 90
#
# xfrmi migrate: from a static device to the external one and back, while packets go both ways.
#
#	left ---- gwa[ipsec ext] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/xfrmi.sh"

left=''

# A tunnel with a static device on both sides; gwa has an external one, too.
world()
{
	defer reset_world
	device a static 5
	device b static 5
	ip -n "$gwa" link add ext type xfrm external
	ip -n "$gwa" link set ext up
	tunnel id=5
}

# shellcheck disable=SC2329
reset_world()
{
	ip -n "$gwa" link del ext 2>/dev/null
	ip -n "$gwa" link del host 2>/dev/null
	ip -n "$gwa" link del red 2>/dev/null
	ip -n "$gwa" nexthop flush >/dev/null 2>&1
	reset_gateways
}

# flow NS TO: pings that go on for 8 seconds.
flow()
{
	job_start ip netns exec "$1" ping -n -q -c 400 -i 0.02 -W 5 "$2" >"$tmp/flow.$2" 2>&1
	flows+=("$job" "$2")
}

# nothing_lost: of all flows, once they have ended; one of each may be. They have to end after what was
# done meanwhile.
nothing_lost()
{
	local sent received

	check kill -0 "${flows[0]}" -- 'the flows had ended before'
	while [ ${#flows[@]} -gt 0 ]; do
		wait "${flows[0]}"
		read -r sent received < <(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$tmp/flow.${flows[1]}")
		check [ "${received:-0}" -gt 50 ] -- "to ${flows[1]}: $sent were sent, $received answered"
		check [ $((sent - received)) -le 1 ] -- "to ${flows[1]}: $((sent - received)) of $sent packets are lost"
		flows=("${flows[@]:2}")
	done
}

# goes_by NS DEVICE ADDRESS [OPTION...]: packets there leave by that device, and answers come in by it.
goes_by()
{
	local out in

	out=$(stat "$1" "$2" tx_packets) in=$(stat "$1" "$2" rx_packets)
	check reach "$1" "$3" 3 "${@:4}" -- "$3 is not reached"
	check [ "$(stat "$1" "$2" tx_packets)" -gt "$out" ] -- "packets to $3 do not leave by $2"
	check [ "$(stat "$1" "$2" rx_packets)" -gt "$in" ] -- "packets from $3 do not come in by $2"
}

there_and_back()
{
	local flows=()

	world
	# A second way, by a prefix.
	ip -n "$gwa" route add 10.20.0.0/24 dev ipsec src 10.1.0.1
	ip -n "$gwb" addr add 10.20.0.1/32 dev ipsec
	goes_by "$gwa" ipsec 10.1.0.2
	flow "$gwa" 10.1.0.2
	flow "$gwa" fd00:1::2
	flow "$gwb" 10.1.0.1
	flow "$gwb" fd00:1::1
	sleep 1
	succeeds "$gwa" migrate 5 --to external || return
	printed '^if_id 5: 3 routes lead to ext$'
	nothing_lost
	goes_by "$gwa" ext 10.1.0.2
	goes_by "$gwa" ext fd00:1::2
	goes_by "$gwa" ext 10.20.0.1
	check reach "$gwb" 10.1.0.1 -- 'the address of the static device is gone'

	flow "$gwa" 10.1.0.2
	flow "$gwb" fd00:1::1
	sleep 1
	succeeds "$gwa" migrate 5 --to static --name ipsec || return
	nothing_lost
	goes_by "$gwa" ipsec 10.1.0.2
	goes_by "$gwa" ipsec fd00:1::2
}

# A tenant whose static device is in a VRF, with a network of its own on the device.
tenant_in_a_vrf()
{
	local flows=()

	if [ "$DRIVER" = c ]; then
		skip 'what comes in by the external device of the C driver gets into no VRF by itself'
		return
	fi
	world
	inside "$gwa" ethtool --set-priv-flags ext vrf-by-route on
	inside "$gwa" sysctl -qw net.ipv4.ip_forward=1
	forwarding_link "$gwa" host
	ip -n "$gwa" -batch - <<-END
		link add red type vrf table 100
		link set red up
		link add host type veth peer name eth0 netns $left
		link set host master red up
		addr add 10.9.0.1/24 dev host
		link set ipsec master red
		addr add 10.8.0.1/24 dev ipsec
		route add 10.20.0.0/24 vrf red dev ipsec
	END
	ip -n "$left" -batch - <<-END
		addr add 10.9.0.2/24 dev eth0
		link set eth0 up
		route add default via 10.9.0.1
	END
	ip -n "$gwb" addr add 10.20.0.1/32 dev ipsec
	ip -n "$gwb" addr add 10.8.0.2/32 dev ipsec
	ip -n "$gwb" route add 10.9.0.0/24 dev ipsec src 10.20.0.1
	ip -n "$gwb" route add 10.8.0.1 dev ipsec src 10.8.0.2
	check reach "$left" 10.20.0.1 -- 'the tunnel does not carry'
	flow "$left" 10.20.0.1
	flow "$gwb" 10.8.0.1
	sleep 1
	succeeds "$gwa" migrate red --to external || return
	nothing_lost
	goes_by "$gwa" ext 10.8.0.2 -I red
	check reach "$left" 10.20.0.1 -- 'the network behind is not reached'
	xfrmi "$gwa" list red
	printed '^if_id 5  vrf red  dev '
}

# everything: what must be the same when it has failed.
everything()
{
	ip -n "$gwa" -d link show | grep -v ' stats '
	ip -n "$gwa" -o addr
	ip -n "$gwa" -4 route show table all
	ip -n "$gwa" -6 route show table all | sort
	ip -n "$gwa" nexthop
}

# failed TEXT: it has, and all is as it was.
failed()
{
	check_fail "$(xfrmi "$gwa" migrate 5 --to external; echo $?)" 'it succeeds'
	complains "$1"
	everything >"$tmp/after"
	cmp -s "$tmp/before" "$tmp/after" ||
		check_err 1 "not everything is as it was: $(diff "$tmp/before" "$tmp/after" | grep '^[<>]' | paste -sd';')"
}

goes_back()
{
	world
	ip -n "$gwa" route add 10.20.0.0/24 dev ipsec
	# No IPv6 on the external device: the last of the addresses is refused.
	inside "$gwa" sysctl -qw net.ipv6.conf.ext.disable_ipv6=1
	everything >"$tmp/before"
	failed 'nothing is migrated, all is as it was'
	check reach "$gwa" 10.1.0.2 -- 'the tunnel does not carry any more'
	inside "$gwa" sysctl -qw net.ipv6.conf.ext.disable_ipv6=0

	# One that leads to two.
	ip -n "$gwa" route add 10.21.0.0/24 nexthop dev ipsec nexthop via "${under4[b]}" dev under
	everything >"$tmp/before"
	failed 'the route to 10.21.0.0/24 has several next hops'
	check reach "$gwa" 10.1.0.2 -- 'the tunnel does not carry any more'
	ip -n "$gwa" link set ext down
	everything >"$tmp/before"
	failed 'ext is down'
}

setup_gateways
setup_ns left
quiet "$left"
for name in there_and_back tenant_in_a_vrf goes_back; do
	subtest $name $name
done
finish
