#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A packet goes where a look-up at this moment would send it, however many packets of its flow went another
# way before, and whatever it is that has changed: policies of any family, in any namespace, of any kind; states
# below the first one; routes, rules, gateways; what tells flows apart.
#
# In each subtest a flow sends without pause, so that nothing is forgotten for having rested. One thing is changed,
# and the very next packet has to be right. That nothing is right only because it is looked up again after some
# time, lib.sh has seen to when it loaded the driver.
#
#	inner[ipsec]				where a subtest says so
#	      :
#	     gwa[ipsec] ---- under ---- under ---- gwb
#	      |
#	    other, a dummy
#
# States of gwa are named by their SPI: 0x1010 is that of the first tunnel, 0x1020 that of the second.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bundles-lib.sh"
. "$(dirname "$0")/flow-lib.sh"

inner=''

# combination INNER OUTER: sets what differs between families.
combination()
{
	inner_family=$1 outer_family=$2
	if [ "$1" = 4 ]; then
		from=10.1.0.1 to=10.1.0.2 length=32 everything='src 0.0.0.0/0 dst 0.0.0.0/0'
	else
		from=fd00:1::1 to=fd00:1::2 length=128 everything='src ::/0 dst ::/0'
	fi
	if [ "$2" = 4 ]; then
		self=${under4[a]} peer=${under4[b]}
	else
		self=${under6[a]} peer=${under6[b]}
	fi
}

# xfrm COMMAND...: of the namespace that has policies and states.
xfrm()
{
	ip -n "$gwa" xfrm "$@"
}

# device_in NS: a static device whose policies, states and underlay are in gwa.
device_in()
{
	local name=ipsec net=1 ns=$1 self=1 peer=2 encap=''

	ip -n "$ns" link add ipsec link-netns "$gwa" type xfrm if_id 5
	device_address
}

# connected [NAMESPACES]: a device, in the namespace of its policies or in another, and a tunnel.
connected()
{
	defer reset_gateways "$inner"
	if [ "${1:-one}" = two ]; then
		device_in "$inner"
		sender=$inner
		watch "$gwa" "$inner"
	else
		device a static 5
		sender=$gwa
		watch "$gwa"
	fi
	tunnel id=5 n=1 ns_b= way=out outer="$outer_family"
	# Others may come before it, and some after it.
	policy update 9 $everything priority 1000
}

# flowing [NAMESPACES] [PING-OPTIONS...]: and a flow that goes through it.
flowing()
{
	connected "${1:-}"
	shift $(($# ? 1 : 0))
	flow "$sender" "$@" "$to"
	go under:0x1010 3 'the start'
}

# policy COMMAND REQID SELECTOR [OPTIONS...]: an outgoing policy for the first tunnel, whose reqid is 9, or the
# second, 17.
policy()
{
	local command=$1 reqid=$2
	shift 2

	xfrm policy "$command" dir out if_id 5 "$@" \
		tmpl src "$self" dst "$peer" proto esp reqid "$reqid" mode tunnel
}

# second_state: the states of another tunnel with the same if_id.
second_state()
{
	tunnel id=5 n=2 ns_b= way=out what=state outer="$outer_family"
}

key()
{
	printf "aead rfc4106(gcm(aes)) 0x%040x 128" "$1"
}

# esp COMMAND SPI REQID [OPTIONS...]: a state in tunnel mode between the same gateways.
esp()
{
	local command=$1 spi=$2 reqid=$3
	shift 3

	# shellcheck disable=SC2046
	xfrm state "$command" src "$self" dst "$peer" proto esp spi "$spi" reqid "$reqid" mode tunnel \
		flag af-unspec $(key "$reqid") if_id "${if_id:-5}" "$@"
}

################################################################################
# Policies

policy_blocks()
{
	combination "$1" "$2"
	flowing "$3" || return
	after - xfrm policy add src "$from/$length" dst "$to/$length" dir out priority 1 if_id 5 action block
	after under:0x1010 xfrm policy delete src "$from/$length" dst "$to/$length" dir out if_id 5
	# One for all, as an administrator does it who wants nothing to get out any more.
	after - xfrm policy update $everything dir out priority 1000 if_id 5 action block
}

policy_more_specific()
{
	combination "$1" "$2"
	second_state
	flowing "$3" || return
	after under:0x1020 policy add 17 src "$from/$length" dst "$to/$length" priority 1
	after under:0x1010 xfrm policy delete src "$from/$length" dst "$to/$length" dir out if_id 5
}

policy_flushed()
{
	combination "$1" "$2"
	flowing "$3" || return
	after - xfrm policy flush
}

# sub_and_main NAMESPACES: two policies apply to each packet: that of the type "sub", whose transform is the inner one, and "main".
sub_and_main()
{
	connected "$1"
	defer xfrm policy flush ptype sub
	if ! policy add 9 $everything priority 1000 ptype sub; then
		skip 'the kernel has no sub-policies'
		return 1
	fi
	ah add 0x2000 40
	ah add 0x2010 41
	main update 40
	flow "$sender" "$to"
	go under:0x2000+0x1010 3 'the start'
}

# ah COMMAND SPI REQID: a state in tunnel mode between the same gateways.
ah()
{
	xfrm state "$1" src "$self" dst "$peer" proto ah spi "$2" reqid "$3" mode tunnel flag af-unspec \
		auth-trunc 'hmac(sha256)' "0x$(printf '%064x' "$3")" 128 if_id 5
}

# main COMMAND REQID: the policy of that type, with such a state.
main()
{
	xfrm policy "$1" dir out if_id 5 $everything priority 1000 \
		tmpl src "$self" dst "$peer" proto ah reqid "$2" mode tunnel
}

sub_main_deleted()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after under:0x1010 xfrm policy delete $everything dir out if_id 5
	after under:0x2000+0x1010 main add 40
}

sub_main_changed()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after under:0x2010+0x1010 main update 41
	after - xfrm policy update dir out if_id 5 $everything priority 1000 action block
}

sub_main_more_specific()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after - xfrm policy add src "$from/$length" dst "$to/$length" dir out if_id 5 priority 1 action block
	after under:0x2000+0x1010 xfrm policy delete src "$from/$length" dst "$to/$length" dir out if_id 5
}

sub_deleted()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after under:0x2000 xfrm policy delete $everything dir out if_id 5 ptype sub
	after under:0x2000+0x1010 policy add 9 $everything priority 1000 ptype sub
	after under:0x2000 xfrm policy flush ptype sub
}

sub_changed()
{
	combination "$1" "$2"
	second_state
	sub_and_main "$3" || return
	after under:0x2000+0x1020 policy update 17 $everything priority 1000 ptype sub
	after - xfrm policy update dir out if_id 5 $everything priority 1000 ptype sub action block
}

################################################################################
# States

# The transform that is about to expire is not the first one: compression comes before it.
second_transform_expires()
{
	local hard=$1

	combination 4 4
	defer reset_gateways
	device a static 5
	tunnel id=5 n=1 chain='comp:tunnel esp:transport' ns_b= way=out
	watch "$gwa"
	# So large that compression is worth it; zeros.
	flow "$gwa" -s 600 -p 00 "$to"
	go under:0x1012 3 'the start' || return
	# Which is newer is known by the second.
	sleep 1.1
	since_now
	# shellcheck disable=SC2046
	xfrm state add src "$self" dst "$peer" proto esp spi 0x2000 reqid 10 mode transport $(key 10) if_id 5 \
		limit "packet-$hard" 3
	slowwait 20 have_seen 30 >/dev/null
	expect 'packets through the newer state' "$(grep -c 0x2000 "$tmp/seen")" "$2"
	since_now
	go under:0x1012 3 'the limit'
}

# The first of two transforms, and the only one.
first_transform_expires()
{
	combination 4 4
	flowing || return
	sleep 1.1
	since_now
	esp add 0x2000 9 limit packet-soft 3
	slowwait 20 have_seen 30 >/dev/null
	expect 'packets through the newer state' "$(grep -c 0x2000 "$tmp/seen")" 4
	since_now
	go under:0x1010 3 'the limit'
}

# A mark that fits two states, each of which would not do for the other's mark.
marked()
{
	combination 4 4
	defer reset_gateways
	other_underlay
	device a static 5
	esp add 0x2000 9 mark 0x103 mask 0xfff
	policy update 9 src "$from/32" dst "$to/32" priority 10 mark 0x103 mask 0xffff
	watch "$gwa"
	flow "$gwa" -m $((0x103)) "$to"
	go under:0x2000 3 'the start' || return
	sleep 1.1
}

# elsewhere SPI [OPTIONS...]: a state for the same connection, but between other addresses.
elsewhere()
{
	local self=198.51.100.1 peer=198.51.100.2 spi=$1
	shift

	esp add "$spi" 9 "$@"
}

# A state that migrates, with the policy that it is for, and in its new place suits others, too.
migrated()
{
	marked || return
	elsewhere 0x2010 mark 0x3 mask 0xff
	xfrm policy add $everything dir out if_id 5 priority 1000 \
		tmpl src 198.51.100.1 dst 198.51.100.2 proto esp reqid 9 mode tunnel
	sleep 0.5
	after under:0x2010 inside "$gwa" "$here/xfrm.py" migrate 5 9 198.51.100.1 198.51.100.2 "$self" "$peer"
}

# A state that migrates alone.
state_migrated()
{
	marked || return
	elsewhere 0x2010 mark 0x3 mask 0xff
	migrates_state || return
	sleep 0.5
	after under:0x2010 inside "$gwa" "$here/xfrm.py" migrate-state 198.51.100.2 0x2010 "$self" "$peer" 9 3 0xff
}

# One that only this CPU has.
state_of_cpu_migrated()
{
	combination 4 4
	defer reset_gateways
	other_underlay
	flowing || return
	# The newer one is preferred.
	sleep 1.1
	if ! inside "$gwa" "$here/xfrm.py" state-of-cpu 0 198.51.100.1 198.51.100.2 0x2010 9 5 2>/dev/null; then
		skip 'the kernel has no states of CPUs'
		return
	fi
	migrates_state || return
	sleep 0.5
	after under:0x2010 inside "$gwa" "$here/xfrm.py" migrate-state 198.51.100.2 0x2010 "$self" "$peer" 9 0 0
}

# The state in use migrates away, and its policy with it.
migrated_away()
{
	combination 4 4
	defer reset_gateways
	other_underlay
	flowing || return
	after other:0x1010 inside "$gwa" "$here/xfrm.py" migrate 5 9 "$self" "$peer" 198.51.100.1 198.51.100.2
}

# Whether the kernel can migrate states alone.
migrates_state()
{
	local error

	error=$(inside "$gwa" "$here/xfrm.py" migrate-state 203.0.113.1 1 203.0.113.1 203.0.113.2 0 0 0 2>&1)
	[[ $error = *ESRCH* ]] && return
	skip "the kernel can't migrate states alone: $error"
	return 1
}

# A state goes to another interface, and comes back.
if_id_of_state_changes()
{
	combination 4 4
	flowing || return
	if_id=6 after - esp update 0x1010 9
	if_id=5 after under:0x1010 esp update 0x1010 9
}

# While somebody else's namespace is busy with states, nothing is looked up again here.
others_states_are_theirs()
{
	local before

	if [ "$DRIVER" = c ]; then
		skip 'it looks up for each packet'
		return
	fi
	combination 4 4
	flowing || return
	count_calls_of "$job" xfrm_state_find || return
	before=$(calls)
	sent_pings
	few_calls_since "$before" 'on a quiet machine' || return
	job_start setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn bash -c '
		state="src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x77 reqid 7 mode tunnel
			aead rfc4106(gcm(aes)) 0x$(printf "%040x" 7) 128"
		ip xfrm state add $(echo $state) && echo added && while :; do
			for ((i = 0; i < 100; i++)); do echo xfrm state update $(echo $state); done | ip -batch - || exit
		done' >"$tmp/tenant" 2>&1
	defer job_stop "$job"
	if ! slowwait 20 grep -q added "$tmp/tenant" >/dev/null; then
		skip "users have no namespaces of their own: $(cat "$tmp/tenant")"
		return
	fi
	before=$(calls)
	sent_pings
	few_calls_since "$before" 'beside a busy namespace'
}

# few_calls_since BEFORE WHEN: a CPU may miss a bundle while another one sweeps.
few_calls_since()
{
	local calls_made=$(($(calls) - $1))

	check [ "$calls_made" -le 4 ] -- "$calls_made look-ups of states for 400 packets $2"
}

sent_pings()
{
	since_now
	slowwait 60 have_seen 400 >/dev/null
}

################################################################################
# Gateways

# Two ways to a peer that is behind gateways; each of them answers who asks for its hardware address.
two_ways()
{
	local i side ns

	defer eval "ip -n $gwa link del way1; ip -n $gwa link del way2; ip -n $gwa addr flush dev lo scope global"
	ip -n "$gwa" addr add 203.0.113.1/32 dev lo
	ip -n "$gwa" addr add 2001:db8:9::1/128 dev lo
	for i in 1 2; do
		ip -n "$gwa" link add way$i type veth peer name way$i netns "$gwb"
		side=1
		for ns in "$gwa" "$gwb"; do
			forwarding_link "$ns" way$i
			ip -n "$ns" -batch - <<-END
				addr add 198.18.$i.$side/24 dev way$i
				addr add 2001:db8:$i::$side/64 dev way$i nodad
				link set way$i up
			END
			side=2
		done
		# A gateway that does not answer any more is noticed soon.
		inside "$gwa" sysctl -qw net.ipv4.neigh.way$i.{base_reachable_time_ms=2000,delay_first_probe_time=1} \
			net.ipv4.neigh.way$i.{ucast_solicit=1,mcast_solicit=1,retrans_time_ms=200} \
			net.ipv6.neigh.way$i.{base_reachable_time_ms=2000,delay_first_probe_time=1} \
			net.ipv6.neigh.way$i.{ucast_solicit=1,mcast_solicit=1,retrans_time_ms=200}
		tc -n "$gwb" qdisc add dev way$i clsact
	done
	if [ "$outer_family" = 4 ]; then
		self=203.0.113.1 peer=203.0.113.2 gateway=198.18.%s.2
	else
		self=2001:db8:9::1 peer=2001:db8:9::2 gateway=2001:db8:%s::2
	fi
}

# route_by KIND: the route to the peer by both ways.
route_by()
{
	local i ids='' hops=''

	for i in 1 2; do
		# shellcheck disable=SC2059
		hops+=" nexthop via $(printf "$gateway" $i) dev way$i"
	done
	if [ "$1" = group ]; then
		defer eval "ip -n $gwa nexthop flush >/dev/null"
		for i in 1 2; do
			# shellcheck disable=SC2059
			ip -n "$gwa" nexthop add id $i via "$(printf "$gateway" $i)" dev way$i
		done
		ip -n "$gwa" nexthop add id 10 group 1/2
		ip -n "$gwa" route add "$peer" nhid 10
	else
		inside "$gwa" sysctl -qw net.ipv4.fib_multipath_use_neigh=1
		# shellcheck disable=SC2086
		ip -n "$gwa" route add "$peer" $hops
	fi
}

# gateway_dies KIND OUTER: the one in use does. As soon as that is known, packets take the other way, and the
# first again as soon as it is back.
gateway_dies()
{
	local i in_use other

	combination 4 "$2"
	defer reset_gateways
	two_ways
	route_by "$1"
	device a static 5
	tunnel id=5 n=1 ns_b= way=out outer="$outer_family" a="$self" b="$peer"
	for i in 1 2; do
		# shellcheck disable=SC2059
		check reach "$gwa" "$(printf "$gateway" $i)" 1 -- "gateway $i does not answer" || return
	done
	watch "$gwa"
	flow "$gwa" "$to"
	slowwait 20 have_seen 5 >/dev/null
	in_use=$(tail -n 1 "$tmp/seen")
	in_use=${in_use%%:*}
	other=way$((3 - ${in_use#way}))
	go "$in_use:0x1010" 3 'the start' || return
	tc -n "$gwb" filter add dev "$in_use" ingress matchall action drop
	tell_alive "$other"
	check slowwait 30 is_dead "$in_use" -- "the gateway is taken for alive: $(neighbour "$in_use")" || return
	since_now
	go "$other:0x1010" 3 'the death of the gateway'
	tc -n "$gwb" filter del dev "$in_use" ingress
	# shellcheck disable=SC2059
	check reach "$gwa" "$(printf "$gateway" "${in_use#way}")" 1 -- 'the gateway is not back' || return
	since_now
	go "$in_use:0x1010" 3 'its return'
	# The same at once, as a routing daemon or a user can do it.
	# shellcheck disable=SC2059
	after "$other:0x1010" ip -n "$gwa" neigh change "$(printf "$gateway" "${in_use#way}")" dev "$in_use" nud failed
}

# tell_alive WAY: its gateway stays known for the rest of the subtest, though nobody sends to it.
tell_alive()
{
	# shellcheck disable=SC2059
	ip -n "$gwa" neigh change "$(printf "$gateway" "${1#way}")" dev "$1" nud permanent
}

# shellcheck disable=SC2059
neighbour()
{
	ip -n "$gwa" neigh show to "$(printf "$gateway" "${1#way}")" dev "$1"
}

is_dead()
{
	[[ $(neighbour "$1") = *FAILED* || $(neighbour "$1") = *INCOMPLETE* ]]
}

################################################################################
# Routes and rules of the underlay

# around: another way to the peer, over a dummy, for routes in other tables than the one in use.
around()
{
	combination 4 "$1"
	family_option=-$1
	defer reset_gateways
	other_underlay
	defer eval "{ ip -n $gwa $family_option rule del pref 100; ip -n $gwa $family_option route flush table 100; } 2>/dev/null"
	# Neither covers the flow's own addresses, nor the other gateway.
	if [ "$1" = 4 ]; then
		via=198.51.100.2 wide=192.0.0.0/16 prefix=192.0.2.0/24 one=$peer/32
	else
		via=3fff::2 wide=2001:db8::/32 prefix=2001:db8::/64 one=$peer/128
	fi
}

way()
{
	ip -n "$gwa" "$family_option" "$@"
}

# A route in a table that is looked at before.
route_in_earlier_table()
{
	around "$1"
	way rule add pref 100 lookup 100
	flowing || return
	after other:0x1010 way route add "$one" via $via dev other table 100
	after under:0x1010 way route del "$one" table 100
	after other:0x1010 way route add "$wide" via $via dev other table 100
	after under:0x1010 way route flush table 100
}

route_in_local_table()
{
	around "$1"
	flowing || return
	after other:0x1010 way route add "$one" via $via dev other table local
	after under:0x1010 way route del "$one" table local
}

rule_added_later()
{
	around "$1"
	way route add "$one" via $via dev other table 100
	flowing || return
	after other:0x1010 way rule add pref 100 lookup 100
	after under:0x1010 way rule del pref 100
	after other:0x1010 way rule add pref 100 to "$one" from "$self" lookup 100
	after under:0x1010 way rule del pref 100
	after - way rule add pref 100 to "$one" prohibit
}

# A table whose wide route does not count.
table_suppressed()
{
	around "$1"
	way rule add pref 100 lookup 100 suppress_prefixlength "${wide#*/}"
	way route add "$wide" via $via dev other table 100
	flowing || return
	after other:0x1010 way route add "$prefix" via $via dev other table 100
	after under:0x1010 way route del "$prefix" table 100
	way rule add pref 99 lookup 100
	since_now
	go other:0x1010 3 'a rule that does not suppress'
	after under:0x1010 way rule del pref 99
}

# It sends those who look on to the next rule.
throw_deleted()
{
	around "$1"
	way route add throw "$one" table 100
	way route add "$wide" via $via dev other table 100
	way rule add pref 100 lookup 100
	flowing || return
	after other:0x1010 way route del throw "$one" table 100
	after under:0x1010 way route add throw "$one" table 100
}

route_more_specific()
{
	around "$1"
	flowing || return
	after other:0x1010 way route add "$one" via $via dev other
	after under:0x1010 way route del "$one"
}

route_from_source()
{
	around 6
	if ! way route add "$prefix" from "$self/128" via $via dev other 2>/dev/null; then
		skip 'the kernel has no routes by source'
		return
	fi
	way route del "$prefix" from "$self/128"
	flowing || return
	after other:0x1010 way route add "$prefix" from "$self/128" via $via dev other
	after under:0x1010 way route del "$prefix" from "$self/128"
}

################################################################################
# What else decides

# A program of an administrator's tells flows apart: by the TTL, which it takes for the port of UDP.
flow_dissector()
{
	local pin=/sys/fs/bpf/stale-dissector

	combination 4 4
	if ! clang-19 -O2 -g -target bpf -I "/usr/include/$(uname -m)-linux-gnu" \
		-c "$here/dissector.bpf.c" -o "$tmp/dissector.bpf.o" 2>"$tmp/clang"; then
		skip "the program can not be built: $(head -n 1 "$tmp/clang")"
		return
	fi
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	defer rm -f $pin
	bpftool prog load "$tmp/dissector.bpf.o" $pin type flow_dissector || { skip 'the program can not be loaded'; return; }
	second_state
	flowing one -t 77 -e 77 || return
	policy add 17 $everything proto udp dport 77 priority 1
	since_now
	go under:0x1010 3 'a policy for others' || return
	after under:0x1020 dissector attach $pin
	after under:0x1010 dissector detach $pin
	dissector attach $pin
	# Another flow with the same headers but for the TTL.
	flow "$gwa" -t 78 -e 78 "$to"
	only=77 go under:0x1020 10 'the start of another flow'
	only=78 go under:0x1010 10 'its start'
	dissector detach $pin
}

# dissector attach|detach PIN: "ip netns exec" would hide the file.
dissector()
{
	nsenter --net="/run/netns/$gwa" bpftool prog "$1" pinned "$2" flow_dissector
}

# A device that was 5 is 6. What belongs to 5 now comes in elsewhere, and is none of its business.
replaced()
{
	defer reset_gateways
	combination 4 4
	device a static 5
	device b static 5
	tunnel id=5 n=1
	# They let in what came through another state.
	tunnel id=6 n=2 ns_a=
	check reach "$gwa" "$to" 3 -- 'it is not answered' || return
	ip -n "$gwb" link change ipsec type xfrm dev under if_id 6
	defer ip -n "$gwb" link del five
	ip -n "$gwb" link add five type xfrm dev under if_id 5
	ip -n "$gwb" link set five up
	ip -n "$gwb" route replace 10.1.0.1/32 dev five src 10.1.0.2
	check reach "$gwa" "$to" 3 -- 'it is not answered by the device that has the if_id now' || return
	# For five seconds they might still be on their way.
	sleep 6
	tc -n "$gwb" qdisc add dev five clsact
	tc -n "$gwb" filter add dev five ingress matchall action mirred ingress redirect dev ipsec
	before=$(xfrm_stat "$gwb" XfrmInTmplMismatch)
	check silent "$gwa" "$to" -- 'packets of another interface are let in'
	expect 'packets that its policies refused' "$(($(xfrm_stat "$gwb" XfrmInTmplMismatch) - before))" 3
}

setup_gateways
setup_ns inner
quiet "$inner"

for families in '4 4' '6 4' '4 6' '6 6'; do
	for where in one two; do
		name=${families/ /in}_$where
		# shellcheck disable=SC2086
		{
			subtest policy_blocks_$name policy_blocks $families $where
			subtest policy_more_specific_$name policy_more_specific $families $where
		}
	done
	# Where families differ, what the kernel counts for one family or namespace does not show it.
	name=${families/ /in}
	where=one
	[ $name = 4in4 ] || [ $name = 6in6 ] || where=two
	# shellcheck disable=SC2086
	{
		subtest sub_main_deleted_$name sub_main_deleted $families $where
		subtest sub_main_changed_$name sub_main_changed $families $where
		subtest sub_main_more_specific_$name sub_main_more_specific $families $where
		subtest sub_deleted_$name sub_deleted $families $where
		subtest sub_changed_$name sub_changed $families $where
	}
done
subtest policy_flushed_4in4 policy_flushed 4 4 two
subtest policy_flushed_6in4 policy_flushed 6 4 two
subtest second_transform_about_to_expire second_transform_expires soft 4
subtest second_transform_expires second_transform_expires hard 3
subtest first_transform_about_to_expire first_transform_expires
subtest migrated migrated
subtest migrated_away migrated_away
subtest state_migrated state_migrated
subtest state_of_cpu_migrated state_of_cpu_migrated
subtest if_id_of_state_changes if_id_of_state_changes
subtest others_states_are_theirs others_states_are_theirs
for family in 4 6; do
	subtest gateway_of_group_dies_$family gateway_dies group $family
	subtest gateway_of_multipath_dies_$family gateway_dies multipath $family
	subtest route_in_earlier_table_$family route_in_earlier_table $family
	subtest route_in_local_table_$family route_in_local_table $family
	subtest rule_added_later_$family rule_added_later $family
	subtest table_suppressed_$family table_suppressed $family
	subtest throw_deleted_$family throw_deleted $family
	subtest route_more_specific_$family route_more_specific $family
done
subtest route_from_source_6 route_from_source
subtest flow_dissector flow_dissector
subtest replaced replaced

finish
