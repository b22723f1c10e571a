#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
#
# What has once been wrong with xfrm devices and been repaired, one subtest each. The year is that
# of the repair in the kernel.
#
#	ha ---- [in]gwa[ipsec] ---- under ---- under ---- [ipsec]gwb
#
# Those that concern namespaces are also in netns.sh, those about nested transforms in traffic.sh,
# and those about the module's coming and going in module.sh.

. "$(dirname "$0")/../lib/lib.sh"

ha='' other=''

pair()
{
	defer reset_gateways
	device a "$1" 5
	device b "$1" 5
	tunnel id=5
}

# 2018: memory per CPU was leaked with each device that was deleted.
deleting_returns_memory_2018()
{
	local i attempt before after

	for ((i = 0; i < 200; i++)); do
		echo "link add x$i type xfrm if_id $((i + 100))"
	done >"$tmp/add"
	for ((i = 0; i < 200; i++)); do
		echo "link del x$i"
	done >"$tmp/del"
	# The first round fills what is cached.
	ip -n "$gwa" -batch "$tmp/add" && ip -n "$gwa" -batch "$tmp/del"
	# Tests that run beside this one take memory, too, but not each time.
	for attempt in 1 2 3; do
		before=$(percpu)
		for i in 1 2 3; do
			ip -n "$gwa" -batch "$tmp/add" && ip -n "$gwa" -batch "$tmp/del"
		done
		slowwait 10 percpu_at_most $((before + 100)) >/dev/null && return
		after=$(percpu)
		log_info "attempt $attempt: $((after - before)) kB"
	done
	check_err 1 "600 devices left $((after - before)) kB of memory per CPU behind"
}

percpu()
{
	awk '/^Percpu:/ { print $2 }' /proc/meminfo
}

# shellcheck disable=SC2329
percpu_at_most()
{
	[ "$(percpu)" -le "$1" ]
}

# 2019: changing a device corrupted the list of devices and leaked it.
changing_keeps_others_2019()
{
	local i

	for ((i = 1; i <= 20; i++)); do
		echo "link add x$i type xfrm if_id $i"
	done >"$tmp/batch"
	for ((i = 1; i <= 20; i += 2)); do
		echo "link change x$i type xfrm if_id $((i + 1000))"
		echo "link add z$i type xfrm if_id $i"
	done >>"$tmp/batch"
	for ((i = 2; i <= 20; i += 2)); do
		echo "link change x$i type xfrm if_id $i"
		echo "link del x$i"
		echo "link add x$i type xfrm if_id $i"
	done >>"$tmp/batch"
	check ip -n "$gwa" -batch "$tmp/batch" -- 'a step is refused'
	expect 'devices' "$(ip -n "$gwa" -j link show type xfrm | jq length)" 30
	ip -n "$gwa" -j link show type xfrm | jq -r '.[].ifname | "link del \(.)"' >"$tmp/batch"
	check ip -n "$gwa" -batch "$tmp/batch" -- 'a device is not deleted'
}

# 2019: moving a device to another namespace corrupted the list of devices.
moving_keeps_others_2019()
{
	local i

	for i in 1 2 3 4; do
		ip -n "$gwa" link add x$i type xfrm if_id $i
		ip -n "$gwa" link set x$i netns "$other"
	done
	check ip -n "$gwa" -batch - <<-END -- 'a step is refused'
		link add y5 type xfrm if_id 5
		link del y5
	END
	ip -n "$other" link del x2
	check ip -n "$gwa" link add y2 type xfrm if_id 2 -- 'the if_id of a deleted device is not free'
	check ip -n "$gwa" link del y2 -- 'not deleted'
	for i in 1 3 4; do
		check ip -n "$other" link del x$i -- 'not deleted'
	done
}

# 2019: a device kept its underlay from going away ("waiting for dummy to become free").
underlay_can_be_deleted_2019()
{
	ip -n "$gwa" link add d0 type dummy
	ip -n "$gwa" link set d0 up
	ip -n "$gwa" link add x type xfrm dev d0 if_id 9
	defer ip -n "$gwa" link del x
	ip -n "$gwa" link set x up
	check timeout 10 ip -n "$gwa" link del d0 -- 'the underlay is not deleted'
	check ip -n "$gwa" -d link show x >/dev/null -- 'the device is gone'
	# The number of the underlay may be taken by another device, which is no concern of x.
	check ip -n "$gwa" link change x type xfrm if_id 9 dev "if$(ip -n "$gwa" -j link show x |
		jq .[0].link_index)" 2>/dev/null -- 'not to be changed any more' || RET=0 retmsg=''
	check ip -n "$gwa" link set x down -- 'the device can not be set down'
}

# 2020: packets that were redirected to a device, without a route, were dropped.
redirected_without_route_2020()
{
	local address=10.1.0.2

	[ "$1" = 4 ] || address=fd00:1::2
	pair static
	ip -n "$gwb" route add 10.3.0.0/24 dev ipsec
	ip -n "$gwb" route add fd00:3::/64 dev ipsec
	defer tc -n "$gwa" qdisc del dev in clsact
	tc -n "$gwa" qdisc add dev in clsact
	tc -n "$gwa" filter add dev in ingress protocol ip flower dst_ip 10.1.0.2 \
		action mirred egress redirect dev ipsec
	tc -n "$gwa" filter add dev in ingress protocol ipv6 flower dst_ip fd00:1::2 \
		action mirred egress redirect dev ipsec
	check reach "$ha" "$address" -- 'it is not answered'
	expect 'packets sent' "$(stat "$gwa" ipsec tx_packets tx_errors)" '3 0'
}

# 2020: behind NAT, the news that a packet was too big went to the translated address.
too_big_behind_nat_2020()
{
	local address=10.1.0.2 size=1472 answer

	[ "$1" = 4 ] || address=fd00:1::2 size=1452
	pair static
	defer inside "$gwa" nft flush ruleset
	inside "$gwa" nft -f - <<-END
		table inet nat {
			chain post {
				type nat hook postrouting priority 100;
				oifname "ipsec" masquerade
			}
		}
	END
	check reach "$ha" "$address" -- 'it is not answered through NAT'
	answer=$(inside "$ha" ping -n -c 1 -W 2 -M 'do' -s $size "$address" 2>&1)
	check grep -q 'mtu *[=:] *1446' <<<"$answer" -- "the sender is told: $(grep -i -e mtu -e loss <<<"$answer")"
}

# 2020: deleting a device whose link is in another namespace was an oops.
deleting_across_namespaces_2020()
{
	check ip -n "$other" link add x link-netns "$gwa" type xfrm if_id 9 -- 'not created'
	check ip -n "$other" link del x -- 'not deleted'
	check ip -n "$gwa" link add x type xfrm if_id 9 -- 'not created'
	check ip -n "$gwa" link set x netns "$other" -- 'not moved'
	check ip -n "$other" link del x -- 'not deleted'
	check ip -n "$gwa" link add x type xfrm if_id 9 -- 'the if_id is not free'
	ip -n "$gwa" link del x
}

# 2020: plain IP-in-IP traffic of other drivers was taken by the handlers of xfrm devices.
other_tunnels_work_2020()
{
	local kind=$1 local_a=${under4[a]} local_b=${under4[b]} mode=''

	case $kind in
	ip6tnl) local_a=${under6[a]} local_b=${under6[b]} mode='mode any' ;;
	esac
	pair static
	defer ip -n "$gwa" link del tun
	defer ip -n "$gwb" link del tun
	# shellcheck disable=SC2086
	ip -n "$gwa" link add tun type $kind local $local_a remote $local_b $mode
	# shellcheck disable=SC2086
	ip -n "$gwb" link add tun type $kind local $local_b remote $local_a $mode
	ip -n "$gwa" -batch - <<<$'link set tun up\naddr add 10.5.0.1/24 dev tun\naddr add fd00:5::1/64 dev tun nodad'
	ip -n "$gwb" -batch - <<<$'link set tun up\naddr add 10.5.0.2/24 dev tun\naddr add fd00:5::2/64 dev tun nodad'
	if [ "$kind" != sit ]; then
		check reach "$gwa" 10.5.0.2 -- 'IPv4 is not answered'
	fi
	if [ "$kind" != ipip ]; then
		check reach "$gwa" fd00:5::2 -- 'IPv6 is not answered'
	fi
	check reach "$gwa" 10.1.0.2 -- 'the xfrm device is not answered'
	expect 'packets on the xfrm device' "$(stat "$gwb" ipsec rx_packets)" 3
}

# 2021: the sender of a packet without DF was told to send smaller ones.
no_news_without_df_2021()
{
	pair static
	check reach "$gwa" 10.1.0.2 2 -M dont -s 1472 -- 'a big packet without DF is not answered'
	expect 'complaints' "$(inside "$gwa" ping -n -c 1 -W 2 -M dont -s 1472 10.1.0.2 2>&1 |
		grep -c -i 'frag\|too long')" 0
}

# 2021: the sysctl that keeps policies from being looked up towards a device broke the device.
disable_xfrm_2021()
{
	pair "$1"
	inside "$gwa" sysctl -qw net.ipv4.conf.ipsec.disable_xfrm=1
	inside "$gwb" sysctl -qw net.ipv4.conf.ipsec.disable_xfrm=1
	ip -n "$gwa" route flush cache
	check reach "$gwa" 10.1.0.2 -- 'it is not answered'
	expect 'packets sent' "$(stat "$gwa" ipsec tx_packets)" 3
}

# 2022: states and policies may have an if_id of 0, which is none.
if_id_0_on_states_2022()
{
	pair static
	check ip -n "$gwa" xfrm state add src 192.0.2.1 dst 192.0.2.9 proto esp spi 0x99 mode tunnel \
		aead 'rfc4106(gcm(aes))' 0x1111111111111111111111111111111111111111 128 if_id 0 -- \
		'no state with an if_id of 0'
	check ip -n "$gwa" xfrm policy add src 10.99.0.0/24 dst 10.98.0.0/24 dir out if_id 0 \
		tmpl src 192.0.2.1 dst 192.0.2.9 proto esp mode tunnel -- 'no policy with an if_id of 0'
	check reach "$gwa" 10.1.0.2 -- 'it is not answered'
}

# 2023: what a qdisc had left in a packet was taken for IPv6 options.
ipv6_behind_qdisc_2023()
{
	local qdisc

	pair static
	for qdisc in sfb fq_codel 'netem delay 1ms' sfq; do
		# shellcheck disable=SC2086
		tc -n "$gwa" qdisc replace dev ipsec root $qdisc 2>/dev/null || continue
		check reach "$gwa" fd00:1::2 -- "it is not answered behind $qdisc"
	done
}

# 2025: a device could be changed to or from an external one, and was used after it was freed.
external_stays_external_2025()
{
	local i

	pair external
	for i in 'if_id 5' 'if_id 6 dev under' 'external if_id 5' 'external' ''; do
		# shellcheck disable=SC2086
		ip -n "$gwa" link change ipsec type xfrm $i 2>/dev/null
	done
	expect 'whether it is external' \
		"$(ip -n "$gwa" -d -j link show ipsec | jq '.[0].linkinfo.info_data.external')" true
	check reach "$gwa" 10.1.0.2 -- 'it is not answered after the attempts'
	check ip -n "$gwa" link del ipsec -- 'not deleted'
	check silent "$gwb" 10.1.0.1 -- 'the deleted device answers'
	device a external 5
	check reach "$gwa" 10.1.0.2 -- 'its successor is not answered'
	device a static 9 name=x net=2
	check ip -n "$gwa" link del x -- 'not deleted'
}

# 2026: a device could go away while a packet of transport mode was still on its way through it.
transport_while_deleted_2026()
{
	local i

	defer reset_gateways
	defer ip -n "$gwb" link del x
	tunnel outer=4 inner=4 chain=esp:transport ns_b=
	tunnel outer=4 inner=4 chain=esp:transport ns_a= id=0 way=out
	tunnel outer=4 inner=4 chain=esp:transport ns_a= id=7 way=in
	job_start ip netns exec "$gwa" timeout 20 ping -n -q -f -c 20000 -w 10 192.0.2.2 >/dev/null 2>&1
	for ((i = 0; i < 100; i++)); do
		printf '%s\n' 'link add x type xfrm if_id 7' 'link set x up' 'link set x down' 'link del x'
	done >"$tmp/batch"
	check ip -n "$gwb" -batch "$tmp/batch" -- 'a step is refused'
	job_stop "$job"
	ip -n "$gwb" link add x type xfrm if_id 7
	ip -n "$gwb" link set x up
	check reach "$gwa" 192.0.2.2 -- 'it is not answered any more'
}

# 2026: whoever owns the namespace of a device could change it in a link namespace that he does not.
change_needs_rights_in_link_netns_2026()
{
	local pid answer

	job_start unshare --user --map-root-user --net sleep 60
	pid=$job
	slowwait 5 own_namespace "$pid" >/dev/null
	ip -n "$gwa" link add x type xfrm if_id 9
	ip -n "$gwa" link set x netns "$pid"
	answer=$(nsenter -t "$pid" --user --net --preserve-credentials ip link change x type xfrm if_id 10 2>&1)
	# The words of the error number, or those of the driver.
	check grep -qE 'Operation not permitted|CAP_NET_ADMIN' <<<"$answer" -- "the answer is '$answer'"
	expect 'if_id' "$(nsenter -t "$pid" --net ip -d -j link show x | jq -r '.[0].linkinfo.info_data.if_id')" 0x9
	check nsenter -t "$pid" --user --net --preserve-credentials ip link set x mtu 1400 -- \
		'its owner can not set the MTU'
	nsenter -t "$pid" --net ip link del x
	job_stop "$pid"
}

# shellcheck disable=SC2329
own_namespace()
{
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
		grep -q '^ *0' "/proc/$1/uid_map"
}

setup_gateways
setup_ns ha other
quiet "$ha" "$other"
host_behind_gwa "$ha"

subtest deleting_returns_memory_2018 deleting_returns_memory_2018
subtest changing_keeps_others_2019 changing_keeps_others_2019
subtest moving_keeps_others_2019 moving_keeps_others_2019
subtest underlay_can_be_deleted_2019 underlay_can_be_deleted_2019
subtest redirected_without_route_4_2020 redirected_without_route_2020 4
subtest redirected_without_route_6_2020 redirected_without_route_2020 6
subtest too_big_behind_nat_4_2020 too_big_behind_nat_2020 4
subtest too_big_behind_nat_6_2020 too_big_behind_nat_2020 6
subtest deleting_across_namespaces_2020 deleting_across_namespaces_2020
for kind in ipip sit ip6tnl; do
	subtest other_tunnels_work_${kind}_2020 other_tunnels_work_2020 $kind
done
subtest no_news_without_df_2021 no_news_without_df_2021
subtest disable_xfrm_static_2021 disable_xfrm_2021 static
subtest disable_xfrm_external_2021 disable_xfrm_2021 external
subtest if_id_0_on_states_2022 if_id_0_on_states_2022
subtest ipv6_behind_qdisc_2023 ipv6_behind_qdisc_2023
subtest external_stays_external_2025 external_stays_external_2025
subtest transport_while_deleted_2026 transport_while_deleted_2026
subtest change_needs_rights_in_link_netns_2026 change_needs_rights_in_link_netns_2026

finish
