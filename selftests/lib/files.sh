# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests of big segments share: a file that goes through the tunnel, and is compared.

size=3000000

# devices KIND: with room for the tunnel's headers, so that nothing has to find out about it.
devices()
{
	defer reset_gateways
	device a "$1" 5
	device b "$1" 5
	ip -n "$gwa" link set ipsec mtu 1400
	ip -n "$gwb" link set ipsec mtu 1400
}

# send_file FAMILY: from gwa to gwb, where it is compared.
send_file()
{
	local inner=$1 address=10.1.0.2

	[ "$inner" = 4 ] || address=fd00:1::2
	rm -f "$tmp/received"
	job_start ip netns exec "$gwb" socat -u "TCP$inner-LISTEN:9000,reuseaddr" "CREATE:$tmp/received"
	await_listener "$gwb" 9000
	check inside "$gwa" timeout 60 socat -u -b 1000000 "FILE:$tmp/file" "TCP$inner:[$address]:9000" -- \
		'the transfer fails'
	slowwait 20 same_size >/dev/null
	check cmp -s "$tmp/file" "$tmp/received" -- 'the file arrives changed'
	job_stop "$job"
}

same_size()
{
	[ "$(wc -c <"$tmp/received")" -eq $size ]
}

# setup_files: gateways that receive in big packets, which needs GRO on the underlay: veth does not do
# it by itself.
setup_files()
{
	setup_gateways
	head -c $size /dev/urandom >"$tmp/file"
	inside "$gwa" ethtool -K under gro on >/dev/null
	inside "$gwb" ethtool -K under gro on >/dev/null
}
