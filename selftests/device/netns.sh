#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 90
# Also: leaks
#
# A device in one namespace whose states, policies and underlay are in another, its link namespace:
# created so, moved there, and either of the two deleted, also under traffic.
#
#	inner[ipsec]
#	      :
#	   gwa, the link namespace ---- under ---- under ---- gwb[ipsec]

. "$(dirname "$0")/../lib/lib.sh"

inner=''

# Some subtests delete namespaces, which are then made again; else they are only cleaned.
setup_three()
{
	if [ -z "$gwa" ] || [ -z "$inner" ]; then
		setup_gateways
		setup_ns inner
		quiet "$inner"
	else
		ip -n "$inner" -j link show type xfrm | jq -r '.[].ifname | "link del \(.)"' |
			ip -n "$inner" -batch -
		ip -n "$gwa" -j link show type xfrm | jq -r '.[].ifname | "link del \(.)"' |
			ip -n "$gwa" -batch -
		reset_gateways
	fi
	device b static 5
	tunnel id=5
}

# created KIND: a device that is made where it is to be.
created()
{
	if [ "$1" = static ]; then
		ip -n "$inner" link add ipsec link-netns "$gwa" type xfrm if_id 5
	else
		ip -n "$inner" link add ipsec link-netns "$gwa" type xfrm external
	fi
}

# moved KIND: a device that is made in the link namespace first.
moved()
{
	if [ "$1" = static ]; then
		ip -n "$gwa" link add ipsec type xfrm dev under if_id 5
	else
		ip -n "$gwa" link add ipsec type xfrm external
	fi
	ip -n "$gwa" link set ipsec netns "$inner"
}

# inner_address KIND NS: what device() does after creating the device.
addresses()
{
	local name=ipsec net=1 ns=$2 self=1 peer=2 encap=''

	[ "$1" = static ] || encap='encap xfrm if_id 5'
	device_address
}

traffic()
{
	setup_three
	check "$1" "$2" -- 'no device'
	addresses "$2" "$inner"
	check reach "$inner" 10.1.0.2 -- 'IPv4 is not answered'
	check reach "$inner" fd00:1::2 -- 'IPv6 is not answered'
	check reach "$gwb" 10.1.0.1 -- 'IPv4 is not answered in the other direction'
	expect 'packets' "$(stat "$inner" ipsec tx_packets rx_packets)" '9 9'
}

# States need not carry both families, and then their selector says which one.
one_family()
{
	setup_three
	ip -n "$gwa" xfrm state flush
	tunnel id=5 what=state ns_b= carries=one
	check "$1" "$2" -- 'no device'
	addresses "$2" "$inner"
	check reach "$inner" 10.1.0.2 -- 'IPv4 is not answered'
	expect 'packets' "$(stat "$inner" ipsec tx_packets rx_packets)" '3 3'
}

# The namespace of the link owns the if_id, and the dump tells which one that is.
owner()
{
	setup_three
	check "$1" static -- 'no device'
	expect 'whether the link namespace is shown' \
		"$(ip -n "$inner" -d -j link show ipsec | jq '.[0].link_netnsid >= 0')" true
	check_fail "$(status ip -n "$gwa" link add other type xfrm if_id 5)" 'the if_id is free in the link namespace'
	check ip -n "$inner" link add other type xfrm if_id 5 -- "the if_id is taken in the device's namespace"
	check ip -n "$inner" link del ipsec -- 'not deleted'
	check ip -n "$gwa" link add other type xfrm if_id 5 -- 'the if_id is not free after deleting'
}

owner_external()
{
	setup_three
	check "$1" external -- 'no device'
	check_fail "$(status ip -n "$gwa" link add other type xfrm external)" 'a second one in the link namespace'
	check ip -n "$inner" link add other type xfrm external -- "none of its own in the device's namespace"
}

status()
{
	"$@" >/dev/null 2>&1
	echo $?
}

change()
{
	setup_three
	"$1" static
	addresses static "$inner"
	link=''
	# The dump of a moved device names the link by number, which ip has to be told again.
	[ "$1" = created ] || link="dev if$(inside "$gwa" cat /sys/class/net/under/ifindex)"
	# shellcheck disable=SC2086
	check ip -n "$inner" link change ipsec type xfrm if_id 6 $link -- 'not changed'
	check silent "$inner" 10.1.0.2 -- 'the new if_id is answered without states'
	ip -n "$gwb" xfrm state flush
	ip -n "$gwb" xfrm policy flush
	tunnel id_a=6 id_b=5 n=3
	check reach "$inner" 10.1.0.2 -- 'the new if_id is not answered'
	check ip -n "$gwa" link add other type xfrm if_id 5 -- 'the old if_id is taken'
	check_fail "$(status ip -n "$gwa" link add another type xfrm if_id 6)" 'the new if_id is free'
}

# Policies are those of the link namespace.
policy_of_link_netns()
{
	local before

	setup_three
	"$1" "$2"
	addresses "$2" "$inner"
	check reach "$inner" 10.1.0.2 -- 'it is not answered'
	ip -n "$gwa" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 5
	before=$(xfrm_stat "$gwa" XfrmInNoPols)
	check silent "$inner" 10.1.0.2 -- 'an answer is let in without a policy'
	expect 'XfrmInNoPols' $(($(xfrm_stat "$gwa" XfrmInNoPols) - before)) 3
}

# flood NS ADDRESS: bounded traffic in the background.
flood()
{
	job_start ip netns exec "$1" timeout 20 ping -n -q -f -c 20000 -w 15 "$2" >/dev/null 2>&1
}

# The device goes to and fro while its peer does not stop sending.
moved_under_traffic()
{
	local i

	setup_three
	moved "$1"
	addresses "$1" "$inner"
	flood "$gwb" 10.1.0.1
	for i in 1 2 3 4 5; do
		check ip -n "$inner" link set ipsec netns "$gwa" -- 'not moved home'
		addresses "$1" "$gwa"
		check ip -n "$gwa" link set ipsec netns "$inner" -- 'not moved away'
		addresses "$1" "$inner"
	done
	job_stop "$job"
	check reach "$inner" 10.1.0.2 -- 'it is not answered any more'
}

gone()
{
	! ip -n "$1" link show "$2" >/dev/null 2>&1
}

link_netns_deleted()
{
	setup_three
	"$1" "$2"
	addresses "$2" "$inner"
	check reach "$inner" 10.1.0.2 -- 'it is not answered'
	flood "$inner" 10.1.0.2
	cleanup_ns "$gwa"
	check slowwait 20 gone "$inner" ipsec -- 'the device outlives its link namespace'
	job_stop "$job"
	gwa=''
}

device_netns_deleted()
{
	setup_three
	"$1" "$2"
	addresses "$2" "$inner"
	check reach "$inner" 10.1.0.2 -- 'it is not answered'
	flood "$gwb" 10.1.0.1
	ip netns delete "$inner"
	inner=''
	# What it owned is free once it is gone.
	if [ "$2" = static ]; then
		check slowwait 20 ip -n "$gwa" link add ipsec type xfrm if_id 5 -- 'the if_id stays taken'
	else
		check slowwait 20 ip -n "$gwa" link add ipsec type xfrm external -- 'it stays taken'
	fi
	job_stop "$job"
	addresses "$2" "$gwa"
	check reach "$gwa" 10.1.0.2 -- 'its successor is not answered'
}

# Devices come and go, in both namespaces, next to one that is at work.
cycles_under_traffic()
{
	local i

	setup_three
	"moved" "$1"
	addresses "$1" "$inner"
	flood "$gwb" 10.1.0.1
	for ((i = 0; i < 100; i++)); do
		echo "link add x$i type xfrm dev under if_id $((i + 100))"
		echo "link add y$i netns $inner type xfrm if_id $((i + 300))"
		echo "link set x$i up"
		echo "link del x$i"
	done >"$tmp/batch"
	check ip -n "$gwa" -batch "$tmp/batch" -- 'a device is refused'
	for ((i = 0; i < 100; i++)); do
		echo "link del y$i"
	done >"$tmp/batch"
	check ip -n "$inner" -batch "$tmp/batch" -- 'a device is not deleted'
	job_stop "$job"
	check reach "$inner" 10.1.0.2 -- 'it is not answered any more'
}

# The very device that traffic arrives for comes and goes.
recreated_under_traffic()
{
	local i

	setup_three
	flood "$gwb" 10.1.0.1
	for ((i = 0; i < 100; i++)); do
		if [ "$1" = static ]; then
			echo "link add ipsec type xfrm dev under if_id 5"
		else
			echo "link add ipsec type xfrm external"
		fi
		echo "addr add 10.1.0.1/32 dev ipsec"
		echo "link set ipsec up"
		[ "$1" = static ] || echo "route add 10.1.0.2 dev ipsec encap xfrm if_id 5"
		[ "$1" != static ] || echo "route add 10.1.0.2 dev ipsec"
		echo "link del ipsec"
	done >"$tmp/batch"
	check ip -n "$gwa" -batch "$tmp/batch" -- 'a step is refused'
	job_stop "$job"
	device a "$1" 5
	check reach "$gwa" 10.1.0.2 -- 'it is not answered any more'
}

for kind in static external; do
	for how in created moved; do
		subtest traffic_${how}_$kind traffic $how $kind
		subtest traffic_of_one_family_${how}_$kind one_family $how $kind
		subtest policy_of_link_netns_${how}_$kind policy_of_link_netns $how $kind
		subtest link_netns_deleted_under_traffic_${how}_$kind link_netns_deleted $how $kind
		subtest device_netns_deleted_under_traffic_${how}_$kind device_netns_deleted $how $kind
	done
	subtest moved_under_traffic_$kind moved_under_traffic $kind
	subtest cycles_under_traffic_$kind cycles_under_traffic $kind
	subtest recreated_under_traffic_$kind recreated_under_traffic $kind
done
for how in created moved; do
	subtest owner_of_if_id_$how owner $how
	subtest owner_of_external_$how owner_external $how
	subtest change_$how change $how
done

finish
