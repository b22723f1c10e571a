#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 110
#
# strongSwan on both gateways: IKEv2 connections whose child SAs have the if_id of an xfrm device.
#
#	               gwa                                       gwb
#	       +----------------+                        +----------------+
#	       |     charon     |                        |     charon     |
#	       | 10.1.0.1       |                        |       10.1.0.2 |
#	       | fd00:1::1      |                        |      fd00:1::2 |
#	       |    [ipsec]     |                        |     [ipsec]    |
#	left --|    under ------|------------------------|------ under    |-- right
#	       +----------------+ 192.0.2.0/24           +----------------+
#	                          2001:db8::/64
#
# With an external device, left and right belong to two tenants, red1 and red2, that have a VRF each
# on each of the four machines, and the same addresses:
#
#	left: 10.0.1.2/24, fd00:a::2/64                    right: 10.0.2.2/24, fd00:b::2/64

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/ike.sh"

need /usr/sbin/charon-systemd swanctl pki socat

left='' right=''

# The certificates of both gateways, with an identity for each connection, and who has signed them.
certificates()
{
	local side jobs=() STRONGSWAN_CONF=$tmp/a/strongswan.conf

	export STRONGSWAN_CONF
	for side in ca a b; do
		job_start pki --gen --type ed25519 --outform pem >"$tmp/$side.key"
		jobs+=("$job")
	done
	wait "${jobs[@]}"
	pki --self --ca --in "$tmp/ca.key" --dn CN=ca --outform pem >"$tmp/ca.pem" || return
	jobs=()
	for side in a b; do
		cp "$tmp/ca.pem" "$tmp/$side/swanctl/x509ca/ca.pem"
		cp "$tmp/$side.key" "$tmp/$side/swanctl/private/key.pem"
		job_start pki --issue --cacert "$tmp/ca.pem" --cakey "$tmp/ca.key" --type priv \
			--in "$tmp/$side.key" --dn "CN=$side" --san "red1.$side" --san "red2.$side" \
			--san "blue.$side" --outform pem >"$tmp/$side/swanctl/x509/cert.pem"
		jobs+=("$job")
	done
	wait "${jobs[@]}"
	unset STRONGSWAN_CONF
}

setup_daemons()
{
	local side i

	charon_prepare a
	charon_prepare b
	certificates
	for side in a b; do
		{
			echo 'connections {'
			connection $side static 5 ike='rekey_time = 4h'
			connection $side static6 6 outer=6
			connection $side udp 7 ike='encap = yes'
			connection $side udp6 8 outer=6 ike='encap = yes'
			# What comes in is marked, and by its mark it is routed.
			for i in 1 2; do
				connection $side red$i 10$i auth=pubkey child="set_mark_in = 10$i" \
					ts_a=10.0.1.0/24,fd00:a::/64 ts_b=10.0.2.0/24,fd00:b::/64
			done
			connection $side blue 103 auth=pubkey net=3
			printf '}\nsecrets {\n\tike {\n\t\tsecret = "everybody knows"\n\t}\n}\n'
		} >"$tmp/$side/swanctl/swanctl.conf"
	done
	charon_start a b
}

################################################################################
# One connection on a static device

both_families()
{
	check reach "$gwa" 10.1.0.2 -- 'the IPv4 peer is not answered'
	check reach "$gwb" fd00:1::1 -- 'the IPv6 peer is not answered'
}

# static_device NAME IF_ID WHAT: the connection comes up, its states are for the device and have
# what is given, and what is sent through the device gets through.
static_device()
{
	local name=$1 id=$2 what=$3 ns

	defer reset_gateways
	device a static "$id"
	device b static "$id"
	connect "$name" || return
	for ns in "$gwa" "$gwb"; do
		expect "states with if_id $id" "$(states "$ns" "$id")" 2
		expect "states with $what" "$(ip -n "$ns" xfrm state list | grep -c "$what")" 2
	done
	both_families
	expect 'packets of the device' "$(stat "$gwa" ipsec rx_packets tx_packets)" '6 6'
	expect 'packets of its peer' "$(stat "$gwb" ipsec rx_packets tx_packets)" '6 6'
}

# Nobody connects; the first packet into the device makes the kernel ask for it.
on_demand()
{
	defer reset_gateways
	device a static 5
	device b static 5
	defer swan a --uninstall --child static
	defer disconnect static
	check swan a --install --child static -- 'the policies are not installed'
	check no_states "$gwa" -- 'there are states already'
	check slowwait 60 reach "$gwa" 10.1.0.2 1 -W 1 -- 'no packet gets through'
	expect 'states' "$(states "$gwa" 5)" 2
	both_families
}

# The device may go and come back while its states live on.
device_replaced()
{
	defer reset_gateways
	device a static 5
	device b static 5
	connect static || return
	check ip -n "$gwb" link del ipsec -- 'the device cannot be deleted'
	check silent "$gwa" 10.1.0.2 -- 'it is answered without a device'
	device b external 5
	check reach "$gwa" 10.1.0.2 -- 'it is not answered by an external device instead'
	ip -n "$gwb" link del ipsec
	device b static 5
	both_families
}

teardown()
{
	local ns

	defer reset_gateways
	device a static 5
	device b static 5
	connect static || return
	both_families
	check disconnect static -- 'the connection is not terminated'
	for ns in "$gwa" "$gwb"; do
		check busywait 20000 no_states "$ns" -- 'there are states left'
		expect 'policies with the if_id' "$(ip -n "$ns" xfrm policy list | grep -c if_id)" 0
	done
	check silent "$gwa" 10.1.0.2 -- 'it is still answered'
	check silent "$gwb" fd00:1::1 -- 'it is still answered over IPv6'
	expect 'packets sent by the device' "$(stat "$gwa" ipsec tx_packets)" 6
	for ns in "$gwa" "$gwb"; do
		check timeout 5 ip -n "$ns" link del ipsec -- 'the device cannot be deleted'
	done
}

################################################################################
# Changes under traffic

new_spi()
{
	local spi

	for spi in $(spis "$gwa" 192.0.2.2); do
		[[ " $1 " = *" $spi "* ]] || return 0
	done
	return 1
}

rekey_child()
{
	local before

	before=$(spis "$gwa" 192.0.2.2)
	swan a --rekey --child static && busywait 30000 new_spi "$before" >/dev/null
}

ike_spi()
{
	swan a --list-sas --raw
	grep -o 'initiator-spi=[0-9a-f]*' "$tmp/a/swanctl.log"
}

new_ike_spi()
{
	local now

	now=$(ike_spi)
	[[ -n $now && $now != *"$1"* ]]
}

rekey_ike()
{
	local before

	before=$(ike_spi)
	swan a --rekey --ike static && slowwait 30 new_ike_spi "$before" >/dev/null
}

# under_traffic PINGS LEAST STEP: the step again and again, and neither pings nor TCP notice.
under_traffic()
{
	local before

	defer reset_gateways
	device a static 5
	device b static 5
	connect static || return
	before=$(losses)
	stream_start '[fd00:1::2]'
	while_pinging "$1" "$2" 10.1.0.2 "$3"
	stream_stop 100
	expect 'the losses that the kernel has counted' "$(losses)" "$before"
	expect 'if_ids of states' "$(ip -n "$gwb" xfrm state list | grep -o '^.*if_id.*' | sort -u | xargs)" \
		'if_id 0x5'
	both_families
}

# Old states go a while after their successors have come; then there are two again.
two_states()
{
	[ "$(states "$gwa" 5)" -eq 2 ] && [ "$(states "$gwb" 5)" -eq 2 ]
}

rekey_until_clean()
{
	under_traffic 400 2 rekey_child
	check slowwait 30 two_states -- 'old states are left'
	both_families
}

moved()
{
	[ -n "$(spis "$gwb" 192.0.2.11)" ] && [ -z "$(spis "$gwb" 192.0.2.1)" ]
}

# The gateway a gets another address; MOBIKE takes the states along.
address_change()
{
	local before

	defer ip -n "$gwa" addr add 192.0.2.1/24 dev under
	defer ip -n "$gwa" addr del 192.0.2.11/24 dev under
	defer reset_gateways
	device a static 5
	device b static 5
	connect static || return
	before=$(spis "$gwa" 192.0.2.2)
	stream_start 10.1.0.2
	both_families
	# charon, if it hears of the loss alone, does not try again. It waits for a tenth of a
	# second after the first of several changes.
	inside "$gwa" sysctl -qw net.ipv4.conf.under.promote_secondaries=1
	ip -n "$gwa" -batch - <<-END
		addr add 192.0.2.11/24 dev under
		addr del 192.0.2.1/24 dev under
	END
	check slowwait 60 moved -- 'the states have not moved to the new address'
	expect 'SPIs after the change' "$(spis "$gwa" 192.0.2.2)" "$before"
	expect "states with the if_id" "$(states "$gwa" 5) $(states "$gwb" 5)" '2 2'
	check slowwait 30 reach "$gwa" 10.1.0.2 1 -W 1 -- 'it is not answered from the new address'
	both_families
	stream_stop 20
}

################################################################################
# Several connections on one external device

# tenant_vrf NS DEVICE NUMBER ADDRESS4 ADDRESS6: puts a device into the VRF of a tenant. It needs a
# link-local address to ask for neighbours on behalf of others.
tenant_vrf()
{
	local ns=$1 dev=$2 i=$3 address4=$4 address6=$5

	ip -n "$ns" -batch - <<-END
		link add red$i type vrf table $((100 + i))
		link set red$i up
		link set $dev$i master red$i
		addr add $address4/24 dev $dev$i
		addr add $address6/64 dev $dev$i nodad
		addr add fe80::${address6#*::}/64 dev $dev$i nodad
		link set $dev$i up
	END
}

# tenants GATEWAY HOST SUBNET4 SUBNET6 OTHER-SUBNET4 OTHER-SUBNET6: both tenants on one side.
tenants()
{
	local gateway=$1 host=$2 i

	inside "$gateway" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	for i in 1 2; do
		ip -n "$gateway" link add host$i type veth peer name eth$i netns "$host"
		tenant_vrf "$gateway" host $i "$3.1" "$4::1"
		tenant_vrf "$host" eth $i "$3.2" "$4::2"
		ip -n "$host" -batch - <<-END
			route add default via $3.1 vrf red$i
			route add default via $4::1 vrf red$i
		END
		ip -n "$gateway" rule add fwmark 10$i lookup 10$i pref $((500 + i))
		ip -n "$gateway" -6 rule add fwmark 10$i lookup 10$i pref $((500 + i))
	done
}

# The tenants' routes, which go with the device.
tenants_routes()
{
	local i

	for i in 1 2; do
		ip -n "$1" -batch - <<-END
			route add $2.0/24 vrf red$i dev ipsec encap xfrm if_id 10$i
			route add $3::/64 vrf red$i dev ipsec encap xfrm if_id 10$i
		END
	done
}

# What charon says about packets of its connections: name, in, out.
packets()
{
	swan a --list-sas --raw
	grep -oE '(name|packets-in|packets-out)=[^ }]*' "$tmp/a/swanctl.log" |
		awk -F = '$1 == "name" { name = $2 } $1 == "packets-in" { i = $2 }
			$1 == "packets-out" { print name, i, $2 }' | sort | xargs
}

external_device()
{
	setup_ns left right || return
	quiet "$left" "$right"
	defer reset_gateways
	tenants "$gwa" "$left" 10.0.1 fd00:a
	tenants "$gwb" "$right" 10.0.2 fd00:b
	device a external 103 net=3
	device b external 103 net=3
	tenants_routes "$gwa" 10.0.2 fd00:b
	tenants_routes "$gwb" 10.0.1 fd00:a
	connect red1 && connect red2 && connect blue || return
	expect 'connections' "$(packets)" 'blue 0 0 red1 0 0 red2 0 0'
	check reach "$left" 10.0.2.2 3 -I red1 -- 'tenant 1 is not answered'
	expect 'packets of connections after 3 of tenant 1' "$(packets)" 'blue 0 0 red1 3 3 red2 0 0'
	check reach "$left" fd00:b::2 4 -I red2 -- 'tenant 2 is not answered'
	expect 'packets of connections after 4 of tenant 2' "$(packets)" 'blue 0 0 red1 3 3 red2 4 4'
	check reach "$gwb" 10.3.0.1 5 -- 'the gateway is not answered'
	expect 'packets of connections after 5 of gateways' "$(packets)" 'blue 5 5 red1 3 3 red2 4 4'
	# One goes, the others stay.
	disconnect red1
	check silent "$left" 10.0.2.2 -I red1 -- 'tenant 1 is still answered'
	check reach "$left" 10.0.2.2 3 -I red2 -- 'tenant 2 is cut off'
	check reach "$gwa" fd00:3::2 -- 'the gateway is cut off'
	check swan a --initiate --child red1 --timeout 60 -- 'tenant 1 does not come back'
	check reach "$right" fd00:a::2 3 -I red1 -- 'tenant 1 is not answered after it has come back'
	expect 'packets of the device' "$(stat "$gwa" ipsec rx_packets tx_packets)" '21 21'
}

setup_gateways
if ! setup_daemons; then
	subtest daemons_start check false -- 'the daemons do not start'
	finish
fi

subtest static_4 static_device static 5 'mode tunnel'
subtest static_6 static_device static6 6 'src 2001:db8::'
subtest esp_in_udp_4 static_device udp 7 'encap type espinudp sport 4500 dport 4500'
subtest esp_in_udp_6 static_device udp6 8 'encap type espinudp sport 4500 dport 4500'
subtest on_demand on_demand
subtest rekey_child rekey_until_clean
subtest rekey_ike under_traffic 200 1 rekey_ike
subtest mobike_address_change address_change
subtest device_replaced device_replaced
subtest external_with_certificates external_device
subtest teardown teardown

((EXIT_STATUS == 0)) || logs "$tmp"/[ab]/log
finish
