# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What is on the wire between the gateways, and what the counters say.

capture=''

# One capture, from before the first packet to after the last. The length that is kept of each
# packet decides how many the buffer takes.
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
