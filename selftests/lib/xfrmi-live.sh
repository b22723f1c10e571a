# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two tenants with the same addresses, for commands of xfrmi that watch packets; and such commands.
# gwa has an external device, gwb a static one for each.
#
#	[red ]--+                                 +--[ipsec7]--[red ]
#	        gwa[ipsec] --- under --- under gwb
#	[blue]--+                                 +--[ipsec8]--[blue]
#
#	10.2.0.1, fd00:2::1                     10.2.0.2, fd00:2::2

# The if_id of a tenant, and what its packets are filled with.
declare -A if_ids=([red]=7 [blue]=8) fills=([red]=72656421 [blue]=626c7565)

tenant_of_gateway()
{
	local ns=$1 tenant=$2 self=$3 peer=$4 dev=$5 encap=$6

	ip -n "$ns" -batch - <<-END
		link add $tenant type vrf table $((100 + if_ids[$tenant]))
		link set $tenant up
		addr add 10.2.0.$self/32 dev $tenant
		addr add fd00:2::$self/128 dev $tenant nodad
		route add 10.2.0.$peer/32 vrf $tenant dev $dev $encap
		route add fd00:2::$peer/128 vrf $tenant dev $dev $encap
	END
}

two_tenants()
{
	local tenant id

	defer no_tenants
	ip -n "$gwa" link add ipsec type xfrm external
	ip -n "$gwa" link set ipsec up
	for tenant in red blue; do
		id=${if_ids[$tenant]}
		tunnel id="$id" n="$id"
		ip -n "$gwb" link add "ipsec$id" type xfrm dev under if_id "$id"
		ip -n "$gwb" link set "ipsec$id" up
		tenant_of_gateway "$gwa" $tenant 1 2 ipsec "encap xfrm if_id $id"
		tenant_of_gateway "$gwb" $tenant 2 1 "ipsec$id" ''
		ip -n "$gwb" link set "ipsec$id" master $tenant
		# The port's routes have gone to the main table with it.
		ip -n "$gwb" route replace 10.2.0.1/32 vrf $tenant dev "ipsec$id"
		ip -n "$gwb" route replace fd00:2::1/128 vrf $tenant dev "ipsec$id"
	done
}

# shellcheck disable=SC2329
no_tenants()
{
	local dev

	for dev in red blue ipsec7 ipsec8; do
		ip -n "$gwa" link del $dev 2>/dev/null
		ip -n "$gwb" link del $dev 2>/dev/null
	done
	reset_gateways
}

# pings TENANT ADDRESS [COUNT] [OPTIONS...]: some from gwa. Answers find nobody there, because the
# device is in no VRF.
pings()
{
	local tenant=$1 address=$2 count=${3:-3}
	shift $(($# < 3 ? $# : 3))

	inside "$gwa" ping -n -q -c "$count" -i 0.02 -W 1 -I "$tenant" -p "${fills[$tenant]}" "$@" "$address" >/dev/null 2>&1
}

# watch NS NAME ARGUMENT...: starts the program in a namespace, and waits until it listens. What it
# prints is in $tmp/NAME, and in $tmp/NAME.err what it says besides; its id is in $watcher.
watch()
{
	local ns=$1 name=$2
	shift 2

	job_start ip netns exec "$ns" "$xfrmi_binary" "$@" >"$tmp/$name" 2>"$tmp/$name.err"
	watcher=$job
	check slowwait 60 grep -q listening "$tmp/$name.err" -- \
		"'xfrmi $*' does not listen: $(paste -sd';' "$tmp/$name.err")" >/dev/null
}

# watched PATTERN NAME: whether it prints such a line, sooner or later.
watched()
{
	slowwait 20 grep -Eq -e "$1" "$tmp/$2" >/dev/null && return
	check_err 1 "'$1' is not printed, but: $(head -n 20 "$tmp/$2" | paste -sd';') $(paste -sd';' "$tmp/$2.err")"
	return 1
}

# watch_ends: waits until it has ended by itself.
watch_ends()
{
	check slowwait 60 ended "$watcher" -- "'xfrmi' goes on" >/dev/null || job_stop "$watcher"
}

# shellcheck disable=SC2329
ended()
{
	! kill -0 "$1" 2>/dev/null
}

# bpf_left: how many BPF programs and links there are that networking and tracing use.
bpf_left()
{
	{
		bpftool -j prog | jq '.[] | select(.type == "sched_cls" or .type == "raw_tracepoint" or .type == "tracing").id'
		bpftool -j link | jq '.[].id'
	} | wc -l
}
