#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 37
# Runs: alone
# Also: leaks
#
# The module comes and goes: what keeps it, what goes with it, what it leaves behind, and what it
# says when its place is taken.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/bundles.sh"

# unload_soon: unloads the driver as soon as what was freed a moment ago is really gone.
unload_soon()
{
	slowwait 10 unload_quietly
}

# shellcheck disable=SC2329
unload_quietly()
{
	driver_unload 2>/dev/null
}

# A route that needs the driver keeps it.
route_keeps_module()
{
	local destination=$1

	defer driver_load
	defer reset_gateways
	device a external 5
	ip -n "$gwa" route add "$destination" dev ipsec encap xfrm if_id 5
	ip -n "$gwa" route del 10.1.0.2
	ip -n "$gwa" -6 route del fd00:1::2
	check_fail "$(status driver_unload)" 'the driver was unloaded while a route needs it'
	check driver_loaded -- 'the driver is gone'
	check [ -n "$(ip -n "$gwa" "$2" route show "$destination")" ] -- 'the route is gone'
	ip -n "$gwa" route del "$destination"
	check unload_soon -- 'the driver stays, though no route needs it'
	check_fail "$(status ip -n "$gwa" link show ipsec)" 'the device is still there'
}

status()
{
	"$@" >/dev/null 2>&1
	echo $?
}

# Devices do not keep it, in whichever namespace they are.
devices_go_with_module()
{
	local ns

	defer driver_load
	defer reset_gateways
	device a static 5
	device b static 5
	tunnel id=5
	setup_ns other
	ip -n "$gwa" link add ext type xfrm external
	ip -n "$gwa" link add x1 type xfrm if_id 7
	ip -n "$gwa" link set x1 netns "$other"
	ip -n "$other" link add x2 type xfrm external
	check reach "$gwa" 10.1.0.2 -- 'it is not answered'
	job_start ip netns exec "$gwa" timeout 20 ping -n -q -f -c 20000 -w 10 10.1.0.2 >/dev/null 2>&1
	check unload_soon -- 'the driver can not be unloaded'
	job_stop "$job"
	for ns in "$gwa" "$gwb" "$other"; do
		expect "devices in $ns" "$(ip -n "$ns" -j link show |
			jq '[.[].ifname | select(IN("ipsec", "ext", "x1", "x2"))] | length')" 0
	done
	# What was registered has to be gone, so that the driver can be loaded again.
	check driver_load -- 'the driver can not be loaded again'
	ip -n "$gwa" xfrm state flush
	ip -n "$gwb" xfrm state flush
	device a external 5
	device b external 5
	tunnel id=5 what=state
	check reach "$gwa" 10.1.0.2 -- 'it is not answered after loading again'
}

# Without the driver, IPsec without xfrm devices works as before.
nothing_left_behind()
{
	defer driver_load
	defer reset_gateways
	device a static 5
	device b external 5
	tunnel id=5
	reach "$gwa" 10.1.0.2
	reach "$gwa" fd00:1::2
	ip -n "$gwb" route flush dev ipsec
	reset_gateways
	check unload_soon -- 'the driver can not be unloaded'
	check [ ! -d "/sys/module/$driver_name" ] -- 'the module is still there'
	tunnel chain=esp:transport outer=4 inner=4
	tunnel chain=esp:transport outer=6 inner=6 n=2
	check reach "$gwa" "${under4[b]}" -- 'transport mode over IPv4 does not work'
	check reach "$gwa" "${under6[b]}" -- 'transport mode over IPv6 does not work'
}

# 2022: the encapsulation was a warning in the kernel's log where its module was missing.
route_without_module()
{
	local answer

	defer driver_load
	defer ip -n "$gwa" link del d0
	check unload_soon -- 'the driver can not be unloaded'
	ip -n "$gwa" link add d0 type dummy
	ip -n "$gwa" link set d0 up
	for address in 10.9.0.1 fd00:9::1; do
		answer=$(ip -n "$gwa" route add $address dev d0 encap xfrm if_id 5 2>&1)
		check [ -n "$answer" ] -- "a route to $address was added without the driver"
	done
}

loaded_many_times()
{
	local i

	defer driver_load
	for i in 1 2 3 4 5; do
		check unload_soon -- 'the driver can not be unloaded'
		check driver_load -- 'the driver can not be loaded'
		device a external 5
		device b static 5
		reset_gateways
	done
}

# A CPU that comes after the driver was loaded remembers what it sends, as others do, also if it
# goes and comes.
cpu_comes()
{
	local cpu=/sys/devices/system/cpu/cpu1/online turn before

	if [ ! -w $cpu ] || [ "$DRIVER" = c ] || debug_kernel; then
		skip 'it takes a second CPU, and a driver that remembers and does not look up all the same'
		return
	fi
	defer driver_load
	defer reset_gateways
	defer eval "echo 1 >$cpu"
	check unload_soon -- 'the driver can not be unloaded'
	echo 0 >$cpu
	check driver_load -- 'the driver can not be loaded'
	device a static 5
	device b static 5
	tunnel id=5
	for turn in first second; do
		echo 1 >$cpu
		job_start ip netns exec "$gwa" taskset -c 1 ping -n -q -i 0.01 10.1.0.2 >/dev/null 2>&1
		if [ $turn = first ]; then
			count_calls_of "$job" xfrm_state_find || return
		else
			echo "common_pid == $job" >"$calls/events/kprobes/bundles_call_$$/filter"
		fi
		sleep 1
		before=$(calls)
		check slowwait 20 has_sent 200 "$(tx_packets)" -- 'the flow does not go on'
		check [ $(($(calls) - before)) -le 4 ] -- "$(($(calls) - before)) look-ups of states for 200 packets, $turn time"
		echo 0 >$cpu
		check slowwait 20 has_sent 20 "$(tx_packets)" -- 'the flow ends with the CPU'
		job_stop "$job"
	done
	check reach "$gwa" 10.1.0.2 -- 'it is not answered without the CPU'
}

tx_packets()
{
	inside "$gwa" cat /sys/class/net/ipsec/statistics/tx_packets
}

# has_sent COUNT BEFORE
# shellcheck disable=SC2329
has_sent()
{
	[ "$(tx_packets)" -ge $(($2 + $1)) ]
}

# Loaded again while devices of other namespaces are being taken down.
unloaded_while_netns_goes()
{
	local i

	defer driver_load
	for i in 1 2 3; do
		driver_load
		setup_ns other
		ip -n "$other" link add x type xfrm if_id 5
		ip -n "$other" link add e type xfrm external
		ip netns del "$other" &
		check unload_soon -- 'the driver can not be unloaded'
		wait $!
	done
}

# Nor do packets that wait for states, if their device may go.
unloaded_while_packets_wait()
{
	local start

	defer driver_load
	defer reset_gateways
	defer inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=1
	inside "$gwa" sysctl -qw net.core.xfrm_larval_drop=0
	device a "$1" 5
	tunnel id=5 what=policy
	inside "$gwa" ping -n -q -c 1 -W 1 10.1.0.2 >/dev/null 2>&1
	inside "$gwa" ping -n -q -c 1 -W 1 fd00:1::2 >/dev/null 2>&1
	# Packets on a route with the encapsulation keep it as the route does.
	[ "$1" = static ] || ip -n "$gwa" link del ipsec
	start=$SECONDS
	check unload_soon -- 'the driver can not be unloaded'
	check [ $((SECONDS - start)) -lt 9 ] -- 'it takes as long as packets wait'
}

# A second driver for the same devices is refused, and the refusal says who is there.
other_driver_loaded()
{
	local mark="two drivers, $$"

	if [ "$DRIVER" = c ]; then
		skip "this is the kernel's own driver"
		return
	fi
	defer driver_load
	defer rmmod xfrm_interface
	check unload_soon -- 'the driver can not be unloaded'
	check modprobe xfrm_interface -- "the kernel's driver can not be loaded"
	# Lines can't be counted: the log forgets its first ones when it is full.
	echo "$mark" >/dev/kmsg
	check_fail "$(status insmod "$MODULE")" "ours was loaded beside the kernel's driver"
	check grep -q 'xfrm_interface\b' <(dmesg | sed "1,/$mark/d; s/xfrm_interface_rust//g") -- \
		"the log does not name the kernel's driver: $(dmesg | tail -n 1)"
	# And nothing of that attempt has done the other any harm.
	device a external 5
	device b static 5
	tunnel id=5
	check reach "$gwa" 10.1.0.2 -- "the kernel's driver does not work any more"
	reset_gateways
}

# The other way round: the kernel's driver finds its place taken.
other_driver_refused()
{
	if [ "$DRIVER" = c ]; then
		skip "this is the kernel's own driver"
		return
	fi
	defer reset_gateways
	check_fail "$(status modprobe xfrm_interface)" "the kernel's driver was loaded beside ours"
	device a external 5
	device b static 5
	tunnel id=5
	check reach "$gwa" 10.1.0.2 -- 'our driver does not work any more'
}

if driver_built_in; then
	subtest module skip 'the driver is built into the kernel'
	finish
fi

other=''
setup_gateways

subtest route_keeps_module_4 route_keeps_module 10.9.0.0/24 -4
subtest route_keeps_module_6 route_keeps_module fd00:9::/64 -6
for name in devices_go_with_module nothing_left_behind route_without_module loaded_many_times \
	cpu_comes unloaded_while_netns_goes other_driver_loaded other_driver_refused; do
	subtest $name $name
done
subtest unloaded_while_packets_wait_static unloaded_while_packets_wait static
subtest unloaded_while_packets_wait_external unloaded_while_packets_wait external

finish
