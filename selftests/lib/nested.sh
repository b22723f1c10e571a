#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two IPsec connections, one in the other, between the gateways of lib.sh. What is sent goes through
# both by one policy with two templates. What is received has to satisfy one policy for both, or
# two.
#
#	flow: 10.1.0.1 > 10.1.0.2	in tunnel and BEET mode, else that of the inner state
#	inner state: 10.7.0.1 > 10.7.0.2	AH, ESP or IPComp
#	outer state: 192.0.2.1 > 192.0.2.2	ESP, in tunnel mode
#
# The same in IPv6, in fd00:1::, fd00:7:: and 2001:db8::.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# at FAMILY NETWORK HOST: an address; the network 0 is that of the underlay.
at()
{
	case $1$2 in
	40) echo "192.0.2.$3" ;;
	60) echo "2001:db8::$3" ;;
	4*) echo "10.$2.0.$3" ;;
	*) echo "fd00:$2::$3" ;;
	esac
}

# flow_net INNER LAYERS: the network that the flow is in.
flow_net()
{
	case $1:$2 in
	*:transport:1) echo 0 ;;
	*:transport:2) echo 7 ;;
	*) echo 1 ;;
	esac
}

# layers [KEY=VALUE...]: states and policies of both gateways, and routes.
#	family=4
#	inner=ah:transport	protocol and mode of the inner state
#	layers=2		1: the inner state alone, between the addresses of the underlay
#	in=one			what policies a packet has to satisfy that comes in: one for both states; two, one
#				for each; inner or outer, one for that state only; block, as two, but what
#				comes out of the outer state is blocked; none
#	id=0 inner_id=$id	the if_ids
layers()
{
	local family=4 inner=ah:transport layers=2 in=one id=0 inner_id=''
	[ $# -eq 0 ] || local "$@"

	: "${inner_id:=$id}"
	layers_half 1 2 | ip -n "$gwa" -batch - || return
	layers_half 2 1 | ip -n "$gwb" -batch -
}

# layers_half SELF PEER: prints one gateway's. It uses the variables of layers().
layers_half()
{
	local self=$1 peer=$2 proto=${inner%:*} mode=${inner#*:} net ends=7 number algorithm sel='' level=''
	local under flow end if_id='' inner_if_id='' from to way n prefix nodad='' out_outer='' in_inner in_outer=''

	case $inner:$layers in
	*:transport:1) net=0 ends=0 ;;
	*:1) net=1 ends=0 ;;
	*:transport:2) net=7 ;;
	*) net=1 ;;
	esac
	# What addresses begin with; the host is the last number.
	if [ "$family" = 4 ]; then
		under=192.0.2. flow=10.$net.0. end=10.$ends.0.
	else
		under=2001:db8:: flow=fd00:$net:: end=fd00:$ends:: nodad=nodad
	fi
	[ $net != 0 ] || flow=$under
	[ $ends != 0 ] || end=$under
	[ "$id" = 0 ] || if_id="if_id $id"
	[ "$inner_id" = 0 ] || inner_if_id="if_id $inner_id"
	case $proto in
	esp) number=50 algorithm='aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128' ;;
	ah) number=51 algorithm='auth-trunc hmac(sha256) 0x0102030405060708090a0b0c0d0e0f1011121314 128' ;;
	# What does not get smaller is sent as it is, so compression is optional.
	comp) number=108 algorithm='comp deflate' level='level use' ;;
	esac

	for way in "$self $peer" "$peer $self"; do
		read -r from to <<<"$way"
		[ "$mode" != beet ] || sel="sel src $flow$from dst $flow$to"
		echo "xfrm state add src $end$from dst $end$to proto $proto spi 0x10$from reqid 1 mode $mode" \
			"$algorithm $sel $inner_if_id"
		[ "$layers" = 1 ] ||
			echo "xfrm state add src $under$from dst $under$to proto esp spi 0x20$from reqid 2 mode tunnel" \
				"aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121315 128 $if_id"
	done

	# Without a device, and between the ends of the inner state, the underlay is the way.
	for n in "$ends $end" "$net $flow"; do
		read -r n prefix <<<"$n"
		if [ "$n" = 0 ] || { [ "$n" = $net ] && [ "$inner_id" != 0 ]; }; then
			continue
		fi
		echo "addr replace $prefix$self dev lo $nodad"
		echo "route replace $prefix$peer via $under$peer dev under src $prefix$self"
	done

	if [ "$layers" = 2 ]; then
		out_outer="tmpl src $under$self dst $under$peer proto esp reqid 2 mode tunnel"
		in_outer="tmpl src $under$peer dst $under$self proto esp reqid 2 mode tunnel"
	fi
	echo "xfrm policy add src $flow$self dst $flow$peer dir out priority 5 $inner_if_id" \
		"tmpl src $end$self dst $end$peer proto $proto reqid 1 mode $mode $out_outer"
	way="xfrm policy add src $flow$peer dst $flow$self dir in priority 5 $inner_if_id"
	in_inner="tmpl src $end$peer dst $end$self proto $proto reqid 1 mode $mode $level"
	case $in in
	one) echo "$way $in_inner $in_outer" ;;
	two | block | inner) echo "$way $in_inner" ;;
	outer) echo "$way $in_outer" ;;
	esac
	# Protocols are told apart, because in transport mode the addresses are the same.
	way="xfrm policy add src $end$peer dst $end$self proto $number dir in priority 1 $if_id"
	case $in in
	two) echo "$way $in_outer" ;;
	block) echo "$way action block" ;;
	esac
}

# Takes away what layers() has made.
reset_layers()
{
	local self=1 peer=2 ns

	for ns in "$gwa" "$gwb"; do
		ip -n "$ns" -force -batch - 2>/dev/null <<-END
			addr del 10.1.0.$self dev lo
			addr del 10.7.0.$self dev lo
			addr del fd00:1::$self dev lo
			addr del fd00:7::$self dev lo
			route del 10.1.0.$peer
			route del 10.7.0.$peer
			route del fd00:1::$peer
			route del fd00:7::$peer
		END
		self=2 peer=1
	done
	reset_gateways
}

################################################################################
# A device in another

# espinudp NS GRO: a socket that brings in ESP by port 4500, also by GRO if it says so.
espinudp()
{
	job_start ip netns exec "$1" python3 -c '
import signal, socket, sys
UDP_ENCAP, UDP_GRO, UDP_ENCAP_ESPINUDP = 100, 104, 2
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, int(sys.argv[1]))
s.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
s.bind(("", 4500))
signal.pause()' "$2"
	defer job_stop "$job"
	slowwait 20 inside "$1" grep -q :1194 /proc/net/udp6 >/dev/null
}

# devices_in_each_other FAMILY [ENCAP]: a tunnel with a device "ipsec" in one with a device "outer".
devices_in_each_other()
{
	local family=$1 a b
	a=$(at "$family" 2 1)
	b=$(at "$family" 2 2)

	defer reset_gateways
	defer ip -n "$gwa" link del outer
	defer ip -n "$gwb" link del outer
	device a static 6 name=outer net=2
	device b static 6 name=outer net=2
	device a static 5 dev=
	device b static 5 dev=
	tunnel id=6 n=2 outer="$family"
	tunnel id=5 n=1 a="$a" b="$b" outer="$family" encap="${2-}"
}

outer_without_policy()
{
	local all=0.0.0.0/0

	[ "$1" = 4 ] || all=::/0
	ip -n "$gwb" xfrm policy del src $all dst $all dir in if_id 6
}

nested_let_in()
{
	devices_in_each_other "$@"
	check reach "$gwa" "$(at "$1" 1 2)" 3 -- 'it is not answered'
	# The first packets of a flow may take another way than those that follow.
	check reach "$gwa" "$(at "$1" 1 2)" 5 -s 1000 -- 'it is not answered any more'
}

nested_refused()
{
	devices_in_each_other "$@"
	outer_without_policy "$1"
	check silent "$gwa" "$(at "$1" 1 2)" -- 'it is answered'
	expect 'packets received by the inner device' "$(stat "$gwb" ipsec rx_packets)" 0
}

udp_let_in()
{
	espinudp "$gwa" "$2"
	espinudp "$gwb" "$2"
	nested_let_in "$1" 'espinudp 4500 4500 0.0.0.0'
}

udp_refused()
{
	espinudp "$gwa" "$2"
	espinudp "$gwb" "$2"
	nested_refused "$1" 'espinudp 4500 4500 0.0.0.0'
}
