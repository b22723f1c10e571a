#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 90
#
# ICMP errors about packets that an XFRM device can't send reach the sender in its VRF, though the
# device is in none, or in another. Tenants' addresses are the same, so an error that is looked up
# elsewhere reaches nobody, or another tenant.

. "$(dirname "$0")/../lib/tenants.sh"

host=''

# combination FAMILY: sets what differs between families. A packet of this size fits into the link
# of a host, and not into a tunnel.
combination()
{
	if [ "$1" = 4 ]; then
		to=10.0.2.2 gateway=10.0.1.1 size=1472 nat='ip' translated=198.18.0.1
		too_big='Frag needed and DF set (mtu = 1446)' unreachable='Destination Host Unreachable'
	else
		to=fd00:b::2 gateway=fd00:a::1 size=1452 nat='ip6' translated=2001:db8:9::1
		too_big='Packet too big: mtu=1446' unreachable='Destination unreachable: Address unreachable'
	fi
}

# told WHAT NS [PING-OPTIONS...]: whether the sender of a packet is told that, by its gateway.
told()
{
	local what="From ${by:-$gateway} icmp_seq=1 $1" ns=$2 out
	shift 2

	ip -n "$ns" -4 route flush cache
	ip -n "$ns" -6 route flush cache
	out=$(inside "$ns" ping -n -c 1 -W 2 "$@" "$to" 2>&1)
	check grep -qF "$what" <(echo "$out") -- "the sender is told: $(sed -n 2p <<<"$out"), should be: $what"
}

# told_too_big NS [PING-OPTIONS...]
told_too_big()
{
	local ns=$1
	shift

	told "$too_big" "$ns" -M 'do' -s "$size" "$@"
}

# without_states NUMBER: takes away the tenant's states, for this subtest.
without_states()
{
	local gw

	for gw in "$gwa" "$gwb"; do
		ip -n "$gw" xfrm state deleteall reqid $(($1 * 8 + 1))
	done
	defer tunnel id="$1" n="$1" what=state
}

# Each tenant's host sends, and the others are not told.
forwarded()
{
	local what=$1 i left before

	combination "$2"
	for i in 1 2 3; do
		left=left$i
		[ "$what" = too_big ] || without_states "$i"
		before=$(errors_received "$i")
		"told_$what" "${!left}" || return
		expect "what the others were told, for tenant $i" "$(errors_received "$i")" "$before"
	done
}

# errors_received NUMBER: of all hosts but that one.
errors_received()
{
	local i left

	for i in 1 2 3; do
		left=left$i
		[ "$i" = "$1" ] ||
			inside "${!left}" nstat -asz IcmpInDestUnreachs Icmp6InDestUnreachs Icmp6InPktTooBigs |
			awk '!/^#/ { print $2 }'
	done | paste -sd' '
}

told_unreachable()
{
	told "$unreachable" "$@"
}

# The gateway itself sends, from the tenant's VRF.
locally()
{
	combination "$2"
	[ "$1" = too_big ] || without_states 2
	# Not where the others send to: with a path MTU that was learned, the kernel itself drops
	# forwarded packets of IPv6, and looks up the error by the device.
	to=${to%2}1
	"told_$1" "$gwa" -I red2
}

# The addresses of the tenant are translated, to one that the gateway has, or to one that nobody has.
translated()
{
	local what=$1 owner=$3

	combination "$2"
	[ "$what" = too_big ] || without_states 2
	if [ "$owner" = owned ]; then
		defer ip -n "$gwa" addr flush dev lo to "$translated"
		ip -n "$gwa" addr add "$translated" dev lo
	fi
	defer inside "$gwa" nft delete table "$nat" translate
	inside "$gwa" nft -f - <<-END
		table $nat translate {
			chain post {
				type nat hook postrouting priority srcnat;
				oifname "ipsec" snat to $translated
			}
		}
	END
	"told_$what" "$left2"
}

# Routes lead out of the VRF, and back only for those who look outside of it.
back_by_main()
{
	local route

	combination "$1"
	route=10.0.1.0/24
	[ "$1" = 4 ] || route=fd00:a::/64
	defer eval "ip -n $gwa route del $route dev host3; ip -n $gwa route add $route vrf red3 dev host3
		ip -n $gwa -$1 route del unreachable default vrf red3 metric 4278198272"
	# Without this, as vrf.rst of the kernel advises, other tables come after that of the VRF.
	ip -n "$gwa" "-$1" -batch - <<-END || return
		route add unreachable default vrf red3 metric 4278198272
		route del $route vrf red3 dev host3
		route add $route dev host3
	END
	by='' told_too_big "$left3"
}

# host_outside: a host that is in no VRF.
host_outside()
{
	defer eval "ip -n $gwa link del in; ip netns del \$host"
	setup_ns host
	quiet "$host"
	host_behind_gwa "$host"
}

# A device that is in a VRF, and a host that is in none.
device_in_vrf()
{
	local by=10.3.0.1

	combination "$1"
	[ "$1" = 4 ] || by=fd00:3::1
	host_outside
	defer ip -n "$gwa" link del own
	ip -n "$gwa" -batch - <<-END || return
		link add own type xfrm if_id 2
		link set own master red3
		link set own up
		route add $to dev own
	END
	told_too_big "$host"
}

# The tenant is known by a mark.
by_mark()
{
	local by=10.3.0.1 family=-4

	combination "$1"
	[ "$1" = 4 ] || by=fd00:3::1 family=-6
	host_outside
	defer eval "ip -n $gwa $family rule del pref 400; ip -n $gwa $family route flush table 205
		inside $gwa nft delete table inet marks
		inside $gwa sysctl -qw net.ipv4.fwmark_reflect=0 net.ipv6.fwmark_reflect=0"
	inside "$gwa" sysctl -qw net.ipv4.fwmark_reflect=1 net.ipv6.fwmark_reflect=1
	inside "$gwa" nft -f - <<-END
		table inet marks {
			chain pre {
				type filter hook prerouting priority raw;
				iifname "in" meta mark set 5
			}
		}
	END
	ip -n "$gwa" $family -batch - <<-END || return
		rule add fwmark 5 lookup 205 pref 400
		route add ${by%1}0/$([ "$1" = 4 ] && echo 24 || echo 64) dev in table 205
		route del ${by%1}0/$([ "$1" = 4 ] && echo 24 || echo 64) dev in
		route add $to dev ipsec encap xfrm if_id 2 table 205
	END
	told_too_big "$host"
}

# A tenant's packets go through a policy's tunnel, whose packets go through the device: an error about
# those is for the gateway itself, wherever else the tenant's routes lead to.
policy_tunnel_inside()
{
	local out before

	defer no_policy_tunnel
	# VRFs come before local addresses, as vrf.rst of the kernel advises.
	ip -n "$gwa" -batch - <<-END || return
		rule add lookup local pref 2000
		rule del lookup local pref 0
		addr add 198.18.7.1/32 dev lo
		route add 198.18.7.2 dev ipsec src 198.18.7.1 encap xfrm if_id 2
		route add 10.0.3.0/24 vrf red1 dev under
		route add default vrf red1 via 10.0.1.2
		xfrm policy add dst 10.0.3.0/24 dir out tmpl src 198.18.7.1 dst 198.18.7.2 proto esp reqid 99 mode tunnel
		xfrm state add src 198.18.7.1 dst 198.18.7.2 proto esp spi 0x999 reqid 99 mode tunnel \
			aead rfc4106(gcm(aes)) 0x$(printf '%040x' 99) 128
	END
	before=$(unreachables "$gwa")
	out=$(inside "$left1" ping -n -c 3 -i 0.2 -W 1 -M 'do' -s 1372 10.0.3.3 2>&1)
	check grep -qE 'Frag needed|message too long' <(echo "$out") -- "the sender is not told: $out"
	check [ "$(unreachables "$gwa")" -gt "$before" ] -- 'the gateway is not told'
}

# shellcheck disable=SC2329
no_policy_tunnel()
{
	ip -n "$gwa" -force -batch - <<-END
		route del default vrf red1
		route del 10.0.3.0/24 vrf red1
		xfrm policy del dst 10.0.3.0/24 dir out
		xfrm state deleteall reqid 99
		route del 198.18.7.2
		addr del 198.18.7.1/32 dev lo
		rule add lookup local pref 0
		rule del lookup local pref 2000
	END
}

# unreachables NS: how often it was told that something can't be reached.
unreachables()
{
	inside "$1" nstat -asz IcmpInDestUnreachs | awk '!/^#/ { print $2 }'
}

setup_tenants

for family in 4 6; do
	for what in too_big unreachable; do
		subtest ${what}_forwarded_$family forwarded $what $family
		subtest ${what}_local_$family locally $what $family
		subtest ${what}_nat_owned_$family translated $what $family owned
		subtest ${what}_nat_pool_$family translated $what $family pool
	done
	subtest back_by_main_$family back_by_main $family
	subtest device_in_vrf_$family device_in_vrf $family
	subtest by_mark_$family by_mark $family
done
subtest policy_tunnel_inside_4 policy_tunnel_inside

finish
