#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 150
#
# xfrmi dump: a tenant's packets, all of them, and nobody else's.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/xfrmi.sh"
. "$lib/xfrmi-live.sh"

# packets_of FILE: of each packet a line: device, direction (1 is in), comment, addresses, payload.
packets_of()
{
	local fields=(frame.interface_name frame.packet_flags_direction frame.comment ip.src ip.dst ipv6.src
		ipv6.dst data.data)

	tshark -n -r "$1" -T fields "${fields[@]/#/-e}" 2>/dev/null | tr '\t' ' ' >"$tmp/packets"
}

# are WHAT PATTERN NUMBER: how many of those packets are like this.
are()
{
	local number

	number=$(grep -Ec -e "$2" "$tmp/packets")
	check [ "$number" -eq "$3" ] -- \
		"$number packets are $1, should be $3: $(cut -c 1-200 "$tmp/packets" | head -n 10 | paste -sd';')"
}

# Of both tenants, alternating, in both families.
traffic()
{
	local tenant

	for tenant in blue red blue; do
		pings $tenant 10.2.0.2 2
		pings $tenant fd00:2::2 2
	done
}

# both_ways DEVICE SENT RECEIVED: eight packets of red, two of each family and direction.
both_ways()
{
	local dev=$1 sent=$2 received=$3

	packets_of "$tmp/file"
	expect 'the number of packets' "$(wc -l <"$tmp/packets")" 8
	are 'filled by red' "(${fills[red]}){4}" 8
	are 'in IPv4 to 10.2.0.2' "^$dev \S*$sent if_id 7 red \S+ 10\.2\.0\.1 10\.2\.0\.2 " 2
	are 'in IPv4 to 10.2.0.1' "^$dev \S*$received if_id 7 red \S+ 10\.2\.0\.2 10\.2\.0\.1 " 2
	are 'in IPv6 to fd00:2::2' "^$dev \S*$sent if_id 7 red \S+ +fd00:2::1 fd00:2::2 " 2
	are 'in IPv6 to fd00:2::1' "^$dev \S*$received if_id 7 red \S+ +fd00:2::2 fd00:2::1 " 2
	are 'on their way out' "^$dev \S*2 if_id 7 red out " 4
	are 'on their way in' "^$dev \S*1 if_id 7 red in " 4
}

# Packets of routes go by the queue while somebody looks at them there.
external_device()
{
	two_tenants
	[ "$DRIVER" = c ] || check grep -Eq 'skip-queue *: on' <(inside "$gwa" ethtool --show-priv-flags ipsec) -- \
		'packets go by the queue anyway'
	watch "$gwa" out dump --tenant red -w "$tmp/file" --count 8 || return
	traffic
	watch_ends
	both_ways ipsec 2 1
}

static_device()
{
	two_tenants
	watch "$gwb" out dump --tenant red -w "$tmp/file" --count 8 || return
	traffic
	watch_ends
	both_ways ipsec7 1 2
}

# Without a tenant; a device that comes later is not forgotten. Of long packets there is less.
everything()
{
	two_tenants
	ip -n "$gwb" link set ipsec8 down
	ip -n "$gwb" link del ipsec8
	watch "$gwb" out dump -w "$tmp/file" --snaplen 60 || return
	ip -n "$gwb" link add ipsec8 type xfrm dev under if_id 8
	ip -n "$gwb" link set ipsec8 up
	check slowwait 20 grep -q 'listening on ipsec8, too' "$tmp/out.err" -- 'it does not see the new device' >/dev/null
	pings red 10.2.0.2 2
	pings blue 10.2.0.2 2
	slowwait 20 holds "$tmp/file" 6 >/dev/null
	kill -INT "$watcher"
	watch_ends
	packets_of "$tmp/file"
	are 'of red' '^ipsec7 \S+ if_id 7 red (in|out) ' 4
	# It is in no VRF any more.
	are 'of blue' '^ipsec8 \S+ if_id 8 ipsec8 in ' 2
	expect 'lengths' "$(tshark -n -r "$tmp/file" -T fields -e frame.cap_len -e frame.len 2>/dev/null | sort -u)" \
		$'60\t84'
	check grep -q '6 packets, 0 lost' "$tmp/out.err" -- "it says: $(cat "$tmp/out.err")"
}

# holds FILE NUMBER [FILTER]: so many packets, at least.
# shellcheck disable=SC2329
holds()
{
	[ "$(tcpdump -n -r "$1" "${@:3}" 2>/dev/null | wc -l)" -ge "$2" ]
}

# What reads it sees each packet at once. When that ends, there is nothing left to do.
piped()
{
	local reader

	two_tenants
	mkfifo "$tmp/pipe"
	job_start tcpdump -l -n -r "$tmp/pipe" >"$tmp/read" 2>"$tmp/read.err"
	reader=$job
	watch "$gwa" pipe dump --tenant red || return
	pings red 10.2.0.2 1
	watched 'IP 10\.2\.0\.1 > 10\.2\.0\.2: ICMP echo request' read
	watched 'IP 10\.2\.0\.2 > 10\.2\.0\.1: ICMP echo reply' read
	job_stop "$reader"
	watch_ends
}

# The file $tmp/sent goes from gwa to gwb.
send()
{
	rm -f "$tmp/received"
	job_start ip netns exec "$gwb" socat -u TCP4-LISTEN:9000,reuseaddr,so-bindtodevice=red "CREATE:$tmp/received"
	await_listener "$gwb" 9000
	check inside "$gwa" timeout 60 socat -u -b 1000000 "FILE:$tmp/sent" TCP4:10.2.0.2:9000 -- 'nothing is sent'
	check slowwait 20 cmp -s "$tmp/sent" "$tmp/received" -- 'the file does not arrive' >/dev/null
	job_stop "$job"
}

# Segments of TCP are as large as the device takes them. Together they are what was sent.
segments()
{
	local ns try least=30000

	two_tenants
	for ns in "$gwa" "$gwb"; do
		inside "$ns" ethtool -K under gro on >/dev/null
	done
	ip -n "$gwa" link set ipsec mtu 1400
	if [ "$DRIVER" = rust ]; then
		least=66000
		ip -n "$gwa" link set ipsec gso_max_size 200000 gso_ipv4_max_size 200000
	fi
	# However slow the machine.
	inside "$gwa" sysctl -qw net.ipv4.tcp_min_tso_segs=100
	head -c 2000000 /dev/urandom >"$tmp/sent"
	# Answers find the one who asks in the main table.
	ip -n "$gwa" addr add 10.1.0.1/32 dev ipsec
	ip -n "$gwa" route add 10.2.0.2/32 dev ipsec src 10.1.0.1 encap xfrm if_id 7
	ip -n "$gwb" route add 10.1.0.1/32 vrf red dev ipsec7
	watch "$gwa" out dump --tenant red -w "$tmp/file" || return
	# A busy machine may give TCP no reason for the largest segments at first.
	for try in {1..6}; do
		send
		! holds "$tmp/file" 1 "greater $least" || break
	done
	kill -INT "$watcher"
	watch_ends
	check grep -q ' packets, 0 lost' "$tmp/out.err" -- "it says: $(paste -sd';' "$tmp/out.err")"
	# What is not indented is what the first to speak has sent.
	tshark -n -r "$tmp/file" -q -z follow,tcp,raw,0 2>/dev/null | grep -Ex '[0-9a-f]+' |
		python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >"$tmp/followed"
	check cmp "$tmp/sent" "$tmp/followed" -- "what is sent is not what is seen: $(wc -c <"$tmp/followed") bytes" >/dev/null
	check holds "$tmp/file" 1 "greater $least" -- "no segment is larger than $least bytes"
}

# A program at the device names the connection.
chosen_by_program()
{
	two_tenants
	bpf_build "$tools/metadata.bpf.c" "$tmp/metadata.o" || return
	mkdir -p "$tmp/bpf"
	mount -t bpf bpf "$tmp/bpf"
	defer umount "$tmp/bpf"
	bpftool prog loadall "$tmp/metadata.o" "$tmp/bpf" 2>"$tmp/bpf.err" ||
		check_err 1 "not loaded: $(tail -3 "$tmp/bpf.err" | paste -sd';')"
	inside "$gwa" bpftool net attach tcx_egress pinned "$tmp/bpf/if_id_is_mark_if_any" dev ipsec
	defer inside "$gwa" bpftool net detach tcx_egress dev ipsec
	ip -n "$gwa" route add 10.4.0.0/24 vrf red dev ipsec
	ip -n "$gwa" route add 10.4.0.0/24 vrf blue dev ipsec
	watch "$gwa" out dump --tenant red -w "$tmp/file" --count 2 || return
	pings blue 10.4.0.2 2 -m 8
	pings red 10.4.0.2 2 -m 7
	watch_ends
	packets_of "$tmp/file"
	are 'marked by a program' "^ipsec \S+2 if_id 7 red out .*${fills[red]}" 2
}

leaves_nothing()
{
	local before

	two_tenants
	before=$(bpf_left)
	watch "$gwa" out dump -w "$tmp/file" || return
	expect 'what is at the device' \
		"$(inside "$gwa" bpftool net show dev ipsec | grep -Eo 'tcx/(in|e)gress (in|e)gress' | sort | paste -sd' ')" \
		'tcx/egress egress tcx/ingress ingress'
	{ kill -9 "$watcher" && wait "$watcher"; } 2>/dev/null
	check slowwait 20 nothing_more "$before" -- "BPF programs are left: $(bpftool link | paste -sd';')" >/dev/null
	check_fail "$(inside "$gwa" bpftool net show dev ipsec | grep -q tcx; echo $?)" 'something is at the device'
}

# shellcheck disable=SC2329
nothing_more()
{
	[ "$(bpf_left)" -le "$1" ]
}

refuses()
{
	two_tenants
	inside "$gwa" script -qec "$xfrmi_binary dump" /dev/null </dev/null >"$tmp/err"
	check grep -q 'no text for a terminal' "$tmp/err" -- "it writes to a terminal: $(head -c 200 "$tmp/err")"
	xfrmi "$gwa" dump --tenant green
	check grep -q "no connection is called 'green'" "$tmp/err" -- "it says: $(cat "$tmp/err")"
	inside "$gwa" setpriv --reuid=65534 --clear-groups --inh-caps=-all "$xfrmi_binary" dump 2>"$tmp/err" | cat
	check grep -q 'has to be root' "$tmp/err" -- "it says: $(cat "$tmp/err")"
}

setup_gateways
for name in external_device static_device everything piped segments chosen_by_program leaves_nothing refuses; do
	subtest $name $name
done
finish
