#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 270
#
# Packets that are too big for the tunnel: whoever sent them is told what fits, whether the limit is
# the underlay's own or that of a router on the way.
#
#	                +------ gwa ------+                  router                     gwb
#	ha ------------ | in       ipsec  |                                            ipsec
#	10.3.0.2   10.3.0.1         under |---- MTU 1500 ---- left   right ---- MTU ---- under
#	fd00:3::2  fd00:3::1   192.0.2.1/24          192.0.2.254     198.51.100.254      198.51.100.2/24
#	                       2001:db8::1/64     2001:db8::fe       2001:db8:1::fe      2001:db8:1::2/64
#	                            |                  |
#	                         other ------------ other
#	                       203.0.113.1/24     203.0.113.254
#	                       2001:db8:2::1/64   2001:db8:2::fe

. "$(dirname "$0")/../lib/lib.sh"

ha='' router=''
declare -A end_a=([4]=192.0.2.1 [6]=2001:db8::1) end_b=([4]=198.51.100.2 [6]=2001:db8:1::2)

# What an inner packet may have over an underlay of that MTU: ESP in tunnel mode with AES-GCM takes
# an outer header, 8 bytes for itself, 8 for the IV, 16 for the check, and at least 2 for the
# trailer of what is padded to 4.
inner_mtu()
{
	local outer=20

	[ "$1" = 4 ] || outer=40
	echo $((($2 - outer - 8 - 8 - 16) / 4 * 4 - 2))
}

setup_path()
{
	setup_ns ha gwa router gwb
	quiet "$ha" "$gwa" "$router" "$gwb"
	inside "$router" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	host_behind_gwa "$ha"
	ip -n "$gwa" link add under type veth peer name left netns "$router"
	ip -n "$gwa" link add other type veth peer name other netns "$router"
	ip -n "$gwb" link add under type veth peer name right netns "$router"
	forwarding_link "$router" left right
	forwarding_link "$gwa" under
	ip -n "$router" -batch - <<-END
		addr add 192.0.2.254/24 dev left
		addr add 2001:db8::fe/64 dev left nodad
		addr add 198.51.100.254/24 dev right
		addr add 2001:db8:1::fe/64 dev right nodad
		addr add 203.0.113.254/24 dev other
		addr add 2001:db8:2::fe/64 dev other nodad
		link set left up
		link set right up
		link set other up
	END
	ip -n "$gwa" -batch - <<-END
		addr add 203.0.113.1/24 dev other
		addr add 2001:db8:2::1/64 dev other nodad
		link set other up
	END
	ip -n "$gwb" -batch - <<-END
		addr add 198.51.100.2/24 dev under
		addr add 2001:db8:1::2/64 dev under nodad
		link set under up
		route add default via 198.51.100.254
		route add default via 2001:db8:1::fe
	END
}

# path KIND OUTER MTU [KEY=VALUE...]: fresh devices, states and policies, and a path of that MTU
# beyond the router.
#	link=under	the link of the first gateway's device, if that is static
#	mark=		the output-mark of states
#	udp=		what ESP is encapsulated in
path()
{
	local kind=$1 outer=$2 mtu=$3 encap='' link=under mark='' udp=''
	shift 3
	[ $# -eq 0 ] || local "$@"

	defer reset_gateways
	defer ip -n "$gwa" addr flush dev under
	ip -n "$router" link set right mtu "$mtu"
	ip -n "$gwb" link set under mtu "$mtu"
	# What hosts and the gateway have learnt about the path is forgotten.
	ip -n "$ha" route flush cache
	ip -n "$ha" -6 route flush cache
	ip -n "$gwa" -6 route flush cache
	ip -n "$gwa" -batch - <<-END
		link set under down
		link set under up
		addr add 192.0.2.1/24 dev under
		addr add 2001:db8::1/64 dev under nodad
		route add 198.51.100.0/24 via 192.0.2.254
		route add 2001:db8:1::/64 via 2001:db8::fe
	END
	device a "$kind" 5 dev="$link"
	device b "$kind" 5
	[ "$kind" = static ] || encap='encap xfrm if_id 5'
	ip -n "$gwb" route add 10.3.0.0/24 dev ipsec $encap
	ip -n "$gwb" route add fd00:3::/64 dev ipsec $encap
	tunnel id=5 outer="$outer" a="${end_a[$outer]}" b="${end_b[$outer]}" mark="$mark" encap="$udp"
	# Neighbours have to be found again, after which nothing but sizes is in the way.
	slowwait 10 reach "$gwa" 10.1.0.2 1 >/dev/null
}

inner_address()
{
	[ "$1" = 4 ] && echo 10.1.0.2 || echo fd00:1::2
}

# What ping counts besides its payload.
headers()
{
	[ "$1" = 4 ] && echo 28 || echo 48
}

# told NS ADDRESS SIZE: the MTU that the sender of a packet of that size is told, if any.
told()
{
	local headers=28

	[[ $2 != *:* ]] || headers=48
	inside "$1" ping -n -c 1 -W 1 -M 'do' -s $(($3 - headers)) "$2" 2>&1 |
		sed -n 's/.*mtu *[=:] *\([0-9]*\).*/\1/p' | head -n 1
}

# told_is NS ADDRESS SIZE MTU: for slowwait; the first packet may be the one that makes a router
# answer. Prints what the sender is told, because it is told only once: then its own kernel knows.
told_is()
{
	local answer

	answer=$(told "$1" "$2" "$3")
	echo "$answer"
	[ "$answer" = "$4" ]
}

# fits FROM ADDRESS INNER MTU: packets of exactly that size get through, and are not cut in pieces.
fits()
{
	local from=$1 address=$2 mtu=$4 size

	size=$((mtu - $(headers "$3")))
	capture "$gwa" under
	check reach "$from" "$address" 2 -M 'do' -s $size -- "a packet of $mtu bytes is not answered"
	expect 'packets on the wire' "$(captured ESP 4)" 4
	expect 'fragments on the wire' "$(captured 'frag')" 0
	check silent "$from" "$address" -M 'do' -s $((size + 1)) -- "a packet of $((mtu + 1)) bytes is answered"
}

# The limit of the underlay next to the gateway is known before anything is sent.
device_mtu()
{
	local kind=$1 inner=$2 outer=$3 from=$4 address mtu

	address=$(inner_address "$inner")
	mtu=$(inner_mtu "$outer" 1500)
	path "$kind" "$outer" 1500
	expect 'the MTU that the sender is told' "$(told "$from" "$address" 1500)" "$mtu"
	fits "$from" "$address" "$inner" "$mtu"
}

# The limit of a router on the way is learnt from its ICMP error.
path_mtu()
{
	local kind=$1 inner=$2 outer=$3 from=$4 address mtu

	address=$(inner_address "$inner")
	mtu=$(inner_mtu "$outer" 1400)
	path "$kind" "$outer" 1400
	expect 'the MTU that the sender is told' "$(slowwait 8 told_is "$from" "$address" \
		"$(inner_mtu "$outer" 1500)" "$mtu")" "$mtu"
	expect "the path's MTU" "$(mtu_of_path "$outer")" 1400
	fits "$from" "$address" "$inner" "$mtu"
}

# mtu_of_path OUTER [WORD...]: what the first gateway has learnt, for the route that ip finds by
# those words.
mtu_of_path()
{
	local outer=$1
	shift

	ip -n "$gwa" route get "${end_b[$outer]}" "$@" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'
}

# The route to the peer is not always that through the link, and the error concerns the one it is.
path_mtu_by()
{
	local way=$1 kind=$2 outer=$3 mtu words=() keys=() link_dev=''

	case $way in
	*loopback) keys=(link=lo) link_dev='link_dev lo' ;;
	*other_link) keys=(link=other) link_dev='link_dev other' ;;
	*mark) keys=(link=other mark='5 mask 0xf') words=(mark 5) ;;
	*leak_from_vrf) keys=(link=) ;;
	esac
	mtu=$(inner_mtu "$outer" 1400)
	if [[ $way = udp_* ]]; then
		# All that is sent by the port has the mark, as IKE daemons can be told to.
		esp_in_udp "$gwa" "${words[1]-0}"
		esp_in_udp "$gwb" 0
		keys+=(udp='espinudp 4500 4500 0.0.0.0')
		mtu=$((mtu - 8))
	fi
	path "$kind" "$outer" 1400 "${keys[@]}"
	case $way in
	*mark) two_uplinks "$outer" ;;
	*leak_from_vrf) leak_from_vrf ;;
	esac
	if [ "$kind" = external ] && [ -n "$link_dev" ]; then
		ip -n "$gwa" route replace 10.1.0.2 dev ipsec src 10.1.0.1 encap xfrm if_id 5 $link_dev
	fi
	check slowwait 10 reach "$gwa" 10.1.0.2 1 -- 'the peer is not reached'
	expect 'the MTU that the sender is told' "$(slowwait 8 told_is "$gwa" 10.1.0.2 \
		"$((mtu + 100))" "$mtu")" "$mtu"
	expect "the path's MTU" "$(mtu_of_path "$outer" "${words[@]}")" 1400
	fits "$gwa" 10.1.0.2 4 "$mtu"
}

# esp_in_udp NS MARK: a socket brings in what comes by the port for ESP in UDP.
esp_in_udp()
{
	job_start ip netns exec "$1" python3 -c '
import signal, socket, sys
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(sys.argv[1]))
s.bind(("", 4500))
signal.pause()' "$2"
	defer job_stop "$job"
	slowwait 20 inside "$1" grep -q :1194 /proc/net/udp6 >/dev/null
}

# two_uplinks OUTER: what has the mark is sent by the first uplink, all else by the second.
two_uplinks()
{
	defer ip -n "$gwa" "-$1" rule del pref 100
	ip -n "$gwa" "-$1" rule add pref 100 fwmark 5/0xf table 100
	defer ip -n "$gwa" -6 route del 2001:db8:1::/64 metric 50
	defer ip -n "$gwa" -4 route del 198.51.100.0/24
	ip -n "$gwa" -batch - <<-END
		route add 198.51.100.0/24 via 192.0.2.254 table 100
		route add 2001:db8:1::/64 via 2001:db8::fe table 100
		route replace 198.51.100.0/24 via 203.0.113.254
		route add 2001:db8:1::/64 via 2001:db8:2::fe metric 50
	END
}

# The underlay is in a VRF, which a route of the main table leads to.
leak_from_vrf()
{
	defer ip -n "$gwa" link del red
	ip -n "$gwa" -batch - <<-END
		link add red type vrf table 101
		link set red up
		link set under master red
		addr replace 192.0.2.1/24 dev under
		addr replace 2001:db8::1/64 dev under nodad
		route add 198.51.100.0/24 via 192.0.2.254 dev under onlink table main
		route add 2001:db8:1::/64 via 2001:db8::fe dev under onlink table main
	END
}

# Without DF nobody is told anything: what is too big is cut after it has been encrypted.
no_df()
{
	path "$1" 4 1500
	capture "$gwa" under
	expect 'the MTU that the sender is told' \
		"$(inside "$2" ping -n -c 1 -W 1 -M dont -s 1472 10.1.0.2 | grep -c 'Frag needed')" 0
	check reach "$2" 10.1.0.2 2 -M dont -s 1472 -- 'it is not answered'
	expect 'fragments in the clear' "$(captured "$in_the_clear")" 0
	expect 'errors' "$(stat "$gwa" ipsec tx_errors)" 0
}

# IPv6 guarantees 1280 bytes, so nobody is told less, even if the tunnel has less room.
ipv6_minimum()
{
	path "$1" "$2" 1300
	expect 'the MTU that the sender is told' "$(slowwait 8 told_is "$gwa" fd00:1::2 \
		"$(inner_mtu "$2" 1500)" 1280)" 1280
}

# An underlay in a VRF learns its path's MTU as any other.
error_route_in_vrf()
{
	local kind=$1 outer=$2 mtu link_dev=''

	path "$kind" "$outer" 1400
	defer ip -n "$gwa" link del red
	ip -n "$gwa" -batch - <<-END
		link add red type vrf table 101
		link set red up
		link set under master red
		addr replace 192.0.2.1/24 dev under
		addr replace 2001:db8::1/64 dev under nodad
		route add 198.51.100.0/24 via 192.0.2.254 vrf red
		route add 2001:db8:1::/64 via 2001:db8::fe vrf red
	END
	if [ "$kind" = external ]; then
		ip -n "$gwa" route replace 10.1.0.2 dev ipsec src 10.1.0.1 encap xfrm if_id 5 link_dev under
	fi
	mtu=$(inner_mtu "$outer" 1400)
	check slowwait 10 reach "$gwa" 10.1.0.2 1 -- 'the peer is not reached through the VRF'
	expect 'the MTU that the sender is told' "$(slowwait 8 told_is "$gwa" 10.1.0.2 \
		"$(inner_mtu "$outer" 1500)" "$mtu")" "$mtu"
}

# A big segment is fine as long as the packets that it is cut into are.
tcp_through_narrow_path()
{
	path "$1" 4 1400
	head -c 300000 /dev/urandom >"$tmp/file"
	job_start ip netns exec "$gwb" socat -u TCP4-LISTEN:9000,reuseaddr "CREATE:$tmp/received"
	await_listener "$gwb" 9000
	check inside "$2" timeout 30 socat -u "FILE:$tmp/file" TCP4:10.1.0.2:9000 -- 'the transfer fails'
	wait "$job"
	check cmp -s "$tmp/file" "$tmp/received" -- 'the file arrives changed'
}

setup_path

for kind in static external; do
	for combination in 4in4 6in4 4in6 6in6; do
		inner=${combination%in*} outer=${combination#*in}
		# The kinds differ in where they find the if_id, not in what they do about sizes, so
		# that half of the combinations will do for the second one.
		[ $kind = static ] || [ "$inner" = "$outer" ] || continue
		subtest device_local_${combination}_$kind device_mtu $kind "$inner" "$outer" "$gwa"
		subtest path_local_${combination}_$kind path_mtu $kind "$inner" "$outer" "$gwa"
		[ "$inner" = "$outer" ] || continue
		subtest device_forwarded_${combination}_$kind device_mtu $kind "$inner" "$outer" "$ha"
		subtest path_forwarded_${combination}_$kind path_mtu $kind "$inner" "$outer" "$ha"
	done
	subtest no_df_local_$kind no_df $kind "$gwa"
	subtest no_df_forwarded_$kind no_df $kind "$ha"
	subtest ipv6_minimum_over_4_$kind ipv6_minimum $kind 4
	subtest ipv6_minimum_over_6_$kind ipv6_minimum $kind 6
	subtest tcp_local_$kind tcp_through_narrow_path $kind "$gwa"
	subtest tcp_forwarded_$kind tcp_through_narrow_path $kind "$ha"
	for outer in 4 6; do
		for way in loopback other_link mark leak_from_vrf; do
			subtest path_by_${way}_over_${outer}_$kind path_mtu_by $way $kind $outer
		done
		subtest error_route_in_vrf_over_${outer}_$kind error_route_in_vrf $kind $outer
	done
done
# Errors about ESP in UDP are for the kernel's UDP.
for outer in 4 6; do
	for way in loopback other_link mark; do
		subtest path_by_udp_${way}_over_${outer}_static path_mtu_by udp_$way static $outer
	done
done

finish
