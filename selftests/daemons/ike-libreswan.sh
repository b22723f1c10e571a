#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 26
#
# libreswan on gwa, strongSwan on gwb. libreswan makes the device of a connection itself, named
# after the if_id, with its address and routes, and takes it away again.
#
#	         gwa                               gwb
#	+------------------+              +------------------+
#	|      pluto       |              |      charon      |
#	|     [ipsec9]     |              |     [ipsec]      |
#	|     10.1.0.1     |              |     10.1.0.2     |
#	|       under -----|--------------|----- under       |
#	+------------------+ 192.0.2.0/24 +------------------+

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/ike.sh"

# It can't be installed beside strongSwan, so it may be somewhere else.
libexec=/opt/libreswan/usr/libexec/ipsec
[ -x $libexec/pluto ] || libexec=/usr/libexec/ipsec

need $libexec/pluto /usr/sbin/charon-systemd swanctl certutil socat

configure_pluto()
{
	dir=$tmp/pluto
	mkdir -p "$dir/run" "$dir/nss"
	# What belongs to a section has to be indented.
	sed '3,$s/^/\t/' >"$dir/ipsec.conf" <<-END
		config setup
		conn libre
			left=192.0.2.1
			right=192.0.2.2
			leftid=@libre.a
			rightid=@libre.b
			leftsubnet=10.1.0.1/32
			rightsubnet=10.1.0.2/32
			ipsec-interface=9
			interface-ip=10.1.0.1/32
			leftsourceip=10.1.0.1
			authby=secret
			ikev2=insist
			ike=aes_gcm128-sha2_256-dh31
			esp=aes_gcm128
			pfs=no
			leftupdown=/usr/libexec/ipsec/_updown.xfrm
			auto=ignore
	END
	echo '@libre.a @libre.b : PSK "everybody knows"' >"$dir/ipsec.secrets"
	certutil -N -d "sql:$dir/nss" --empty-password
}

whack()
{
	timeout 40 $libexec/whack --rundir "$dir/run" "$@" >"$dir/whack.log" 2>&1
}

pluto_start()
{
	# It runs helpers from where it would be installed. The mount is only seen in here.
	mkdir -p /usr/libexec/ipsec
	job_start ip netns exec "$gwa" sh -ec \
		'mount --bind "$1" /usr/libexec/ipsec; shift; exec /usr/libexec/ipsec/pluto "$@"' - \
		$libexec --nofork --no-dnssec --nhelpers 1 --config "$dir/ipsec.conf" \
		--secretsfile "$dir/ipsec.secrets" --ipsecdir "$dir" --rundir "$dir/run" \
		--nssdir "$dir/nss" --logfile "$dir/log"
	slowwait 90 test -S "$dir/run/pluto.ctl" >/dev/null &&
		slowwait 90 whack --listen >/dev/null &&
		inside "$gwa" $libexec/addconn --config "$dir/ipsec.conf" \
			--ctlsocket "$dir/run/pluto.ctl" libre >"$dir/addconn.log" 2>&1
}

setup_daemons()
{
	charon_prepare b
	{
		echo 'connections {'
		connection b libre 9 ts_a=10.1.0.1/32 ts_b=10.1.0.2/32
		printf '}\nsecrets {\n\tike {\n\t\tsecret = "everybody knows"\n\t}\n}\n'
	} >"$tmp/b/swanctl/swanctl.conf"
	configure_pluto
	charon_start b && pluto_start
}

up()
{
	defer reset_gateways
	device b static 9
	defer whack --terminate --name libre
	if ! whack --initiate --name libre; then
		check_err 1 "libre does not come up: $(tail -n 1 "$dir/whack.log")"
		return 1
	fi
	check reach "$gwa" 10.1.0.2 -- 'the peer is not answered'
}

detail()
{
	ip -n "$gwa" -d -j link show ipsec9 2>/dev/null | jq -r ".[0] | $1"
}

# The device is libreswan's own: on the interface that IKE uses, with the if_id of the states.
device_of_its_own()
{
	up || return
	expect 'the device' "$(detail '[.linkinfo.info_kind, .linkinfo.info_data.if_id, .link] | join(" ")')" \
		'xfrm 0x9 under'
	expect 'its address' "$(ip -n "$gwa" -4 -j addr show dev ipsec9 | jq -r '.[0].addr_info[0].local')" 10.1.0.1
	expect 'states with the if_id' "$(states "$gwa" 9) $(states "$gwb" 9)" '2 2'
	expect 'packets of the device' "$(stat "$gwa" ipsec9 rx_packets tx_packets)" '3 3'
}

new_spi()
{
	local spi

	for spi in $(spis "$gwa" 192.0.2.2); do
		[[ " $1 " = *" $spi "* ]] || return 0
	done
	return 1
}

# rekey ike|child
rekey()
{
	local before ikes

	before=$(spis "$gwa" 192.0.2.2)
	ikes=$(rekeyed_ikes)
	whack "--rekey-$1" --name libre || return
	if [ "$1" = child ]; then
		busywait 30000 new_spi "$before" >/dev/null
	else
		slowwait 30 ike_rekeyed "$ikes" >/dev/null
	fi
}

# ike_rekeyed COUNT: whether more IKE SAs than that have been established by a rekey.
ike_rekeyed()
{
	[ "$(rekeyed_ikes)" -gt "$1" ]
}

rekeyed_ikes()
{
	grep -c 'initiator rekeyed IKE SA' "$dir/log"
}

rekey_under_traffic()
{
	up || return
	stream_start 10.1.0.2
	while_pinging 200 1 10.1.0.2 rekey "$1"
	stream_stop 50
	check reach "$gwa" 10.1.0.2 -- 'it is not answered afterwards'
}

unreached()
{
	! reach "$@"
}

gone()
{
	! ip -n "$gwa" link show ipsec9 >/dev/null 2>&1
}

teardown()
{
	up || return
	check whack --terminate --name libre -- 'the connection is not terminated'
	check busywait 30000 no_states "$gwa" -- 'there are states left'
	check busywait 30000 no_states "$gwb" -- 'the peer has states left'
	# There may not even be a route, and then ping says nothing of answers.
	check unreached "$gwa" 10.1.0.2 1 -W 1 -- 'it is still answered'
	# With the connection goes its device.
	check whack --delete --name libre -- 'the connection is not deleted'
	check busywait 30000 gone -- 'the device is left'
	check timeout 5 ip -n "$gwb" link del ipsec -- "the peer's device cannot be deleted"
}

setup_gateways
if ! setup_daemons; then
	subtest daemons_start check false -- 'the daemons do not start'
	V=1 logs "$dir"/*log "$tmp/b/log"
	finish
fi

subtest device_of_its_own device_of_its_own
subtest rekey_child rekey_under_traffic child
subtest rekey_ike rekey_under_traffic ike
subtest teardown teardown

((EXIT_STATUS == 0)) || logs "$dir"/*log "$tmp/b/log"
finish
