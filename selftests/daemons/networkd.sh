#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 12
#
# systemd-networkd makes xfrm devices on gwa: one that is bound to the underlay and one that is
# independent, with addresses and routes. The devices of gwb are made by hand.
#
#	    gwa, by networkd                          gwb
#	+---------------------+               +----------------+
#	| ipsec on under, 5   |               | ipsec, 5       |  10.1.0.0, fd00:1::
#	| alone on nothing, 6 |               | alone, 6       |  10.2.0.0, fd00:2::
#	|                     |               |                |
#	|           under ----|---------------|---- under      |
#	+---------------------+               +----------------+

. "$(dirname "$0")/../lib/lib.sh"

networkd=/usr/lib/systemd/systemd-networkd
if [ ! -x $networkd ]; then
	subtest networkd_is_there skip "$networkd is missing"
	finish
fi

# xfrm_netdev NAME IF_ID [LINE]: what makes a device.
xfrm_netdev()
{
	printf '[NetDev]\nName=%s\nKind=xfrm\n[Xfrm]\nInterfaceId=%s\n%s\n' "$1" "$2" "${3-}" \
		>"$tmp/network/$1.netdev"
}

# xfrm_network NAME N: the same addresses and routes as device() of lib.sh gives.
xfrm_network()
{
	cat >"$tmp/network/$1.network" <<-END
		[Match]
		Name=$1
		[Network]
		LinkLocalAddressing=no
		IPv6AcceptRA=no
		[Address]
		Address=10.$2.0.1/32
		[Address]
		Address=fd00:$2::1/128
		DuplicateAddressDetection=none
		[Route]
		Destination=10.$2.0.2/32
		PreferredSource=10.$2.0.1
		Scope=link
		[Route]
		Destination=fd00:$2::2/128
		PreferredSource=fd00:$2::1
	END
}

configure()
{
	mkdir "$tmp/network"
	xfrm_netdev ipsec 5
	xfrm_network ipsec 1
	xfrm_netdev alone 6 Independent=yes
	xfrm_network alone 2
	# The if_id is that of a device made by hand.
	xfrm_netdev twin 7 Independent=yes
	# What is there before must be here too, or networkd takes it away.
	cat >"$tmp/network/under.network" <<-END
		[Match]
		Name=under
		[Network]
		Xfrm=ipsec
		LinkLocalAddressing=no
		IPv6AcceptRA=no
		[Address]
		Address=192.0.2.1/24
		[Address]
		Address=2001:db8::1/64
		DuplicateAddressDetection=none
	END
}

# networkd_start: the daemon has a /run/systemd of its own and sees a read-only /sys, which tells it
# that no udev is going to set up its devices.
networkd_start()
{
	mkdir -p /run/systemd
	# shellcheck disable=SC2016
	job_start ip netns exec "$gwa" sh -ec '
		mount -o remount,bind,ro /sys
		mount -t tmpfs -o mode=755 tmpfs /run/systemd
		cp -r "$1" /run/systemd/network
		chmod -R a+rX /run/systemd/network
		mkdir /run/systemd/netif
		chown systemd-network: /run/systemd/netif
		SYSTEMD_LOG_TARGET=console exec "$2"
	' - "$tmp/network" "$networkd" >>"$tmp/log" 2>&1
	networkd_job=$job
}

has_route()
{
	[ -n "$(ip -n "$gwa" -6 route show "$1" dev "$2" 2>/dev/null)" ] &&
		[ -n "$(ip -n "$gwa" -4 route show "$3" dev "$2" 2>/dev/null)" ]
}

# detail DEVICE FILTER: what the kernel says about a device of gwa.
detail()
{
	ip -n "$gwa" -d -j link show "$1" 2>/dev/null | jq -r ".[0] | $2"
}

# made NAME N LINK IF_ID: the device is there as configured, and packets get through.
made()
{
	local name=$1 n=$2 link=$3 id=$4

	check slowwait 60 has_route fd00:"$n"::2 "$name" 10."$n".0.2 -- 'there is no route' || return
	expect 'the device' "$(detail "$name" '[.linkinfo.info_kind, .linkinfo.info_data.if_id,
		.linkinfo.info_data.external // false, .link] | @csv' | tr -d '"')" "xfrm,$id,false,$link"
	check reach "$gwa" 10."$n".0.2 -- 'the IPv4 peer is not answered'
	check reach "$gwb" fd00:"$n"::1 -- 'the IPv6 peer is not answered'
	expect 'packets of the device' "$(stat "$gwa" "$name" rx_packets tx_packets)" '6 6'
}

# An if_id that another device has is refused, and networkd says so and goes on.
refused()
{
	check slowwait 60 grep -q 'twin: .*File exists' "$tmp/log" -- 'networkd does not say so'
	check [ -z "$(detail twin .ifname)" ] -- 'there is a device'
	check kill -0 "$networkd_job" -- 'networkd has gone'
}

# lines COUNT REGEX: whether the log has so many such lines.
lines()
{
	[ "$(grep -c "$2" "$tmp/log")" -ge "$1" ]
}

# A networkd that starts later takes the devices as its own and leaves them as they are.
restarted()
{
	local before after

	before=$(detail ipsec .ifindex),$(detail alone .ifindex)
	job_stop "$networkd_job"
	check reach "$gwa" 10.1.0.2 -- 'it is not answered without networkd'
	networkd_start
	check slowwait 60 lines 2 'ipsec: Configuring with' -- 'ipsec is not taken over'
	check slowwait 60 lines 2 'alone: Configuring with' -- 'alone is not taken over'
	after=$(detail ipsec .ifindex),$(detail alone .ifindex)
	expect 'indices' "$after" "$before"
	check slowwait 60 reach "$gwa" 10.1.0.2 -- 'ipsec is not answered'
	check slowwait 60 reach "$gwa" fd00:2::2 -- 'alone is not answered'
}

# When a device has gone, a networkd that starts makes it again.
made_again()
{
	job_stop "$networkd_job"
	check timeout 5 ip -n "$gwa" link del ipsec -- 'it cannot be deleted'
	networkd_start
	made ipsec 1 under 0x5
}

setup_gateways
configure
ip -n "$gwa" link add taken type xfrm if_id 7
device b static 5 name=ipsec net=1
device b static 6 name=alone net=2
tunnel id=5 n=1
tunnel id=6 n=2
networkd_start

subtest bound made ipsec 1 under 0x5
subtest independent made alone 2 lo 0x6
subtest taken_if_id refused
subtest restarted restarted
subtest made_again made_again

if [ -n "${V-}" ] && ((EXIT_STATUS != 0)); then
	sed 's/^/# /' "$tmp/log"
fi
finish
