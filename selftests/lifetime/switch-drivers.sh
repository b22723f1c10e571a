#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 240
# Runs: alone
# Only: rust
#
# tools/xfrm-interface-switch changes the driver under traffic: to the other one and back. What it
# says of itself is not believed: before and after are compared by what ip, tc, sysctl, ethtool and
# nft show.
#
#	gwa[ipsec ext asleep] ---- under ---- under ---- [ipsec ext]gwb
#	gwa[red: in-red]
#	gwa is the link namespace of
#	remote[far]

. "$(dirname "$0")/../lib/lib.sh"

remote='' hidden=''
other=c
[ "$DRIVER" != c ] || other=rust
state=/run/xfrm-interface-switch/state.json

# switch ARGUMENTS...: the command; what it says is in $tmp/said.
switch()
{
	PYTHONDONTWRITEBYTECODE=1 "${lib%/*}/../tools/xfrm-interface-switch" "$@" --module "$MODULE" >"$tmp/said" 2>&1
}

# succeeds ARGUMENTS...: the command, which has to succeed.
succeeds()
{
	switch "$@" && return
	check_err 1 "'$*' fails: $(tr '\n' ';' <"$tmp/said")"
	return 1
}

said()
{
	grep -q -- "$1" "$tmp/said" && return
	check_err 1 "it does not say '$1', but: $(tr '\n' ';' <"$tmp/said")"
}

# loaded KIND: whether that driver is there, and the other one is not.
loaded()
{
	local rust c

	[ -d /sys/module/xfrm_interface_rust ] && rust=yes || rust=no
	[ -d /sys/module/xfrm_interface ] && c=yes || c=no
	case $1 in
	rust) [ $rust$c = yesno ] ;;
	*) [ $rust$c = noyes ] ;;
	esac
}

# shellcheck disable=SC2329
original_driver()
{
	rm -f "$state"
	loaded "$DRIVER" && return
	rmmod xfrm_interface_rust xfrm_interface 2>/dev/null
	driver_load
}

# Two tunnels with traffic, and on gwa everything that a device can have.
world()
{
	defer original_driver
	defer reset_world
	loaded "$DRIVER" || original_driver
	setup_ns remote
	quiet "$remote"
	device a static 5
	device b static 5
	tunnel id=5
	device a external 6 name=ext net=2
	device b external 6 name=ext net=2
	tunnel id=6 n=2
	check devices -- 'devices can not be set up'
	check addresses -- 'addresses can not be set up'
	check routes -- 'routes can not be set up'
	check shaping -- 'qdiscs and filters can not be set up'
}

# shellcheck disable=SC2329
reset_world()
{
	ip -n "$gwa" -force -batch - >/dev/null 2>&1 <<-END
		link del over
		link del in-red
		link del red
		link del ext
		link del asleep
		nexthop flush
		rule del iif ext
		rule del oif ipsec
		rule del iif ext
		route flush proto 77
		route del 10.30.0.0/24
		route flush table 55
	END
	ip -n "$gwa" -6 route flush proto 77 2>/dev/null
	ip -n "$gwa" -6 route flush fd00:22::/64 2>/dev/null
	ip -n "$gwb" link del ext 2>/dev/null
	inside "$gwa" nft delete table netdev t 2>/dev/null
	ip -n "$gwa" link del stacked 2>/dev/null
	reset_gateways "$remote"
	ip netns del "$remote"
}

devices()
{
	ip -n "$gwa" -batch - <<-END || return
		link set ipsec mtu 1380 txqueuelen 333 group 17 allmulticast on
		link set ipsec alias "the first one"
		link property add dev ipsec altname another-name altname 2b
		link set ext gso_max_size 20000 gro_max_size 30000 promisc on
		link add asleep numtxqueues 2 type xfrm dev ipsec if_id 9
		link set asleep addrgenmode eui64 arp on
		link add red type vrf table 100
		link set red up
		link add in-red type xfrm dev under if_id 7
		link set in-red master red up
		link add over type gre local 10.1.0.1 remote 10.1.0.2 dev ipsec
		link add far type xfrm dev under if_id 8
		link set far netns $remote
		rule add iif ext table 55
		rule add oif ipsec table 55
	END
	ip -n "$remote" link set far up addrgenmode random
	ip -n "$remote" link add both type xfrm external
	ip -n "$remote" link set both up
	inside "$gwa" sysctl -qw net.ipv4.conf.ext.rp_filter=2 net.ipv4.conf.ipsec.forwarding=1 \
		net.ipv6.conf.ext.accept_ra=0 net.ipv6.conf.ipsec.hop_limit=33 net.ipv6.conf.in-red.disable_ipv6=1 \
		net.ipv4.neigh.ext.gc_stale_time=77 net.ipv6.conf.ipsec.stable_secret=2001:db8::77 || return
	ip -n "$gwa" link set ipsec addrgenmode none
	inside "$gwa" ethtool -K ext gro off 2>/dev/null
	inside "$gwa" sh -c 'echo 2 >/sys/class/net/ipsec/queues/rx-0/rps_cpus'
}

addresses()
{
	ip -n "$gwa" -batch - <<-END || return
		addr add 10.11.0.1/24 dev ipsec label ipsec:one metric 50
		addr add 10.11.0.2/24 dev ipsec noprefixroute
		addr add 10.11.0.3/24 brd + dev ipsec valid_lft 9000 preferred_lft 8000
		addr add 10.12.0.1 peer 10.12.0.2/32 dev ipsec scope link
		addr add fd00:11::1/64 dev ipsec nodad
		addr add fd00:11::2/64 dev ipsec noprefixroute home
		addr add fd00:12::1 peer fd00:12::2/128 dev ipsec valid_lft 9000 preferred_lft 8000
		addr add 10.13.0.1/24 dev in-red
		addr add 10.14.0.1/24 dev asleep
	END
	ip -n "$remote" addr add 10.15.0.1/24 dev far
}

routes()
{
	ip -n "$gwa" -batch - <<-END || return
		route add 10.20.0.0/24 dev ext src 10.2.0.1 encap xfrm if_id 20 link_dev under mtu 1234 proto 99
		route add 10.21.0.0/24 via 10.11.0.77 dev ipsec metric 7 advmss 900
		route add 10.22.0.0/24 via 172.16.0.1 dev ipsec onlink
		route add 10.23.0.0/24 nexthop dev ext encap xfrm if_id 23 weight 3 nexthop via ${under4[b]} dev under
		route add 10.24.0.0/24 dev in-red table 100
		route add 10.25.0.0/24 via ${under4[b]} dev under src 10.1.0.1 proto 77
		route add 10.26.0.0/24 dev ipsec table 55
		route append 10.27.0.0/24 dev ipsec scope link
		route append 10.27.0.0/24 via ${under4[b]} dev under proto 77
		route append 10.28.0.0/24 via ${under4[b]} dev under proto 77
		route append 10.28.0.0/24 dev ipsec scope link
		route append 10.28.0.0/24 dev ext scope link
		route add unreachable 10.29.0.0/24 proto 77
		route add 10.30.0.0/24 dev under encap xfrm if_id 30 link_dev under proto 77
		nexthop add id 1 dev ext encap xfrm if_id 31
		nexthop add id 2 via ${under4[b]} dev under
		nexthop add id 4 via 10.11.0.79 dev ipsec onlink
		nexthop add id 3 group 1,5/2
		nexthop add id 5 group 4
		nexthop add id 7 group 2/4 type resilient buckets 32 idle_timer 60 unbalanced_timer 300
		route add 10.31.0.0/24 nhid 1
		route add 10.32.0.0/24 nhid 3
		route add 10.33.0.0/24 nhid 5
		route add 10.34.0.0/24 nhid 7
		neigh add 10.11.0.99 dev ipsec nud permanent
		neigh add proxy 10.11.0.98 dev ipsec
	END
	ip -n "$gwa" -6 -batch - <<-END
		route add fd00:20::/64 dev ext encap xfrm if_id 20 mtu 1300
		route add fd00:21::/64 via fd00:11::77 dev ipsec metric 7
		route add fd00:22::/64 nexthop via fd00:11::78 dev ipsec weight 2 nexthop via ${under6[b]} dev under
		route add fd00:23::/64 via ${under6[b]} dev under src fd00:1::1 proto 77
		route add fd00:24::/64 dev ext expires 5000 pref high
		nexthop add id 6 dev ipsec
		route add fd00:31::/64 nhid 6
		neigh add proxy fd00:11::98 dev ipsec
	END
}

shaping()
{
	tc -n "$gwa" -batch - <<-END || return
		qdisc add dev ipsec root handle 1: htb default 20
		class add dev ipsec parent 1: classid 1:1 htb rate 800mbit quantum 20000
		class add dev ipsec parent 1:1 classid 1:20 htb rate 500mbit ceil 800mbit prio 3 quantum 20000
		class add dev ipsec parent 1:1 classid 1:30 htb rate 1mbit
		qdisc add dev ipsec parent 1:20 handle 20: fq_codel limit 500 target 7ms
		filter add dev ipsec parent 1: protocol ip prio 5 u32 match ip dst 10.99.0.0/16 flowid 1:30
		filter add dev ipsec parent 1: protocol ip prio 6 flower dst_ip 10.98.0.0/16 classid 1:30
		qdisc add dev ext root handle 2: prio bands 3
		qdisc add dev ext parent 2:1 handle 21: netem delay 1us
		qdisc add dev ext clsact
		filter add dev ext egress protocol ip prio 3 flower dst_ip 10.97.0.0/16 action drop
		filter add dev ext egress protocol ip prio 4 matchall action police rate 800mbit burst 100k conform-exceed drop/pipe
		filter add dev ext ingress protocol ip prio 3 u32 match ip src 10.96.0.0/16 action mirred egress redirect dev under
	END
	inside "$gwa" nft -f - <<-END
		table netdev t {
			chain c { type filter hook ingress device ext priority 0; ip saddr 10.95.0.0/16 drop; }
		}
	END
}

# snapshot FILE: all that is to be the same, as others show it.
snapshot()
{
	local ns

	for ns in "$gwa" "$gwb" "$remote"; do
		# How large segments may become at most is the driver's, too.
		ip -n "$ns" -d -j link show | jq -S '.[] | del(.operstate, .tso_max_size)'
		# What is left of a lifetime is less each second.
		ip -n "$ns" -j addr show | jq -S '.[] | .addr_info[]? |
			.valid_life_time |= (. < 10000) | .preferred_life_time |= (. < 10000)'
		# IPv4 in its order, which matters.
		ip -n "$ns" -4 -N -d route show table all
		ip -n "$ns" -N -d -6 route show table all | sed 's/ expires [0-9]*sec//' | sort
		ip -n "$ns" -d nexthop | sed 's/ unbalanced_time [0-9.]*//'
		ip -n "$ns" rule
		ip -n "$ns" -6 rule
		ip -n "$ns" neigh show nud permanent | sort
		ip -n "$ns" neigh show proxy | sort
		ip -n "$ns" -6 neigh show proxy | sort
		tc -n "$ns" -j qdisc | jq -S .
		inside "$ns" nft list ruleset
		inside "$ns" sysctl -a 2>/dev/null | grep -E '\.(ipsec|ext|asleep|in-red|far)\.'
		ip -n "$ns" xfrm policy
		ip -n "$ns" xfrm state | grep -E '^src|spi|if_id'
	done >"$1" 2>&1
	{
		tc -n "$gwa" -d class show dev ipsec | grep htb
		tc -n "$gwa" filter show dev ipsec
		tc -n "$gwa" filter show dev ext egress
		tc -n "$gwa" filter show dev ext ingress
		for dev in ipsec ext asleep in-red; do
			# Which features there are is the driver's.
			inside "$gwa" ethtool -k "$dev" | grep -E '^(generic-receive-offload|generic-segmentation)'
		done
		inside "$gwa" cat /sys/class/net/ipsec/queues/rx-0/rps_cpus
	} >>"$1" 2>&1
}

# unchanged WHEN: compares with the snapshot that was made first.
unchanged()
{
	snapshot "$tmp/now"
	cmp -s "$tmp/before" "$tmp/now" && return
	check_err 1 "$1, not everything is as it was: $(diff "$tmp/before" "$tmp/now" | grep '^[<>]' | head -n 8 | tr '\n' ';')"
	return 1
}

works()
{
	check reach "$gwa" 10.1.0.2 -- "$1, the static device does not carry"
	check reach "$gwa" fd00:1::2 -- "$1, the static device does not carry IPv6"
	check reach "$gwa" 10.2.0.2 -- "$1, the external device does not carry"
}

# flow_start, flow_stop: a ping that goes on, every 50 ms; then how many were lost, in $lost.
flow_start()
{
	job_start ip netns exec "$gwa" ping -n -q -i 0.05 "$1" >"$tmp/flow.$1" 2>&1
	flow=$job
}

flow_stop()
{
	local sent received

	kill -INT "$flow"
	wait "$flow"
	read -r sent received < <(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$tmp/flow.$1")
	lost=$((sent - received))
	check [ "${received:-0}" -gt 20 ] -- "of the flow $sent were sent, $received answered"
}

# There and back.
there_and_back()
{
	local to lost

	world
	works 'before'
	snapshot "$tmp/before"
	check [ "$(wc -l <"$tmp/before")" -gt 500 ] -- 'the snapshot shows next to nothing'
	unchanged 'before the switch' || return
	for to in "$other" "$DRIVER"; do
		flow_start 10.1.0.2
		sleep 1
		succeeds "$to" || return
		sleep 1
		flow_stop 10.1.0.2
		log_info "to $to: $(sed -n 's/.*the gap was //p' "$tmp/said"), $lost packets of 20 in a second lost"
		check [ "$lost" -le 100 ] -- "$lost packets are lost"
		said 'everything is back'
		check loaded "$to" -- "$to is not the driver that is loaded"
		check [ ! -e "$state" ] -- 'what was saved is still there'
		unchanged "after the switch to $to"
		works "after the switch to $to"
	done
}

# It touches nothing if it is not to, or need not.
nothing_to_do()
{
	world
	snapshot "$tmp/before"
	flow_start 10.2.0.2
	succeeds "$other" --dry-run
	said 'would unload'
	succeeds "$DRIVER"
	said 'is loaded already'
	succeeds status
	said "^loaded: the $([ "$DRIVER" = c ] && echo C || echo Rust) driver"
	check_fail "$(status switch restore)" 'it restores what is not saved'
	flow_stop 10.2.0.2
	expect 'packets lost' "$lost" 0
	unchanged 'after nothing'
}

status()
{
	"$@" >/dev/null 2>&1
	echo $?
}

# refused WORDS: it does not begin, and says why.
refused()
{
	check_fail "$(status switch "$other")" 'it is not refused'
	said "$1"
	check loaded "$DRIVER" -- 'the driver is another one'
	check [ ! -e "$state" ] -- 'what was saved is still there'
}

# What can't be put back is refused.
stacked()
{
	world
	check ip -n "$gwa" link add stacked type vxlan id 5 dev ext remote 10.2.0.2 dstport 4789 -- 'no vxlan' || return
	snapshot "$tmp/before"
	refused 'ext: on top of it is stacked'
	unchanged 'after a refusal'
	succeeds "$other" --force
	works 'after being forced'
	check loaded "$other" -- 'it is not forced'
	check_fail "$(status ip -n "$gwa" link show stacked)" 'this device could have been kept'
}

unusual_qdisc()
{
	world
	tc -n "$gwa" qdisc add dev in-red root red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 2>/dev/null
	snapshot "$tmp/before"
	refused 'in-red: qdisc red'
	unchanged 'after a refusal'
}

# What the C driver does not have; and undoing brings it back.
only_ours()
{
	local before

	[ "$DRIVER" != c ] || { skip 'it is about the way from our driver to the other one' && return; }
	world
	ip -n "$gwa" link set ext gso_ipv4_max_size 200000
	inside "$gwa" ethtool --set-priv-flags ipsec skip-queue off
	inside "$gwa" ethtool --set-priv-flags ext vrf-by-route on
	snapshot "$tmp/before"
	before=$(flags)
	refused 'ext: the C driver sends no segments of more than 65536 bytes'
	said 'ipsec: the C driver has no private flag skip-queue, which is off'
	said 'ext: the C driver has no private flag vrf-by-route, which is on'
	check [ "$(grep -c 'the C driver' "$tmp/said")" -eq 3 ] -- \
		"something else is said: $(tr '\n' ';' <"$tmp/said")"
	unchanged 'after a refusal'
	broken "$tmp/broken.ko" "$(modinfo -n xfrm_interface)"
	check_fail "$(status switch c --force --module "$tmp/broken.ko")" 'a broken driver is loaded'
	said 'everything is as it was'
	undone
	expect 'the private flags' "$(flags)" "$before"
	succeeds c --force
	check loaded c -- 'it is not forced'
	works 'after being forced'
}

flags()
{
	inside "$gwa" ethtool --show-priv-flags ipsec
	inside "$gwa" ethtool --show-priv-flags ext
}

programs()
{
	world
	cat >"$tmp/pass.c" <<-'END'
		#define SEC(name) __attribute__((section(name), used))
		SEC("xdp") int xdp_pass(void *ctx) { return 2; }
		SEC("tcx/ingress") int tc_pass(void *ctx) { return -1; }
		char _license[] SEC("license") = "GPL";
	END
	check bpf_build "$tmp/pass.c" "$tmp/pass.o" -- 'the programs can not be compiled' || return
	# "ip -n" covers /sys with another one.
	mkdir "$tmp/bpf"
	mount -t bpf bpf "$tmp/bpf"
	defer umount "$tmp/bpf"
	check bpftool prog loadall "$tmp/pass.o" "$tmp/bpf/switch" -- 'the programs can not be loaded' || return
	check ip -n "$gwa" link set ext xdpgeneric pinned "$tmp/bpf/switch/xdp_pass" -- 'no XDP'
	snapshot "$tmp/before"
	refused 'ext: an XDP program'
	unchanged 'after a refusal'
	ip -n "$gwa" link set ext xdpgeneric off
	check inside "$gwa" bpftool net attach tcx_ingress pinned "$tmp/bpf/switch/tc_pass" dev ext -- 'no tcx'
	refused 'ext: BPF programs are attached with tcx'
	inside "$gwa" bpftool net detach tcx_ingress dev ext
	tc -n "$gwa" filter add dev ext ingress bpf da pinned "$tmp/bpf/switch/tc_pass"
	refused "ext: a filter of kind 'bpf'"
}

# A device in a namespace that nothing but a socket keeps.
namespace_without_entrance()
{
	world
	setup_ns hidden
	ip -n "$hidden" link add unseen type xfrm if_id 5
	ip -n "$gwa" link add to-hidden type veth peer name to-gwa netns "$hidden"
	job_start ip netns exec "$hidden" python3 -c '
import ctypes, os, socket, time
kept = socket.socket()
home = os.open("/proc/1/ns/net", os.O_RDONLY)
ctypes.CDLL(None).setns(home, 0x40000000)
print("ready", flush=True)
time.sleep(1000)' >"$tmp/ready"
	check slowwait 20 grep -q ready "$tmp/ready" -- 'there is no such process' || return
	ip netns del "$hidden"
	refused 'unseen is in a namespace that nobody can enter'
	job_stop "$job"
}

# broken FILE OF: a driver that looks well, and can't be loaded.
broken()
{
	case $2 in
	*.xz) xz -dc "$2" ;;
	*.zst) zstd -qdc "$2" ;;
	*.gz) gzip -dc "$2" ;;
	*) cat "$2" ;;
	esac | LC_ALL=C sed 's/\(unregister_netdevice_\|xfrm_if_register_c\)b/\1X/g; s/rtnl_link_unregister/rtnl_link_unregisteX/g' >"$1"
}

# A step that fails is undone.
loading_fails()
{
	local lost file=$MODULE

	[ "$other" = rust ] || file=$(modinfo -n xfrm_interface)
	broken "$tmp/broken.ko" "$file"
	world
	snapshot "$tmp/before"
	flow_start 10.1.0.2
	sleep 1
	check_fail "$(status switch "$other" --module "$tmp/broken.ko")" 'a broken driver is loaded'
	said 'everything is as it was'
	sleep 1
	flow_stop 10.1.0.2
	log_info "$lost packets of 20 in a second lost"
	undone
}

undone()
{
	check loaded "$DRIVER" -- "$DRIVER is not the driver that is loaded"
	check [ ! -e "$state" ] -- 'what was saved is still there'
	unchanged 'after it was undone'
	works 'after it was undone'
}

# A socket that remembers a route keeps the driver, and nothing shows that before. The devices were
# down, but never away.
unloading_fails()
{
	world
	snapshot "$tmp/before"
	job_start ip netns exec "$gwa" python3 -c '
import socket, time
kept = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
kept.connect(("10.2.0.2", 7))
print("ready", flush=True)
time.sleep(1000)' >"$tmp/ready"
	check slowwait 20 grep -q ready "$tmp/ready" -- 'there is no such process' || return
	check_fail "$(status switch "$other" --wait 1)" 'the driver is unloaded in spite of a socket'
	said 'unloading the'
	said 'everything is as it was'
	undone
	job_stop "$job"
}

# Somebody takes the name of a device as soon as it is free, and keeps it for a moment.
making_fails()
{
	world
	ip -n "$gwa" link add thief type dummy
	defer ip -n "$gwa" link del thief
	snapshot "$tmp/before"
	job_start thief
	check_fail "$(status switch "$other")" 'it succeeds though a name is taken'
	said 'putting devices back'
	said 'everything is as it was'
	job_stop "$job"
	check [ -e "$tmp/stolen" ] -- 'nobody has taken the name'
	undone
}

# shellcheck disable=SC2329
thief()
{
	until ip -n "$gwa" link set thief name ipsec 2>/dev/null; do
		:
	done
	: >"$tmp/stolen"
	sleep 2
	ip -n "$gwa" link set ipsec name thief
}

# gap_signal SIGNAL: ends it while there is no driver.
gap_signal()
{
	local pid

	job_start switch_for_signal
	pid=$job
	while [ -e "/sys/module/$driver_name" ]; do
		:
	done
	kill "-$1" "$(cat "$tmp/pid")"
	wait "$pid"
}

# shellcheck disable=SC2329
switch_for_signal()
{
	PYTHONDONTWRITEBYTECODE=1 exec sh -c 'echo $$ >"$0"; exec "$@" >"$0.said" 2>&1' "$tmp/pid" \
		"${lib%/*}/../tools/xfrm-interface-switch" "$other" --module "$MODULE"
}

interrupted()
{
	world
	snapshot "$tmp/before"
	check_fail "$(gap_signal TERM; echo $?)" 'it was not interrupted'
	cp "$tmp/pid.said" "$tmp/said"
	said 'ended by SIGTERM'
	said 'everything is as it was'
	undone
}

# It dies, and a later one puts back what it has saved.
killed()
{
	world
	snapshot "$tmp/before"
	gap_signal KILL 2>/dev/null
	check [ -e "$state" ] -- 'nothing is left of what was saved'
	expect 'the mode of the state' "$(/usr/bin/stat -c %a "$state" "${state%/*}" | paste -sd' ')" '600 700'
	check_fail "$(status switch "$other")" 'it begins anew, and forgets what was saved'
	said 'xfrm-interface-switch restore'
	succeeds restore
	check [ ! -e "$state" ] -- 'what was saved is still there'
	unchanged 'after it was put back'
	works 'after it was put back'
}

if driver_built_in || ! modinfo xfrm_interface >/dev/null 2>&1; then
	subtest switch-drivers skip "the kernel's driver is no module"
	finish
fi

setup_gateways

for name in there_and_back nothing_to_do stacked unusual_qdisc only_ours programs namespace_without_entrance loading_fails \
	unloading_fails making_fails interrupted killed; do
	subtest $name $name
done

finish
