#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
#
# The updown script, run by strongSwan: the gateway b has an external device, and no other route to a
# than that of the script.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/ike.sh"

need /usr/sbin/charon-systemd swanctl

# setup: charon gives the script nothing of its own environment.
setup()
{
	setup_gateways
	device a static 5
	ip -n "$gwb" -batch - <<-END
		link add ipsec type xfrm external
		link set ipsec up
		addr add 10.1.0.2/32 dev ipsec
	END
	echo 'road - 10.1.0.0/24' >"$tmp/updown.conf"
	cat >"$tmp/updown" <<-END
		#!/bin/sh
		export XFRMI_DEVICE=ipsec XFRMI_UPDOWN_CONF=$tmp/updown.conf
		exec $(readlink -e "$(dirname "$lib")/../tools/xfrmi/updown/xfrmi-updown")
	END
	chmod +x "$tmp/updown"
	plugins+=' updown'
	charon_prepare a
	charon_prepare b
	for side in a b; do
		local child=''
		[ $side = a ] || child="updown = $tmp/updown"
		{
			echo 'connections {'
			connection $side road 5 ts_a=10.1.0.1/32 ts_b=10.1.0.2/32 child="$child"
			printf '}\nsecrets {\n\tike {\n\t\tsecret = "everybody knows"\n\t}\n}\n'
		} >"$tmp/$side/swanctl/swanctl.conf"
	done
	charon_start a b
}

# routes: those of the script.
routes()
{
	ip -n "$gwb" -o route show proto 177 | sed -n 's/^\([^ ]*\) .* if_id \([0-9a-fx]*\) .*/\1 \2/p' | paste -sd,
}

# has_route PATTERN: they are like that, or become so.
has_route()
{
	slowwait 10 matches "$1" >/dev/null && return
	check_err 1 "the routes are '$(routes)', should be '$1': $(grep updown "$tmp/b/log" | tail -n 2 | paste -sd';')"
}

# shellcheck disable=SC2329
matches()
{
	[[ $(routes) =~ ^$1$ ]]
}

comes_and_goes()
{
	connect road || return
	has_route '10\.1\.0\.1 (5|0x5)'
	check reach "$gwa" 10.1.0.2 -- 'the tunnel does not carry'
	check reach "$gwb" 10.1.0.1 -- 'the tunnel does not carry the other way'
	check swan b --rekey --child road -- 'no new keys'
	sleep 3
	has_route '10\.1\.0\.1 (5|0x5)'
	check reach "$gwa" 10.1.0.2 -- 'the tunnel does not carry with new keys'
	disconnect road
	has_route ''
}

# What is not the peer's to have.
outside_the_pool()
{
	echo 'road - 10.2.0.0/24' >"$tmp/updown.conf"
	connect road || return
	sleep 2
	has_route ''
	check silent "$gwa" 10.1.0.2 -- 'it is answered'
}

if ! setup; then
	subtest daemons check_err 1 'a daemon does not start'
	finish
fi
for name in comes_and_goes outside_the_pool; do
	subtest $name $name
done
logs "$tmp"/{a,b}/log
finish
