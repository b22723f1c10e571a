# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The networks that are measured on.
#
#	bench-s               bench-a                            bench-b
#	+-----------+         +---------------------+            +---------------------+
#	| 10.1.0.1  |         | 10.1.0.1 fd00:1::1  |            | 10.128.0.1 fd00:2::1|
#	| fd00:1::1 |         |                     |            |                     |
#	|           |         |    [ipsec]          |            |    [ipsec]          |
#	|     under |---------| host      under     |------------| under               |
#	+-----------+         +---------------------+            +---------------------+
#	only to forward         192.0.2.1 2001:db8::1              192.0.2.2 2001:db8::2
#
# bench-b is there only when packets are received; otherwise bench-a's "under" is a dummy. A packet
# for 10.128.0.0/9 or fd00:2::/64 goes from bench-a to bench-b by one of these ways (its kind):
#
#	plain		without IPsec
#	policy		policies that match addresses, no device
#	vti		a device of the kinds vti and vti6
#	static		an xfrm device with an if_id
#	external	an external xfrm device, the if_id from the route
#	bpf		an external xfrm device, the if_id from a BPF program at the device's egress

declare -A left=([4]=192.0.2.1 [6]=2001:db8::1)
declare -A right=([4]=192.0.2.2 [6]=2001:db8::2)
declare -A source=([4]=10.1.0.1 [6]=fd00:1::1)
declare -A first=([4]=10.128.0.1 [6]=fd00:2::1)
declare -A there=([4]=10.128.0.0/9 [6]=fd00:2::/64)
declare -A all=([4]=0.0.0.0/0 [6]=::/0)

# The connection of everything that has one connection.
id=7

################################################################################
# Namespaces and links

# namespace NAME: one without anything that sends packets by itself.
namespace()
{
	ip netns add "$1"
	ip netns exec "$1" sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 net.ipv6.conf.default.accept_dad=0 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ip -n "$1" link set lo up
}

# underlay dummy|veth: bench-a, and bench-b where somebody is to receive.
underlay()
{
	namespace bench-a
	if [ "$1" = dummy ]; then
		ip -n bench-a link add under type dummy
	else
		namespace bench-b
		ip -n bench-a link add under address 02:00:00:00:00:01 type veth \
			peer name under address 02:00:00:00:00:02 netns bench-b
		ip -n bench-b -batch - <<-END
			addr add ${right[4]}/24 dev under
			addr add ${right[6]}/64 dev under nodad
			addr add ${first[4]}/32 dev lo
			addr add ${first[6]}/128 dev lo nodad
			link set under mtu 1600 up
		END
	fi
	ip -n bench-a -batch - <<-END
		addr add ${left[4]}/24 dev under
		addr add ${left[6]}/64 dev under nodad
		link set under mtu 1600 up
		neigh add ${right[4]} dev under lladdr 02:00:00:00:00:02 nud permanent
		neigh add ${right[6]} dev under lladdr 02:00:00:00:00:02 nud permanent
	END
}

# sender: gives bench-a the addresses that packets come from.
sender()
{
	ip -n bench-a -batch - <<-END
		addr add ${source[4]}/32 dev lo
		addr add ${source[6]}/128 dev lo nodad
	END
	origin=1
}

# host: gives those addresses to bench-s, for which bench-a forwards.
host()
{
	namespace bench-s
	ip -n bench-s link add under type veth peer name host address 02:00:00:00:00:03 netns bench-a
	ip netns exec bench-a sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n bench-a -batch - <<-END
		addr add 10.1.0.2/24 dev host
		addr add fd00:1::2/64 dev host nodad
		link set host up
	END
	ip -n bench-s -batch - <<-END
		addr add ${source[4]}/24 dev under
		addr add ${source[6]}/64 dev under nodad
		link set under up
		neigh add 10.1.0.2 dev under lladdr 02:00:00:00:00:03 nud permanent
		neigh add fd00:1::2 dev under lladdr 02:00:00:00:00:03 nud permanent
		route add ${there[4]} via 10.1.0.2
		route add ${there[6]} via fd00:1::2
	END
	origin=''
}

remove_all()
{
	local name

	for name in bench-s bench-a bench-b; do
		[ ! -e "/run/netns/$name" ] || ip netns del "$name"
	done
	settle
}

################################################################################
# Connections. These print lines for ip -batch.

# state FAMILY NUMBER [OPTIONS]
state()
{
	local algorithm='enc ecb(cipher_null) "" auth digest_null ""'

	[ "$CIPHER" = null ] || algorithm='aead rfc4106(gcm(aes)) 0x0123456789abcdef0123456789abcdef01234567 128'
	echo "xfrm state add src ${left[$1]} dst ${right[$1]} proto esp spi $((0x1000 + $2)) reqid $2" \
		"mode tunnel flag af-unspec $algorithm ${3-}"
}

# policy FAMILY NUMBER in|out FROM TO [OPTIONS]
policy()
{
	echo "xfrm policy add src $4 dst $5 dir $3 ${6-}" \
		"tmpl src ${left[$1]} dst ${right[$1]} proto esp reqid $2 mode tunnel"
}

# device KIND FAMILY LOCAL REMOTE
device()
{
	case $1 in
	vti) echo "link add ipsec type vti${2#4} local $3 remote $4 key $id" ;;
	static) echo "link add ipsec type xfrm dev under if_id $id" ;;
	external | bpf) echo 'link add ipsec type xfrm external' ;;
	*) return ;;
	esac
	echo 'link set ipsec up'
}

# connection KIND FAMILY in|out: the state and policy.
connection()
{
	local from=${all[$2]} to=${all[$2]} of_state='' of_policy=''

	case $1 in
	plain) return ;;
	policy) from=${source[$2]} to=${there[$2]} ;;
	vti) of_policy="mark $id" ;;
	*) of_state="if_id $id" of_policy=$of_state ;;
	esac
	state "$2" "$id" "$of_state"
	policy "$2" "$id" "$3" "$from" "$to" "$of_policy"
}

# outbound KIND FAMILY: makes bench-a send that way.
outbound()
{
	local way='dev ipsec' from=''

	[ -z "$origin" ] || from="src ${source[$2]}"
	case $1 in
	plain | policy) way="via ${right[$2]}" ;;
	external) way+=" encap xfrm if_id $id" ;;
	esac
	ip -n bench-a -batch - <<-END
		$(device "$1" "$2" "${left[$2]}" "${right[$2]}")
		$(connection "$1" "$2" out)
		route add ${there[$2]} $way $from
	END
	[ "$1" != bpf ] || {
		tc -n bench-a qdisc add dev ipsec clsact
		tc -n bench-a filter add dev ipsec egress bpf direct-action obj "$BPF" program set_if_id
	}
}

# inbound KIND FAMILY: makes bench-b receive what was sent that way.
inbound()
{
	ip -n bench-b -batch - <<-END
		$(device "$1" "$2" "${right[$2]}" "${left[$2]}")
		$(connection "$1" "$2" in)
	END
}
