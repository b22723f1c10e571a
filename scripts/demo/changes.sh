# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The changes under traffic: new keys for one tenant, the end of another.

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
		[[ $this != 0x* ]] || total=$((total + ${wire[$this]}))
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
