#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 60
#
# A hub of strongSwan's with two tenants in VRFs, and an external device with vrf-by-route: no rule, no
# mark, no BPF. Each tenant has a road warrior behind the same NAT, with the same address, and a host
# behind the hub, again with the same. Behind the road warrior is a network, of which it tells FRR on
# the hub by BGP.
#
#	10.6.0.0/24 -- road1 (10.9.0.1) --+                              +-- [red1] right1 10.0.2.2
#	                                  +-- gwa (NAT) ===== gwb [ipsec]
#	10.6.0.0/24 -- road2 (10.9.0.1) --+                              +-- [red2] right2 10.0.2.2

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/ike.sh"

need /usr/sbin/charon-systemd swanctl socat /usr/lib/frr/bgpd bird

gw1='' gw2='' right1='' right2=''

# road NUMBER: a road warrior behind gwa, which has no way but by the NAT.
road()
{
	local i=$1 ns=gw$1

	ip -n "$gwa" link add road$i type veth peer name under netns "${!ns}"
	ip -n "$gwa" addr add 10.50.$i.1/24 dev road$i
	ip -n "$gwa" link set road$i up
	ip -n "${!ns}" -batch - <<-END
		addr add 10.50.$i.2/24 dev under
		link set under up
		route add default via 10.50.$i.1
		link add ipsec type xfrm dev under if_id 7
		link set ipsec up
	END
	charon_prepare "$i"
	cat >"$tmp/$i/swanctl/swanctl.conf" <<-END
		connections {
			hub {
				version = 2
				remote_addrs = 192.0.2.2
				vips = 0.0.0.0
				proposals = aes128gcm16-prfsha256-x25519
				local {
					auth = psk
					id = road$i
				}
				remote {
					auth = psk
					id = hub$i
				}
				children {
					hub {
						if_id_in = 7
						if_id_out = 7
						local_ts = dynamic,10.6.0.0/24
						remote_ts = 10.0.2.0/24
						esp_proposals = aes128gcm16
					}
				}
			}
		}
		secrets {
			ike {
				secret = "everybody knows"
			}
		}
	END
	# The address that the hub gives goes to the device.
	sed -i 's/install_routes = no/&\n\t\tinstall_virtual_ip_on = ipsec/' "$tmp/$i/strongswan.conf"
}

# tenant NUMBER: its VRF on the hub, with a host, and the route to its road warriors.
tenant()
{
	local i=$1 right=right$1

	ip -n "$gwb" link add host$i type veth peer name eth0 netns "${!right}"
	forwarding_link "$gwb" host$i
	ip -n "$gwb" -batch - <<-END
		link add red$i type vrf table 10$i
		link set red$i up
		link set host$i master red$i
		addr add 10.0.2.1/24 dev host$i
		link set host$i up
		route add 10.9.0.0/24 vrf red$i dev ipsec encap xfrm if_id 20$i
	END
	ip -n "${!right}" -batch - <<-END
		addr add 10.0.2.2/24 dev eth0
		link set eth0 up
		route add default via 10.0.2.1
	END
	job_start ip netns exec "${!right}" socat -U TCP4-LISTEN:7,fork,reuseaddr "SYSTEM:echo tenant$i" 2>/dev/null
}

# hub: the configuration of the hub.
hub()
{
	local i

	echo 'connections {'
	for i in 1 2; do
		cat <<-END
			red$i {
				version = 2
				local_addrs = 192.0.2.2
				pools = pool$i
				proposals = aes128gcm16-prfsha256-x25519
				local {
					auth = psk
					id = hub$i
				}
				remote {
					auth = psk
					id = road$i
				}
				children {
					red$i {
						if_id_in = 20$i
						if_id_out = 20$i
						local_ts = 10.0.2.0/24
						remote_ts = dynamic,10.6.0.0/24
						esp_proposals = aes128gcm16
					}
				}
			}
		END
	done
	printf '}\npools {\n\tpool1 {\n\t\taddrs = 10.9.0.0/24\n\t}\n\tpool2 {\n\t\taddrs = 10.9.0.0/24\n\t}\n}\n'
	printf 'secrets {\n\tike {\n\t\tsecret = "everybody knows"\n\t}\n}\n'
}

setup_hub()
{
	local i

	setup_gateways
	setup_ns gw1 gw2 right1 right2 || exit "$ksft_skip"
	quiet "$gw1" "$gw2" "$right1" "$right2"
	inside "$gwa" sysctl -qw net.ipv4.ip_forward=1
	inside "$gwb" sysctl -qw net.ipv4.ip_forward=1
	inside "$gwa" nft -f - <<-END
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat;
				oifname "under" masquerade
			}
		}
	END
	ip -n "$gwb" link add ipsec type xfrm external
	ip -n "$gwb" link set ipsec up
	inside "$gwb" ethtool --set-priv-flags ipsec vrf-by-route on 2>/dev/null
	charon_prepare b
	hub >"$tmp/b/swanctl/swanctl.conf"
	for i in 1 2; do
		road $i
		tenant $i
	done
	charon_start b 1 2
}

# dial NUMBER: the road warrior connects. Its route has gone with its last address.
dial()
{
	local ns=gw$1

	swan "$1" --initiate --child hub --timeout 60 || {
		check_err 1 "road$1 does not connect: $(tail -n 1 "$tmp/$1/swanctl.log")"
		return 1
	}
	ip -n "${!ns}" route replace 10.0.2.0/24 dev ipsec
}

# reaches NUMBER: who answers the road warrior.
reaches()
{
	local ns=gw$1

	inside "${!ns}" socat -u -T 10 TCP:10.0.2.2:7,connect-timeout=5 - 2>/dev/null
}

each_reaches_its_own()
{
	local i ns

	for i in 1 2; do
		dial $i || return
	done
	for i in 1 2; do
		ns=gw$i
		expect "the address of road$i" "$(ip -n "${!ns}" -4 -j addr show dev ipsec | jq -r '.[0].addr_info[0].local')" 10.9.0.1
		expect "who answers road$i" "$(reaches $i)" tenant$i
	done
	expect 'that both are behind a NAT' "$(ip -n "$gwb" xfrm state list dst 192.0.2.2 | grep -c 'type espinudp')" 2
	expect 'rules for tenants' "$(ip -n "$gwb" rule | grep -c fwmark)" 0
}

# The other way round, from the host behind the hub.
called_back()
{
	local i right ns before

	for i in 1 2; do
		right=right$i ns=gw$i
		before=$(stat "${!ns}" ipsec rx_packets)
		check reach "${!right}" 10.9.0.1 -- "tenant $i does not reach its road warrior"
		expect "packets of road$i" $(($(stat "${!ns}" ipsec rx_packets) - before)) 3
	done
}

# New keys, while both ping.
rekeyed()
{
	local i ns pings=()

	for i in 1 2; do
		ns=gw$i
		job_start ip netns exec "${!ns}" ping -n -q -c 200 -i 0.02 -W 3 10.0.2.2 >"$tmp/pings$i"
		pings+=("$job")
	done
	check swan b --rekey --child red1 -- 'no new keys for the states'
	check swan b --rekey --ike red2 -- 'no new keys for the connection'
	wait "${pings[@]}"
	for i in 1 2; do
		check grep -q ' 200 received' "$tmp/pings$i" -- "road$i: $(grep received "$tmp/pings$i")"
	done
	for i in 1 2; do
		expect "who answers road$i" "$(reaches $i)" tenant$i
	done
}

# One is cut off, and comes back; the other never notices.
one_leaves()
{
	swan 1 --terminate --ike hub --timeout 10
	expect 'who answers road1' "$(reaches 1)" ''
	expect 'who answers road2' "$(reaches 2)" tenant2
	dial 1 || return
	expect 'who answers road1 again' "$(reaches 1)" tenant1
}

# The gateway itself, in the VRF.
from_the_vrf()
{
	ip -n "$gwb" addr add 10.0.2.9/32 dev red2
	defer ip -n "$gwb" addr del 10.0.2.9/32 dev red2
	check reach "$gwb" 10.9.0.1 3 -I red2 -- 'the hub does not reach a road warrior in its VRF'
	check reach "$gw2" 10.0.2.9 3 -- 'a road warrior does not reach the hub in its VRF'
	check silent "$gw1" 10.0.2.9 -- "another tenant's road warrior reaches it"
}

# speak_bgp NUMBER: the road warrior, which tells of the network behind it.
speak_bgp()
{
	local i=$1 ns=gw$1

	ip -n "${!ns}" addr replace 10.6.0.1/32 dev lo
	cat >"$tmp/$i/bird.conf" <<-END
		router id 10.9.0.1;
		protocol device {
		}
		protocol static {
			ipv4;
			route 10.6.0.0/24 blackhole;
		}
		protocol bgp hub {
			local 10.9.0.1 as 6500$i;
			neighbor 10.0.2.1 as 65000;
			multihop 2;
			connect retry time 2;
			connect delay time 1;
			ipv4 {
				import all;
				export where proto = "static1";
				next hop self;
			};
		}
	END
	job_start ip netns exec "${!ns}" bird -f -c "$tmp/$i/bird.conf" -s "$tmp/$i/bird.socket" >"$tmp/$i/bird.log" 2>&1
	defer job_stop "$job"
}

# frr: FRR's daemons on the hub, which know nothing of IPsec.
frr()
{
	local i daemon args

	# They give up root's rights.
	dir=$(mktemp -d /run/frr.XXXXXX)
	defer rm -rf "$dir"
	mkdir -p /run/frr
	chown frr:frrvty "$dir" /run/frr
	{
		echo 'frr defaults datacenter'
		for i in 1 2; do
			cat <<-END
				router bgp 65000 vrf red$i
				 bgp router-id 10.0.2.1
				 no bgp ebgp-requires-policy
				 neighbor 10.9.0.1 remote-as external
				 neighbor 10.9.0.1 ebgp-multihop 2
				 neighbor 10.9.0.1 passive
				 address-family ipv4 unicast
				  redistribute connected
				 exit-address-family
			END
		done
	} >"$dir/frr.conf"
	for daemon in zebra bgpd; do
		args=(-f "$dir/frr.conf" -i "$dir/$daemon.pid" -z "$dir/zserv.api"
			--vty_socket "$dir" -P 0 --log "file:$dir/$daemon.log")
		job_start ip netns exec "$gwb" "/usr/lib/frr/$daemon" "${args[@]}" >"$dir/$daemon.out" 2>&1
		defer job_stop "$job"
		check slowwait 30 test -S "$dir/$daemon.vty" -- "$daemon does not start: $(cat "$dir/$daemon.out")" || return
	done
}

# learned NUMBER: the route that FRR has learned from a road warrior.
learned()
{
	ip -n "$gwb" -j route show 10.6.0.0/24 vrf "red$1" proto bgp | jq -r '.[] | [.gateway, .dev] | join(" ")'
}

# is_learned NUMBER
is_learned()
{
	[ -n "$(learned "$1")" ]
}

# The sessions are those of the VRFs, and what they learn is used: FRR has no encapsulation for it,
# but a router that a connection leads to.
bgp()
{
	local i right ns before dir

	for i in 1 2; do
		speak_bgp $i
	done
	frr || return
	for i in 1 2; do
		if ! slowwait 60 is_learned $i >/dev/null; then
			check_err 1 "red$i learns nothing: $(tail -n 1 "$dir/bgpd.log"), $(tail -n 1 "$tmp/$i/bird.log")"
			return
		fi
		expect "the route of red$i" "$(learned $i)" '10.9.0.1 ipsec'
	done
	for i in 1 2; do
		right=right$i ns=gw$i
		before=$(stat "${!ns}" ipsec rx_packets)
		check reach "${!right}" 10.6.0.1 20 -- "tenant $i does not reach the network behind its road warrior"
		check [ $(($(stat "${!ns}" ipsec rx_packets) - before)) -ge 20 ] -- "it is another's"
	done
}

if ! setup_hub; then
	subtest daemons check_err 1 'a daemon does not start'
	finish
fi
for name in each_reaches_its_own called_back rekeyed one_leaves from_the_vrf bgp; do
	subtest $name $name
done
logs "$tmp"/{1,2,b}/log

finish
