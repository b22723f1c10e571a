#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 34
#
# Packets as no host should send them: packets/main.c says how they come about. They are sent to
# gwb, to devices and states of each sort that it has, and straight to the devices of "sender".
# After each chunk a tunnel between gwa and gwb, which has nothing to do with them, has to work.
#
#	     gwa               gwb: [ipsec] if_id 4, the good tunnel
#	+-----------+      +-----------------+      sender
#	|   under --|------|-- under         |    +------------------+
#	|     ^     |      |      static  5  |    |   exact        5 |
#	|     |     |      |    external  6  |    |  static       11 |
#	+-----|-----+      | idle (down)  7  |    | external    6..9 |
#	   packets         |    in a VRF  8  |    |   under (dummy)  |
#	                   | other netns  9  |    +------------------+
#	                   |       none      |
#	        packets -->|-- tap           |
#	                   +-----------------+

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/fuzz.sh"

sender='' inner=''

# The if_ids of the receiver's states, by the number of their owner in an SPI.
owners=(5 6 7 8 9 0)

# states SELF PEER IP-VERSION IF_ID NUMBER: prints those by which SELF receives from PEER. The
# numbers are those of packets/layers.c.
states()
{
	local self=$1 peer=$2 version=$3 if_id='' spi=$5 null
	local inner='sel src 10.1.0.1/32 dst 10.1.0.2/32' ends="src $2 dst $1"

	[ "$4" = 0 ] || if_id="if_id $4"
	null='enc ecb(cipher_null) "" auth digest_null "" replay-window 0'
	[ "$version" = 4 ] || inner='sel src fd00:1::1/128 dst fd00:1::2/128'
	cat <<-END
		xfrm state add $ends proto esp spi $spi mode tunnel flag af-unspec $null $if_id
		xfrm state add $ends proto esp spi $((spi + 1)) mode transport $null $if_id
		xfrm state add $ends proto esp spi $((spi + 2)) mode beet $null $inner $if_id
		xfrm state add $ends proto esp spi $((spi + 3)) mode tunnel flag af-unspec $null encap espinudp 4500 4500 0.0.0.0 $if_id
		xfrm state add $ends proto ah spi $((spi + 8)) mode tunnel flag af-unspec auth digest_null "" $if_id
		xfrm state add $ends proto ah spi $((spi + 9)) mode transport auth digest_null "" $if_id
		xfrm state add $ends proto comp spi $((spi + 16)) mode tunnel flag af-unspec comp deflate $if_id
		xfrm state add $ends proto comp spi $((spi + 17)) mode transport comp deflate $if_id
	END
}

# Whatever a packet came through, one layer of it at least is allowed. The kernel takes five
# templates.
allowed()
{
	local if_id=$1 family dir templates='' proto

	for proto in esp ah comp; do
		templates+=" tmpl src ${under4[a]} dst ${under4[b]} proto $proto mode tunnel level use"
	done
	for proto in esp ah; do
		templates+=" tmpl src ${under6[a]} dst ${under6[b]} proto $proto mode tunnel level use"
	done
	for family in 0.0.0.0/0 ::/0; do
		for dir in in fwd; do
			echo "xfrm policy add src $family dst $family dir $dir if_id $if_id $templates"
		done
	done
}

receiver()
{
	local i if_id version

	inside "$gwb" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ip -n "$gwb" -batch - <<-END
		link add red type vrf table 100
		link set red up
		link add static type xfrm if_id 5
		link add idle type xfrm if_id 7
		link add member type xfrm if_id 8
		link set member master red
		link set static up
		link set member up
		addr add 10.1.0.2/32 dev static
		addr add fd00:1::2/128 dev static nodad
		addr add 10.1.0.2/32 dev member
		addr add fd00:1::2/128 dev member nodad
		route add 10.1.0.0/16 dev static
		route add fd00:1::/32 dev static
	END
	ip -n "$inner" -batch - <<-END
		link set lo up
		link add other link-netns $gwb type xfrm if_id 9
		link set other up
		addr add 10.1.0.2/32 dev other
		addr add fd00:1::2/128 dev other nodad
		route add default dev other
	END
	{
		for i in "${!owners[@]}"; do
			if_id=${owners[i]}
			states "${under4[b]}" "${under4[a]}" 4 "$if_id" $((0x2000 + i * 64))
			states "${under6[b]}" "${under6[a]}" 6 "$if_id" $((0x2000 + i * 64 + 32))
			# What is sent goes by the same numbers, so that errors can be about them.
			states "${under4[a]}" "${under4[b]}" 4 "$if_id" $((0x2000 + i * 64))
			states "${under6[a]}" "${under6[b]}" 6 "$if_id" $((0x2000 + i * 64 + 32))
			[ "$if_id" = 0 ] || allowed "$if_id"
		done
		# Answers, and what is forwarded, by one of them.
		for if_id in 5 6 8 9; do
			outward "$if_id" "${under4[b]}" "${under4[a]}" esp:tunnel
		done
	} >"$tmp/states"
	check ip -n "$gwb" -batch "$tmp/states" -- 'the receiver has not all states'
	external_device up
}

# outward IF_ID SELF PEER TRANSFORM...: prints policies for all that leaves.
outward()
{
	local if_id=$1 self=$2 peer=$3 family link templates=''
	shift 3

	for link in "$@"; do
		templates+=" tmpl src $self dst $peer proto ${link%:*} mode ${link#*:}"
	done
	for family in 0.0.0.0/0 ::/0; do
		echo "xfrm policy add src $family dst $family dir out if_id $if_id $templates"
	done
}

# routes NS FROM TO: those that name connections, by the second number of the address.
routes()
{
	local i

	for ((i = $2; i <= $3; i++)); do
		echo "route add 10.$i.0.0/16 dev external encap xfrm if_id $((i + 4))"
		echo "route add fd00:$i::/32 dev external encap xfrm if_id $((i + 4))"
	done | ip -n "$1" -batch -
}

sender()
{
	local if_id null='enc ecb(cipher_null) "" auth digest_null ""' self=${under4[a]} peer=${under4[b]}
	local self6=${under6[a]} peer6=${under6[b]}

	ip -n "$sender" -batch - <<-END
		link set lo up
		link add under type dummy
		addr add $self/24 dev under
		addr add $self6/64 dev under nodad
		link set under up
		route add default dev under
		link add exact type xfrm if_id 5
		link add static type xfrm dev under if_id 11
		link add external type xfrm external
		link set exact up
		link set static up
		link set external up
		addr add 10.1.0.1/32 dev external
		addr add fd00:1::1/128 dev external nodad
	END
	{
		for if_id in 5 6 7 8 9 10 11; do
			echo "xfrm state add src $self dst $peer proto esp spi $((0x3000 + if_id)) mode tunnel flag af-unspec $null if_id $if_id"
			echo "xfrm state add src $self6 dst $peer6 proto esp spi $((0x3000 + if_id)) mode tunnel flag af-unspec $null if_id $if_id"
			echo "xfrm state add src $self dst $peer proto comp spi $((0x3000 + if_id)) mode tunnel flag af-unspec comp deflate if_id $if_id"
		done
		outward 5 "$self" "$peer" esp:tunnel
		outward 6 "$self" "$peer" esp:tunnel
		outward 7 "$self6" "$peer6" esp:tunnel
		outward 8 "$self" "$peer" comp:tunnel esp:transport
		outward 9 "$self" "$peer" esp:tunnel
		# 10 has states and no policy.
		outward 11 "$self6" "$peer6" esp:tunnel
	} >"$tmp/states"
	check ip -n "$sender" -batch "$tmp/states" -- 'the sender has not all states'
	routes "$sender" 2 7
	if bpf_build "$tools/metadata.bpf.c" "$tmp/metadata.bpf.o" 2>/dev/null; then
		tc -n "$sender" qdisc add dev external clsact
		check tc -n "$sender" filter add dev external egress bpf direct-action obj "$tmp/metadata.bpf.o" \
			program if_id_is_mark_if_any -- 'the program is not accepted'
	fi
}

# good WHEN: a tunnel that has nothing to do with it works, once what errors have told is forgotten.
good()
{
	local ns

	for ns in "$gwa" "$gwb"; do
		ip -n "$ns" route flush cache
		ip -n "$ns" -6 route flush cache
	done
	check reach "$gwa" 10.100.0.2 2 -- "IPv4 is not answered $1" &&
		check reach "$gwa" fd00:100::2 2 -- "IPv6 is not answered $1"
}

# fuzz_some WHEN COMMAND...: sends some, and checks all that can be checked.
fuzz_some()
{
	local when=$1 before said name
	shift

	read -r packets errors < <(stat "$sender" exact tx_packets tx_errors)
	before=$((packets + errors))
	said=$("$@" 2>&1)
	check_err $? "$said, $when"
	((RET == ksft_pass)) || return
	read -r packets errors < <(stat "$sender" exact tx_packets tx_errors)
	said=${said#*exact=}
	expect "packets that one device has sent or refused, $when," $((packets + errors - before)) "${said%% *}"
	for name in exact static external; do
		read -r errors dropped aborted < <(stat "$sender" "$name" tx_errors tx_dropped tx_aborted_errors)
		# The stack drops, too, what it can't cut into segments.
		check [ "$errors" -le $((dropped + aborted)) ] -- \
			"$name: $errors errors, $dropped dropped, $aborted aborted, $when"
	done
	good "$when"
	((RET == ksft_pass))
}

# The receiver's external device is up, or down, or not there.
external_device()
{
	ip -n "$gwb" link show external >/dev/null 2>&1 && ip -n "$gwb" link del external
	[ "$1" != gone ] || return 0
	ip -n "$gwb" -batch - <<-END
		link add external type xfrm external
		link set external up
		addr add 10.6.0.2/32 dev external
		addr add fd00:6::2/128 dev external nodad
	END
	routes "$gwb" 2 8
	[ "$1" != down ] || ip -n "$gwb" link set external down
}

# What has reached the driver, which would be nothing if all were refused before it.
reached()
{
	local entry ns dev counter value said=''
	local counters=("$gwb static rx_packets" "$gwb member rx_packets" "$inner other rx_packets"
		"$gwb static rx_errors" "$sender exact tx_packets" "$sender exact tx_errors"
		"$sender external tx_packets" "$sender external tx_errors")

	# The C driver does not know a device that is down.
	[ "$DRIVER" = c ] || counters+=("$gwb idle rx_errors")
	for entry in "${counters[@]}"; do
		read -r ns dev counter <<<"$entry"
		value=$(stat "$ns" "$dev" "$counter")
		said+=", $dev $counter $value"
		check [ "$value" -gt 0 ] -- "$dev has no $counter"
	done
	log_info "${said#, }"
	log_info "$(inside "$gwb" awk '$2 { printf "%s%s %s", comma, $1, $2; comma = ", " }' /proc/net/xfrm_stat)"
}

run()
{
	local chunk=20000 left n when states=(up down gone)

	fuzz_parameters 20000
	for ((left = count; left > 0; left -= n, seed++)); do
		n=$((left < chunk ? left : chunk))
		when="with FUZZ_SEED=$seed FUZZ_COUNT=$n"
		# By the seed, which repeats this, too.
		external_device "${states[seed % 3]}"
		fuzz_some "$when" "$fuzzer" run "$seed" "$n" "$gwa" "$gwb" "$sender" || return
		(((count - left) / chunk % 10 != 9)) || log_info "$left left, next FUZZ_SEED=$((seed + 1))"
	done
	((count < chunk)) || reached
}

corpus()
{
	local file

	for file in "$here"/corpus/packets/*; do
		fuzz_some "with ${file##*/}" "$fuzzer" replay "$gwa" "$gwb" "$sender" -- "$file" || return
	done
}

# A header that is not in the packet's linear part is read all the same: of two packets that are too
# big, each in a page, that is refused which must not be fragmented.
header_in_page()
{
	local vnet='00 00 01 00 00 00 00 00 00 00' sent errors said
	local header='45 00 13 88 00 00' rest='0a 01 00 01 0a 03 00 02 00*4980'

	ip -n "$sender" link set static mtu 9000
	defer ip -n "$sender" link set static mtu 1500
	cat >"$tmp/case" <<-END
		static-gso 08 00 $vnet $header 00 00 40 11 53 5f $rest
		static-gso 08 00 $vnet $header 40 00 40 11 13 5f $rest
	END
	read -r sent errors < <(stat "$sender" static tx_packets tx_errors)
	said=$("$fuzzer" replay "$gwa" "$gwb" "$sender" -- "$tmp/case" 2>&1)
	check_err $? "$said"
	expect 'what was sent and refused' "$(stat "$sender" static tx_packets tx_errors)" "$((sent + 1)) $((errors + 1))"
}

prepare()
{
	setup_gateways
	setup_ns sender inner
	quiet "$sender" "$inner"
	modprobe tun
	device a static 4 net=100
	device b static 4 net=100
	tunnel id=4 n=3 sel_a=10.100.0.1 sel_b=10.100.0.2 inner=4
	tunnel id=4 n=3 sel_a=fd00:100::1 sel_b=fd00:100::2 inner=6 what=policy
	# Frames large enough to have more than one page.
	ip -n "$gwa" link set under mtu 9600
	ip -n "$gwb" link set under mtu 9600
	receiver
	sender
	good 'before anything was sent'
}

fuzz_build packets
RET=0
prepare
log_test prepare
subtest header_in_page header_in_page
subtest corpus corpus
subtest run run
finish
