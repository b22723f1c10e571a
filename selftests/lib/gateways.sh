# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Part of lib.sh: what nearly all tests use, two gateways, their devices and their tunnels.
#
#	      gwa                                gwb
#	+--------------+                   +--------------+
#	|    ipsec     |                   |    ipsec     |
#	| 10.N.0.1     |                   | 10.N.0.2     |
#	| fd00:N::1    |                   | fd00:N::2    |
#	|              |                   |              |
#	|    under ----|-------------------|---- under    |
#	+--------------+   192.0.2.0/24    +--------------+
#	              .1   2001:db8::/64   .2

# Set by setup_ns.
gwa='' gwb=''

declare -A under4=([a]=192.0.2.1 [b]=192.0.2.2)
declare -A under6=([a]=2001:db8::1 [b]=2001:db8::2)

# Namespaces stay quiet: nothing but the tests' own packets, so that counters are exact.
quiet()
{
	local ns

	for ns in "$@"; do
		inside "$ns" sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 \
			net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
			net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 \
			net.ipv6.icmp.ratelimit=0
	done
}

# forwarding_link NS DEVICE...: gives devices the link-local address that quiet() has kept from
# them. Without it the kernel can't ask for the neighbours of packets that it forwards.
forwarding_link()
{
	local ns=$1 dev
	shift

	for dev in "$@"; do
		ip -n "$ns" link set "$dev" addrgenmode eui64
	done
}

# host_behind_gwa NS: a host whose packets gwa forwards, as it gets them from a veth called "in".
host_behind_gwa()
{
	ip -n "$gwa" link add in type veth peer name eth0 netns "$1"
	forwarding_link "$gwa" in
	ip -n "$gwa" -batch - <<-END
		addr add 10.3.0.1/24 dev in
		addr add fd00:3::1/64 dev in nodad
		link set in up
	END
	ip -n "$1" -batch - <<-END
		addr add 10.3.0.2/24 dev eth0
		addr add fd00:3::2/64 dev eth0 nodad
		link set eth0 up
		route add default via 10.3.0.1
		route add default via fd00:3::1
	END
	inside "$gwa" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# setup_gateways: gwa and gwb, joined by a veth pair that is called "under" in both.
setup_gateways()
{
	setup_ns gwa gwb
	quiet "$gwa" "$gwb"
	ip -n "$gwa" link add under type veth peer name under netns "$gwb"
	gateway_address "$gwa" a
	gateway_address "$gwb" b
	neighbours "$gwa" b "$gwb"
	neighbours "$gwb" a "$gwa"
}

# Neighbours are known, because policies for everything would keep them from being asked for.
neighbours()
{
	local ns=$1 side=$2 mac

	mac=$(inside "$3" cat /sys/class/net/under/address)
	ip -n "$ns" -batch - <<-END
		neigh replace ${under4[$side]} dev under lladdr $mac nud permanent
		neigh replace ${under6[$side]} dev under lladdr $mac nud permanent
	END
}

gateway_address()
{
	local ns=$1 side=$2

	ip -n "$ns" -batch - <<-END
		addr add ${under4[$side]}/24 dev under
		addr add ${under6[$side]}/64 dev under nodad
		link set under up
	END
}

# Takes away what a subtest has put onto the gateways, but not the gateways.
reset_gateways()
{
	local ns

	for ns in "$gwa" "$gwb" "$@"; do
		ip -n "$ns" -force -batch - 2>/dev/null <<-END
			link del ipsec
			xfrm policy flush
			xfrm state flush
		END
	done
}

# device SIDE KIND IF_ID [KEY=VALUE...]: an xfrm device with an address of each family and a route
# to its peer.
#	name=ipsec	what it is called
#	net=1		the N of 10.N.0.0 and fd00:N::
#	dev=under	the underlay of a static device; none if empty
#	ns=		another namespace than the gateway's
device()
{
	local side=$1 kind=$2 id=$3 name=ipsec net=1 dev=under ns='' self peer encap=''
	shift 3
	[ $# -eq 0 ] || local "$@"

	if [ "$side" = a ]; then
		self=1 peer=2 ns=${ns:-$gwa}
	else
		self=2 peer=1 ns=${ns:-$gwb}
	fi
	if [ "$kind" = static ]; then
		ip -n "$ns" link add "$name" type xfrm ${dev:+dev "$dev"} if_id "$id"
	else
		ip -n "$ns" link show "$name" >/dev/null 2>&1 ||
			ip -n "$ns" link add "$name" type xfrm external
		encap="encap xfrm if_id $id"
	fi
	device_address
}

# The second half of device(), which has set the variables.
device_address()
{
	ip -n "$ns" -batch - <<-END
		link set $name up
		addr add 10.$net.0.$self/32 dev $name
		addr add fd00:$net::$self/128 dev $name nodad
		route add 10.$net.0.$peer/32 dev $name src 10.$net.0.$self $encap
		route add fd00:$net::$peer/128 dev $name src fd00:$net::$self $encap
	END
}

# tunnel [KEY=VALUE...]: states and policies of both directions on both gateways.
#	id=0		the if_id, or id_a= and id_b= where the sides differ; 0 is none
#	n=1		a number that makes SPIs and reqids different from other tunnels'
#	outer=4		the family of the underlay
#	inner="4 6"	the families that policies are made for
#	chain=esp:tunnel  transforms, innermost first
#	a= b=		the endpoints, if not the gateways' underlay addresses
#	ns_a= ns_b=	the namespaces, if not the gateways
#	way="out in"	whether what is sent, what is received, or both
#	sel_a= sel_b=	the inner addresses that policies are for, if not all
#	what="state policy"
#	carries=	"one" if states of tunnels carry the outer family only
#	encap=		what ESP is encapsulated in, in the words of ip
#	mark=		the output-mark of states for what is sent, in the words of ip
#	mark_in=	that of states for what is received
tunnel()
{
	local id=0 id_a='' id_b='' n=1 outer=4 inner='4 6' chain=esp:tunnel a='' b=''
	local ns_a=$gwa ns_b=$gwb way='out in' what='state policy' sel_a='' sel_b='' carries='' encap='' mark='' mark_in=''
	[ $# -eq 0 ] || local "$@"

	if [ "$outer" = 4 ]; then
		: "${a:=${under4[a]}}" "${b:=${under4[b]}}"
	else
		: "${a:=${under6[a]}}" "${b:=${under6[b]}}"
	fi
	[ -z "$ns_a" ] || tunnel_half "$a" "$b" "${id_a:-$id}" 0 "$sel_a" "$sel_b" | ip -n "$ns_a" -batch - || return
	[ -z "$ns_b" ] || tunnel_half "$b" "$a" "${id_b:-$id}" 1 "$sel_b" "$sel_a" | ip -n "$ns_b" -batch -
}

# tunnel_half SELF PEER IF_ID SIDE [FROM TO]: prints one gateway's states and policies for ip
# -batch. It uses the variables of tunnel().
tunnel_half()
{
	local self=$1 peer=$2 if_id='' side=$4 templates_out='' templates_in='' i=0 link proto mode
	local spi_out spi_in reqid algorithm flags level family all

	[ "$3" = 0 ] || if_id="if_id $3"
	for link in $chain; do
		proto=${link%:*} mode=${link#*:} flags='' level=''
		spi_out=$((0x1000 + n * 16 + i * 2 + side))
		spi_in=$((0x1000 + n * 16 + i * 2 + 1 - side))
		reqid=$((n * 8 + i + 1))
		[ "$mode" = transport ] || [ "$carries" = one ] || flags='flag af-unspec'
		case $proto in
		esp)
			algorithm="aead rfc4106(gcm(aes)) 0x$(printf '%040x' $((reqid + 0xabcdef))) 128"
			algorithm+=${encap:+ encap $encap}
			;;
		ah) algorithm="auth-trunc hmac(sha256) 0x$(printf '%064x' $((reqid + 0x123456))) 128" ;;
		# What does not get smaller is sent as it is, so compression is optional.
		comp) algorithm='comp deflate' level='level use' flags='' ;;
		esac
		if [[ $what = *state* && $way = *out* ]]; then
			echo "xfrm state add src $self dst $peer proto $proto spi $spi_out reqid $reqid" \
				"mode $mode $flags $algorithm ${mark:+output-mark $mark} $if_id"
		fi
		if [[ $what = *state* && $way = *in* ]]; then
			echo "xfrm state add src $peer dst $self proto $proto spi $spi_in reqid $reqid" \
				"mode $mode $flags $algorithm ${mark_in:+output-mark $mark_in} $if_id"
		fi
		templates_out+=" tmpl src $self dst $peer proto $proto reqid $reqid mode $mode"
		templates_in+=" tmpl src $peer dst $self proto $proto reqid $reqid mode $mode $level"
		i=$((i + 1))
	done
	[[ $what = *policy* ]] || return 0
	for family in $inner; do
		all=0.0.0.0/0
		[ "$family" = 4 ] || all=::/0
		if [[ $way = *out* ]]; then
			echo "xfrm policy add src ${5:-$all} dst ${6:-$all} dir out $if_id $templates_out"
		fi
		if [[ $way = *in* ]]; then
			echo "xfrm policy add src ${6:-$all} dst ${5:-$all} dir in $if_id $templates_in"
			echo "xfrm policy add src ${6:-$all} dst ${5:-$all} dir fwd $if_id $templates_in"
		fi
	done
}
