#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows what the module is for: two IPsec gateways carry three tenants, whose inner subnets are the
# same, over one external xfrm device each. Runs as root inside the virtual machine, or on any
# machine with the module's kernel; everything happens in network namespaces of its own.
#
#   demo.sh                  with MODULE=FILE: the module to load
#
# Nothing printed is canned: each line with "ok" or "FAILED" is a check of what just happened, and
# the exit code is nonzero if one failed.
#
# A tenant has one number, which serves as if_id, reqid, mark and routing table alike:
#   out   the tenant's VRF has a route through the shared device, whose encapsulation names the
#         if_id, which picks the tenant's policy and tunnel
#   in    the tunnel's inbound state puts the mark on what it decrypts (output-mark), and a rule for
#         the mark looks up the tenant's table
# See tenant_links, tenant_policies and state for the commands.

set -eEuo pipefail

MODULE=${MODULE:-/src/out/stock/rust/xfrm_interface_rust.ko}
. "${BASH_SOURCE[0]%/*}/../scripts/load-driver.sh"
name=${MODULE##*/} name=${name%.ko}

tenants=(red blue green)
sites=(a b)
declare -A number=([red]=101 [blue]=102 [green]=103)
declare -A subnet=([a]=10.1.0 [b]=10.2.0)
declare -A underlay=([a]=192.0.2.1 [b]=192.0.2.2)
declare -A other=([a]=b [b]=a)
namespaces=(demo-{gw,red,blue,green}-{a,b})

work=$(mktemp -d)
failures=0
loaded='' clean='' started='' capture=''
background=()
exec {silence}<> <(:)

# --- small things: builtins where possible, as an emulated processor takes its time for a process ----

die() { printf 'error: %s\n' "$*" >&2; exit 1; }
title() { printf '\n%s\n' "$*"; }
nap() { read -r -t "$1" -u "$silence" || true; }
contains() { local text=''; read -r -d '' text <"$2" || true; [[ $text = *"$1"* ]]; }

# check TEXT COMMAND...: prints the text, which is a claim, and whether the command agrees.
check() {
	local text=$1 verdict=ok
	shift
	"$@" || { verdict=FAILED; failures=$((failures + 1)); }
	printf '  %-90s %s\n' "$text" "$verdict"
}

# inside NAMESPACE COMMAND...: like "ip netns exec".
inside() {
	local namespace=/run/netns/demo-$1
	shift
	nsenter --net="$namespace" "$@"
}

# start NAMESPACE COMMAND...: the same in the background, as the process $started, which ends with us.
start() {
	local namespace=/run/netns/demo-$1
	shift
	nsenter --net="$namespace" "$@" &
	started=$!
	background+=("$started")
}

# wait_until SECONDS COMMAND...: polls; fails when the time is over.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -le "$end" ] || return 1
		nap 0.1
	done
}

# both FUNCTION ARGS...: runs "FUNCTION SITE ARGS..." for both gateways at once.
both() {
	local function=$1 first
	shift
	"$function" a "$@" &
	first=$!
	"$function" b "$@"
	wait "$first"
}

# remove_all: ends what this script started and removes what it made, whatever state it is in.
remove_all() {
	[ -z "$clean" ] || return 0
	[ ${#background[@]} -eq 0 ] || kill "${background[@]}" 2>/dev/null || true
	wait
	printf 'netns del %s\n' "${namespaces[@]}" | ip -force -batch - 2>/dev/null || true
	# Namespaces go away in the background, and their routes hold the module until then.
	[ -z "$loaded" ] || wait_until 10 rmmod "$name" 2>/dev/null || true
	clean=yes
}

finish() {
	local rc=$?
	remove_all
	rm -rf "$work"
	exit "$rc"
}

# --- the module -----------------------------------------------------------------------------------

load_module() {
	read -r taint </proc/sys/kernel/tainted
	! driver_loaded || return 0
	driver_load || die "cannot load $MODULE; the kernel says: $(dmesg | tail -n 1)"
	loaded=yes
}

# --- the setup: what an operator would type -------------------------------------------------------

# The links are made from outside, so that both ends can be put where they belong.
links() {
	local site tenant
	printf 'netns add %s\n' "${namespaces[@]}"
	echo "link add wan netns demo-gw-a type veth peer name wan netns demo-gw-b"
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			echo "link add eth0 netns demo-$tenant-$site type veth peer name to-$tenant netns demo-gw-$site"
		done
	done
}

# One address family keeps the capture readable. The reverse path filter is strict, and knows the
# marks: an inner source address that is not its tenant's is dropped.
gateway_settings() {
	inside "gw-$1" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv4.ip_forward=1 \
		net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.all.src_valid_mark=1
}

gateway_links() {
	echo "link set lo up"
	echo "addr add ${underlay[$1]}/24 dev wan"
	echo "link set wan up"
	echo "link add ipsec0 type xfrm external"
	echo "link set ipsec0 up"
}

# tenant_links SITE TENANT: the tenant's VRF, its way out through the device, and its way in. The
# unreachable route keeps a tenant without a tunnel from using the gateway's own routes.
tenant_links() {
	local site=$1 tenant=$2 n=${number[$2]}
	echo "link add $tenant type vrf table $n"
	echo "link set $tenant up"
	echo "link set to-$tenant master $tenant"
	echo "addr add ${subnet[$site]}.1/24 dev to-$tenant"
	echo "link set to-$tenant up"
	echo "route add unreachable default metric 4278198272 table $n"
	echo "route add ${subnet[${other[$site]}]}.0/24 dev ipsec0 table $n encap xfrm if_id $n"
	echo "rule add fwmark $n lookup $n pref $n"
}

tenant_policies() {
	local site=$1 tenant=$2 n=${number[$2]} peer=${other[$1]}
	local here=${subnet[$site]}.0/24 there=${subnet[$peer]}.0/24
	echo "xfrm policy add src $here dst $there dir out if_id $n" \
		"tmpl src ${underlay[$site]} dst ${underlay[$peer]} proto esp mode tunnel reqid $n"
	echo "xfrm policy add src $there dst $here dir fwd if_id $n" \
		"tmpl src ${underlay[$peer]} dst ${underlay[$site]} proto esp mode tunnel reqid $n"
}

# The SPIs and the keys of the first and the second generation, as spi[TENANT-FROM_SITE-GENERATION]
# and key[SPI]. An SPI is such that a reader of the capture knows whose it is; a key is 16 bytes and
# a salt of 4.
declare -A spi key
make_keys() {
	local tenant site generation random this
	random=$(od -An -v -tx1 -N $((20 * 12)) /dev/urandom)
	random=${random//[$' \n']/}
	for tenant in "${tenants[@]}"; do
		for site in "${sites[@]}"; do
			for generation in 1 2; do
				this=0x${number[$tenant]}$site${other[$site]}00$generation
				spi[$tenant-$site-$generation]=$this
				key[$this]=0x${random:0:40}
				random=${random:40}
			done
		done
	done
}

# state SITE out|in TENANT GENERATION: one direction of a tenant's tunnel on a gateway. Only the
# inbound one marks what it decrypts.
state() {
	local site=$1 direction=$2 tenant=$3 generation=$4 n=${number[$3]} from mark='' this
	case $direction in
	out) from=$site ;;
	in) from=${other[$site]} mark="output-mark $n" ;;
	esac
	this=${spi[$tenant-$from-$generation]}
	echo "xfrm state add src ${underlay[$from]} dst ${underlay[${other[$from]}]} proto esp spi $this" \
		"reqid $n mode tunnel if_id $n $mark replay-window 32 aead rfc4106(gcm(aes)) ${key[$this]} 128"
}

# state_gone SITE out|in TENANT GENERATION: the same state, removed.
state_gone() {
	local from=$1
	[ "$2" = out ] || from=${other[$1]}
	echo "xfrm state delete src ${underlay[$from]} dst ${underlay[${other[$from]}]} proto esp" \
		"spi ${spi[$3-$from-$4]}"
}

configure_gateway() {
	local site=$1 tenant
	gateway_settings "$site"
	{
		gateway_links "$site"
		for tenant in "${tenants[@]}"; do
			tenant_links "$site" "$tenant"
			tenant_policies "$site" "$tenant"
			state "$site" out "$tenant" 1
			state "$site" in "$tenant" 1
		done
	} | ip -n "demo-gw-$site" -batch -
}

configure_hosts() {
	local site=$1 tenant
	for tenant in "${tenants[@]}"; do
		ip -n "demo-$tenant-$site" -batch - <<-END
			addr add ${subnet[$site]}.10/24 dev eth0
			link set eth0 up
			route add default via ${subnet[$site]}.1
		END
	done
}

# Every host tells who it is to anyone who connects; a random word shows that it was said now.
declare -A identity
start_answering() {
	local site tenant pid
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			identity[$tenant-$site]="site ${site^^}, tenant $tenant, $RANDOM$RANDOM"
			echo "${identity[$tenant-$site]}" >"$work/identity.$tenant-$site"
			start "$tenant-$site" socat -U TCP4-LISTEN:7,reuseaddr,fork,backlog=32 \
				"OPEN:$work/identity.$tenant-$site,rdonly" 2>>"$work/socat"
		done
	done
	for pid in "${background[@]}"; do
		wait_until 10 listening "$pid" || die "a host does not answer: $(cat "$work/socat")"
	done
}

# listening PID: whether something in that process's network namespace accepts TCP on port 7.
listening() { contains ':0007 00000000:0000 0A' "/proc/$1/net/tcp"; }

# --- what is on the wire --------------------------------------------------------------------------

# One capture, from before the first packet to after the last. The length that is kept of each packet
# decides how many the buffer takes.
start_capture() {
	start gw-a tcpdump -i wan -s 2048 -B 8192 -U --immediate-mode -Z root -w "$work/wire" 2>"$work/tcpdump"
	capture=$started
	wait_until 10 contains 'listening on' "$work/tcpdump" || die "tcpdump does not start: $(cat "$work/tcpdump")"
}

# Waits until a second has passed in which no packet crossed gw-a's device.
settle() {
	local now='' before
	for _ in {1..10}; do
		before=$now
		now=$(grep ipsec0 "/proc/$capture/net/dev")
		[ "$now" != "$before" ] || return 0
		nap 1
	done
}

# Leaves what was captured so far: the number of packets of each SPI in wire[SPI], that of ARP in
# wire[arp] and that of everything else in wire[other].
declare -A wire
read_capture() {
	local kind count
	settle
	wire=([arp]=0 [other]=0)
	while read -r kind count; do
		wire[$kind]=$count
	done < <(tcpdump -n -r "$work/wire" 2>/dev/null | awk '
		/ IP [0-9.]+ > [0-9.]+: ESP\(spi=/ { sub(/.*spi=/, ""); sub(/,.*/, ""); count[$0]++; next }
		/ ARP, / { count["arp"]++; next }
		{ count["other"]++ }
		END { for (kind in count) print kind, count[kind] }')
}

# --- counters -------------------------------------------------------------------------------------

# Leaves a gateway's counters: packets[SITE-SPI] and bytes[SITE-SPI] of each state; packets[SITE-rx]
# and packets[SITE-tx] of the device, and the sum of its errors and drops in packets[SITE-bad].
declare -A packets bytes
read_counters() {
	local site=$1 what count volume
	while read -r what count volume; do
		packets[$site-$what]=$count
		bytes[$site-$what]=$volume
	done < <(printf '%s\n' 'link show ipsec0' 'xfrm state' | ip -n "demo-gw-$site" -s -batch - | awk '
		$1 == "proto" { for (i = 1; i < NF; i++) if ($i == "spi") { spi = $(i + 1); sub(/\(.*/, "", spi) } }
		/lifetime current:/ { getline; split($0, value, /[^0-9]+/); print spi, value[3], value[2] }
		$1 == "RX:" { getline; print "rx", $2, $1; bad += $3 + $4 }
		$1 == "TX:" { getline; print "tx", $2, $1; bad += $3 + $4 + $5; print "bad", bad, 0 }')
}

# --- traffic --------------------------------------------------------------------------------------

# ask TENANT SITE: asks the peer's address ten times who answers, one answer a line.
ask() {
	# shellcheck disable=SC2016 # The inner shell expands it.
	inside "$1-$2" timeout 10 bash -c \
		'for i in {1..10}; do read -r who <"/dev/tcp/$0/7" && echo "$who"; done' \
		"${subnet[${other[$2]}]}.10" >"$work/answers.$1-$2" 2>/dev/null || true
}

# keep_pinging TENANT: from site A, in short runs that each wait for their last answer, so that what
# is under way when the end comes is not mistaken for a loss. Ends after a run, when it is killed.
keep_pinging() {
	# shellcheck disable=SC2016 # The inner shell expands it.
	start "$1-a" bash -c 'trap stop=yes TERM
		until [ -n "${stop-}" ]; do ping -n -i 0.05 -c 15 -W 1 "$0"; done' "${subnet[b]}.10" >"$work/ping.$1" 2>&1
}

# count_pings TENANT: leaves how many were sent, in runs that have ended, and answered in $sent and
# $answered.
count_pings() {
	local line
	sent=0 answered=0
	while read -r line; do
		case $line in
		*'bytes from'*) answered=$((answered + 1)) ;;
		*'packets transmitted'*) sent=$((sent + ${line%% *})) ;;
		esac
	done <"$work/ping.$1"
}

answered_at_least() { count_pings "$1"; [ "$answered" -ge "$2" ]; }

# more_answers N TENANTS...: waits until each has had N answers more. Nobody fails here: what is
# missing is seen in the counts afterwards.
more_answers() {
	local n=$1 tenant
	shift
	for tenant in "$@"; do
		count_pings "$tenant"
		wait_until 5 answered_at_least "$tenant" $((answered + n)) || true
	done
}

# during_pings FUNCTION TENANTS...: all three ping, FUNCTION is called, the TENANTS, which should be
# none the worse, get time for some more answers, and all stop.
during_pings() {
	local function=$1 tenant pids=()
	shift
	for tenant in "${tenants[@]}"; do
		keep_pinging "$tenant"
		pids+=("$started")
	done
	more_answers 5 "${tenants[@]}"
	"$function"
	more_answers 10 "$@"
	kill "${pids[@]}"
	wait "${pids[@]}" || true
}

# --- the changes under traffic --------------------------------------------------------------------

# New inbound states first, so that nothing arrives unknown; the old inbound ones last.
rekey_in() { state "$1" in blue 2 | ip -n "demo-gw-$1" -batch -; }
rekey_out() { { state "$1" out blue 2; state_gone "$1" out blue 1; } | ip -n "demo-gw-$1" -batch -; }
rekey_end() { state_gone "$1" in blue 1 | ip -n "demo-gw-$1" -batch -; }

rekey_blue() {
	both rekey_in
	both rekey_out
	both rekey_end
}

remove_tenant() {
	local site=$1 n=${number[green]} here=${subnet[$1]}.0/24 there=${subnet[${other[$1]}]}.0/24
	{
		echo "route del $there table $n"
		echo "rule del fwmark $n lookup $n"
		echo "xfrm policy delete src $here dst $there dir out if_id $n"
		echo "xfrm policy delete src $there dst $here dir fwd if_id $n"
		state_gone "$site" out green 1
		state_gone "$site" in green 1
	} | ip -n "demo-gw-$site" -batch -
}

remove_green() { both remove_tenant; }

# --- what is shown --------------------------------------------------------------------------------

show_topology() {
	title "Two gateways, three tenants with the same addresses, one xfrm device on each gateway"
	cat <<-END

		  site A: each has ${subnet[a]}.0/24                                 site B: each has ${subnet[b]}.0/24

		  red    ${subnet[a]}.10 --[vrf red  ]--+                                 +--[vrf red  ]-- ${subnet[b]}.10  red
		                                  |     gw-a               gw-b     |
		  blue   ${subnet[a]}.10 --[vrf blue ]--+--[ipsec0]=====ESP=====[ipsec0]--+--[vrf blue ]-- ${subnet[b]}.10  blue
		                                  |   ${underlay[a]}         ${underlay[b]}   |
		  green  ${subnet[a]}.10 --[vrf green]--+                                 +--[vrf green]-- ${subnet[b]}.10  green

		  if_id = mark = routing table: red ${number[red]}, blue ${number[blue]}, green ${number[green]}; AES-GCM, a key for each direction
	END
}

debian_kernel() { [[ $kernel = 'Linux version '*+deb*debian-kernel@lists.debian.org*'Debian '* ]]; }
no_live_patch() { ! compgen -G '/sys/kernel/livepatch/*' >/dev/null; }
pristine() { [ "$taint" = 0 ] && no_live_patch; }
c_driver_absent() { [ ! -d /sys/module/xfrm_interface ]; }

# Each route with "encap xfrm" holds the module that serves it.
held_by() {
	local holders
	read -r holders <"/sys/module/$name/refcnt"
	[ "$holders" = "$1" ]
}

# xfrm_devices SITE: the gateway's xfrm devices; just one, named ipsec0, is expected.
xfrm_devices() {
	ip -n "demo-gw-$1" -d link show type xfrm |
		awk '/^[0-9]/ { sub(/@.*/, "", $2); printf "%s", $2 } $1 == "xfrm" { printf ": %s %s", $1, $2 }'
}

show_module() {
	local compiler transmit kernel release device_a device_b
	read -r kernel </proc/version
	read -r release </proc/sys/kernel/osrelease
	compiler=$(grep -a -o -m 1 'rustc version [0-9.]*' "$MODULE")
	transmit=$(awk -v module="[$name]" '$4 == module && /start_xmit/ { print $3; exit }' /proc/kallsyms)
	device_a=$(xfrm_devices a)
	device_b=$(xfrm_devices b)
	title "Who serves the devices"
	check "kernel $release, Debian ${kernel##*Debian }" debian_kernel
	check "taint before the module was loaded: $taint (nothing foreign or unsigned), live patches: none" pristine
	check "module $name: \"$(modinfo -F description "$MODULE")\", ${compiler:-no rustc}" test -n "$compiler"
	check "its transmit function is Rust: ${transmit:0:28}...${transmit: -24}" test "${transmit:0:2}" = _R
	check "the C driver xfrm_interface is not loaded" c_driver_absent
	check "xfrm devices of gw-a: \"$device_a\", of gw-b: \"$device_b\"" \
		test "$device_a, $device_b" = 'ipsec0: xfrm external, ipsec0: xfrm external'
	check "lsmod: held by the 6 routes with \"encap xfrm\", 3 on each gateway" held_by 6
}

# What the kernel shows of a tenant's setup.
show_tenant() {
	local n=${number[red]}
	title "What makes tenant red on gateway A"
	printf '%s\n' "route show table $n" "rule show fwmark $n" \
		"xfrm state get src ${underlay[b]} dst ${underlay[a]} proto esp spi ${spi[red-b-1]}" |
		ip -n demo-gw-a -batch - | awk '
		/encap xfrm/ { $1 = $1; print "  route  ", $0 }
		/fwmark/ { $1 = $1; print "  rule   ", $0 }
		/^src .* dst / { state = $0 }
		/ spi / { sub(/reqid.*/, ""); $1 = $1; state = state " " $0 }
		/output-mark|if_id 0x/ { $1 = $1; state = state " " $0 }
		END { print "  state  ", state }'
}

# count_answers TENANT SITE: how many of its answers came from each tenant, as got[TENANT], and how
# many from nobody known, as got[other].
declare -A got
count_answers() {
	local answer tenant whose
	got=([red]=0 [blue]=0 [green]=0 [other]=0)
	while read -r answer; do
		whose=other
		for tenant in "${tenants[@]}"; do
			[ "$answer" != "${identity[$tenant-${other[$2]}]}" ] || whose=$tenant
		done
		got[$whose]=$((got[$whose] + 1))
	done <"$work/answers.$1-$2"
}

show_separation() {
	local site tenant row pids=()
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			ask "$tenant" "$site" &
			pids+=($!)
		done
	done
	wait "${pids[@]}"
	title "Who answers, when all six ask the same address at once, ten times each"
	printf '  %-36s %12s %12s %12s %12s\n' '' 'red' 'blue' 'green' 'unknown'
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			count_answers "$tenant" "$site"
			printf -v row '%-5s at site %s asks %s.10      %12d %12d %12d %12d' "$tenant" "${site^^}" \
				"${subnet[${other[$site]}]}" "${got[red]}" "${got[blue]}" "${got[green]}" "${got[other]}"
			check "$row" test "${got[$tenant]}-$((got[red] + got[blue] + got[green] + got[other]))" = 10-10
		done
	done
}

show_wire() {
	local tenant site this seen out in row clear total=0
	read_capture
	read_counters a
	read_counters b
	title "On the wire between the gateways (tcpdump), and in each tenant's counters (ip -s xfrm state)"
	printf '  %-14s %-12s %12s %12s %14s %14s\n' '' SPI captured sent received 'bytes sent'
	for tenant in "${tenants[@]}"; do
		for site in "${sites[@]}"; do
			this=${spi[$tenant-$site-1]}
			seen=${wire[$this]:-0} out=${packets[$site-$this]} in=${packets[${other[$site]}-$this]}
			total=$((total + seen))
			printf -v row '%-5s  %s to %s  %-12s %12d %12d %14d %14d' "$tenant" "${site^^}" "${other[$site]^^}" \
				"$this" "$seen" "$out" "$in" "${bytes[$site-$this]}"
			check "$row" test "$seen" -gt 0 -a "$seen-$seen" = "$out-$in"
		done
	done
	check "packets of ESP: $total, of ARP: ${wire[arp]}, of anything else: ${wire[other]}" test "${wire[other]}" -eq 0
	clear=$(grep -a -c tenant "$work/wire" || true)
	check "the word \"tenant\", which is in every answer, is in the capture $clear times" test "$clear" -eq 0
}

# The device's counters are the sums of its tenants' counters.
show_device() {
	local site tenant rx tx row
	for site in "${sites[@]}"; do
		rx=0 tx=0
		for tenant in "${tenants[@]}"; do
			tx=$((tx + packets[$site-${spi[$tenant-$site-1]}]))
			rx=$((rx + packets[$site-${spi[$tenant-${other[$site]}-1]}]))
		done
		row="ipsec0 of gw-$site: tx ${packets[$site-tx]}, rx ${packets[$site-rx]} packets (its tenants: $tx, $rx)"
		check "$row, errors and drops ${packets[$site-bad]}" \
			test "${packets[$site-tx]}-${packets[$site-rx]}-${packets[$site-bad]}" = "$tx-$rx-0"
	done
}

# show_pings TENANTS...: those that should not have lost anything.
show_pings() {
	local tenant row
	for tenant in "$@"; do
		count_pings "$tenant"
		printf -v row '%-5s  %3d of %3d pings answered, %d lost' "$tenant" "$answered" "$sent" $((sent - answered))
		check "$row" test "$answered" -ge 15 -a "$answered" -eq "$sent"
	done
}

show_rekey() {
	local old=${spi[blue-a-1]} new=${spi[blue-a-2]} before after this left=()
	before=${wire[$old]}
	during_pings rekey_blue "${tenants[@]}"
	read_capture
	before=$((${wire[$old]} - before)) after=${wire[$new]:-0}
	packets=()
	read_counters a
	for this in "${!packets[@]}"; do
		[[ $this != *-0x${number[blue]}* ]] || left+=("${this#a-}")
	done
	title "Blue gets new keys while all three ping"
	show_pings "${tenants[@]}"
	check "blue from A to B on the wire: $before packets with SPI $old, then $after with $new" \
		test "$before" -gt 0 -a "$after" -gt 0
	check "blue's states left on gw-a: ${left[*]}" test "${#left[@]}" -eq 2
}

show_removal() {
	local last total=0 this
	during_pings remove_green red blue
	last=$(inside green-a ping -n -q -i 0.05 -c 5 -W 1 "${subnet[b]}.10" || true)
	last=$(grep -o '[0-9]* packets transmitted, [0-9]* received' <<<"$last")
	read_capture
	for this in "${!wire[@]}"; do
		[[ $this != 0x* ]] || total=$((total + wire[$this]))
	done
	title "Green is removed while all three ping"
	show_pings red blue
	count_pings green
	check "green  $answered of $sent answered until it was gone; afterwards: $last" \
		test "$answered" -gt 0 -a "$answered" -lt "$sent" -a "$last" = '5 packets transmitted, 0 received'
	check "lsmod: the module is held by the 4 routes of the others" held_by 4
	check "on the wire to the end: $total packets of ESP, ${wire[arp]} of ARP, anything else: ${wire[other]}" \
		test "${wire[other]}" -eq 0
}

gone() { [ ! -d "/sys/module/$name" ] && ! compgen -G '/run/netns/demo-*' >/dev/null; }
show_end() {
	local complaints
	remove_all
	title "The end"
	if [ -n "$loaded" ]; then
		check "namespaces removed, module unloaded" gone
	fi
	complaints=$(dmesg | grep -E 'WARNING:|BUG:|Oops|refcount_t|unregister_netdevice' || true)
	check "complaints in the kernel's log: ${complaints:-none}" test -z "$complaints"
}

# --------------------------------------------------------------------------------------------------

[ "$EUID" -eq 0 ] || die "needs root"
for namespace in "${namespaces[@]}"; do
	[ ! -e "/run/netns/$namespace" ] || die "a network namespace $namespace exists already; it would be in the way"
done
trap finish EXIT
trap 'exit 1' INT TERM
trap 'printf "error: line %d: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

show_topology
load_module
make_keys
links | ip -batch -
both configure_gateway
both configure_hosts
show_module
show_tenant

start_answering
start_capture
show_separation
show_wire
show_device

show_rekey
show_removal
show_end

if [ "$failures" -gt 0 ]; then
	title "$failures checks FAILED."
	exit 1
fi
title "All checks ok."
