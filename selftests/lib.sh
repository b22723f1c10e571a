#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of this directory share, on top of the kernel's own net/lib.sh: TAP output, the
# driver under test, and the topology that nearly all of them use.
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

# The kernel's library; the place in the virtual machine unless the caller knows another.
: "${KSFT_NET_DIR:=/kernel/source/tools/testing/selftests/net}"
# shellcheck disable=SC1091
. "$KSFT_NET_DIR/lib.sh"

# An optional list of subtests, from run.sh; all of them without it.
: "${SUBTESTS:=}"

# The driver under test: "rust" or "c".
: "${DRIVER:=rust}"
here=$(dirname "$(readlink -e "${BASH_SOURCE[0]}")")
: "${MODULE:=$here/../out/stock/rust/xfrm_interface_rust.ko}"
if [ "$DRIVER" = c ]; then
	driver_name=xfrm_interface
else
	driver_name=xfrm_interface_rust
fi

# Set by setup_ns.
gwa='' gwb=''

tap_count=0
retmsg=''

################################################################################
# Results

# The kernel's library prints results for humans; run.sh wants TAP.
log_test_result()
{
	local name=$1 result=$3 message=${4-}

	tap_count=$((tap_count + 1))
	case $result in
	*OK*) echo "ok $tap_count $name" ;;
	SKIP) echo "ok $tap_count $name # SKIP $message" ;;
	XFAIL) echo "ok $tap_count $name # XFAIL $message" ;;
	*)
		echo "not ok $tap_count $name"
		[ -z "$message" ] || echo "# $name: $message"
		;;
	esac
}

# subtest NAME COMMAND...: runs one subtest in a scope of its own, so that what it defers is undone
# before the next, and logs its result.
subtest()
{
	local name=$1; shift

	if [ -n "$SUBTESTS" ] && [[ " ${SUBTESTS//,/ } " != *" $name "* ]]; then
		return 0
	fi
	RET=0
	retmsg=''
	in_defer_scope explained "$@" || :
	log_test "$name" || :
}

explained()
{
	"$@"
	explain
}

# With V=1, what the kernel knows about a failure, as long as the subtest's traces are there.
explain()
{
	local ns

	[ -n "${V-}" ] && ((RET == ksft_fail)) || return 0
	for ns in "${NS_LIST[@]}"; do
		inside "$ns" awk -v ns="$ns" '$2 { print "# " ns ": " $0 }' /proc/net/xfrm_stat
		ip -n "$ns" -s -j link show type xfrm |
			jq -c '.[] | [.ifname, .stats64]' | sed "s/^/# $ns: /"
	done
}

# check CONDITION-COMMAND... -- MESSAGE: fails the subtest with the message if the command fails.
check()
{
	local command=()

	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	if "${command[@]}"; then
		return 0
	fi
	check_err 1 "$2"
	return 1
}

# expect WHAT ACTUAL EXPECTED: fails the subtest unless both are the same.
expect()
{
	[ "$2" = "$3" ] && return 0
	check_err 1 "$1 is '$2', should be '$3'"
	return 1
}

# skip REASON: marks the subtest as not applicable.
skip()
{
	ret_set_ksft_status "$ksft_skip" "$1"
}

# The last line of every test.
finish()
{
	echo "1..$tap_count"
	exit "$EXIT_STATUS"
}

# shellcheck disable=SC2329
cleanup_test()
{
	trap '' EXIT
	defer_scopes_cleanup
	stop_jobs
	cleanup_all_ns
	[ -z "${tmp-}" ] || rm -rf "$tmp"
}
trap cleanup_test EXIT
trap 'exit 1' INT TERM

tmp=$(mktemp -d)
echo "TAP version 13"

################################################################################
# Processes

# What has been started in the background with job_start.
jobs_started=()

# job_start COMMAND...: runs the command in the background; its id is in $job.
job_start()
{
	"$@" &
	job=$!
	jobs_started+=("$job")
}

# job_stop PID: ends a background command that is still running.
# shellcheck disable=SC2329
job_stop()
{
	{ kill "$1" && wait "$1"; } 2>/dev/null || :
}

# shellcheck disable=SC2329
stop_jobs()
{
	local pid

	for pid in "${jobs_started[@]}"; do
		job_stop "$pid"
	done
	jobs_started=()
}

inside()
{
	local ns=$1; shift

	ip netns exec "$ns" "$@"
}

################################################################################
# The driver

# A kernel that checks all it does takes its time, and finds what it looks for in fewer packets.
debug_kernel()
{
	[ -e /sys/kernel/debug/kmemleak ] || [ -e /sys/kernel/debug/kcsan ]
}

driver_loaded()
{
	[ -d "/sys/module/$driver_name" ] || driver_built_in
}

driver_built_in()
{
	grep -qs "/$driver_name\.ko\$" "/lib/modules/$(uname -r)/modules.builtin"
}

driver_load()
{
	local dependencies

	driver_loaded && return 0
	if [ "$DRIVER" = c ]; then
		modprobe xfrm_interface
		return
	fi
	dependencies=$(modinfo -F depends "$MODULE") || return
	for module in ${dependencies//,/ }; do
		modprobe "$module" || return
	done
	# What is remembered is used for a day, so that no test passes only because it is forgotten soon.
	insmod "$MODULE" bundle_lifetime=86400000
}

driver_unload()
{
	rmmod "$driver_name"
}

################################################################################
# Topology

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

# forwarding_link NS DEVICE...: gives devices the link-local address that quiet() has kept from them.
# Without it the kernel can't ask for the neighbours of packets that it forwards.
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
tunnel()
{
	local id=0 id_a='' id_b='' n=1 outer=4 inner='4 6' chain=esp:tunnel a='' b=''
	local ns_a=$gwa ns_b=$gwb way='out in' what='state policy' sel_a='' sel_b='' carries='' encap='' mark=''
	[ $# -eq 0 ] || local "$@"

	if [ "$outer" = 4 ]; then
		: "${a:=${under4[a]}}" "${b:=${under4[b]}}"
	else
		: "${a:=${under6[a]}}" "${b:=${under6[b]}}"
	fi
	[ -z "$ns_a" ] || tunnel_half "$a" "$b" "${id_a:-$id}" 0 "$sel_a" "$sel_b" | ip -n "$ns_a" -batch - || return
	[ -z "$ns_b" ] || tunnel_half "$b" "$a" "${id_b:-$id}" 1 "$sel_b" "$sel_a" | ip -n "$ns_b" -batch -
}

# tunnel_half SELF PEER IF_ID SIDE [FROM TO]: prints one gateway's states and policies for ip -batch. It uses
# the variables of tunnel().
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
				"mode $mode $flags $algorithm $if_id"
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

################################################################################
# Traffic and what is seen of it

# reach NS ADDRESS [COUNT] [PING-OPTIONS...]: whether every ping is answered.
reach()
{
	local ns=$1 address=$2 count=${3:-3} out
	shift $(($# < 3 ? $# : 3))

	out=$(inside "$ns" ping -n -q -c "$count" -i 0.02 -W 3 "$@" "$address" 2>&1)
	[[ $out = *" $count received"* ]]
}

# silent NS ADDRESS [PING-OPTIONS...]: whether none of a few pings is answered. Without a route, or if policies
# block it, ping does not even try, and counts nothing; that is no answer either, unlike a ping that could not
# be run.
silent()
{
	local ns=$1 address=$2 out
	shift 2

	out=$(inside "$ns" ping -n -q -c 3 -i 0.02 -W 1 "$@" "$address" 2>&1)
	case $out in
	*' 0 received'*) ;;
	*'ping: connect: Network is unreachable' | *'ping: connect: No route to host') ;;
	*'ping: connect: Operation not permitted') ;;
	*' received'*) return 1 ;;
	*)
		log_info "$out"
		return 1
		;;
	esac
}

# await_listener NS PORT: until somebody takes TCP connections there.
await_listener()
{
	slowwait 20 listens "$1" "$(printf ':%04X ' "$2")" >/dev/null
}

listens()
{
	inside "$1" awk '$4 == "0A" { print $2 " " }' /proc/net/tcp /proc/net/tcp6 | grep -q "$2"
}

# stat NS DEVICE COUNTER...: counters of a device as sysfs names them, as in "1 2 3".
stat()
{
	local ns=$1 dev=$2 values
	shift 2

	mapfile -t values < <(cd / && inside "$ns" cat "${@/#//sys/class/net/$dev/statistics/}")
	echo "${values[*]}"
}

# xfrm_stat NS NAME: a line of /proc/net/xfrm_stat.
xfrm_stat()
{
	inside "$1" awk -v name="$2" '$1 == name { print $2 }' /proc/net/xfrm_stat
}

# capture NS DEVICE: from here on, captured counts the packets of that device. The recording itself
# goes on until the test ends, because starting tcpdump takes longer than most subtests.
capture()
{
	capture_file=$tmp/capture.$1.$2
	if [ ! -e "$capture_file" ]; then
		job_start ip netns exec "$1" tcpdump -s 512 -B 4096 -Z root --immediate-mode -l -t -n -i "$2" \
			>"$capture_file" 2>"$capture_file.log"
		slowwait 20 grep -q 'listening on' "$capture_file.log" >/dev/null
	fi
	mapfile -t lines <"$capture_file"
	capture_start=${#lines[@]}
}

# captured REGEX [AT-LEAST]: how many packets since capture match a line of tcpdump. Waits for a
# moment until there are as many as given.
captured()
{
	local regex=$1 least=${2:-0} lines line count

	for ((i = 0; i < 20; i++)); do
		count=0
		mapfile -t -s "$capture_start" lines <"$capture_file"
		for line in "${lines[@]}"; do
			[[ $line =~ $regex ]] && count=$((count + 1))
		done
		[ "$count" -lt "$least" ] || break
		sleep 0.1
	done
	echo "$count"
}

# Inner addresses, which must not be seen in the outermost header on the underlay.
in_the_clear='^IP6? (10\.|fd00:)'

driver_loaded || driver_load || exit "$ksft_skip"
