#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 110
#
# xfrmi agent with strongSwan: a hub with two tenants in VRFs that have the same addresses. No route to
# a road warrior is there but those of the agent, and charon gives if_ids by itself (%unique).
#
#	                                          +-- [red1] right1 10.0.2.2
#	gw1 (10.9.0.1) --+                        |
#	                 +-- gwa ===== gwb [ipsec]+
#	gw2 (10.9.0.1) --+                        |
#	                                          +-- [red2] right2 10.0.2.2

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/ike.sh"
. "$lib/agent.sh"

need /usr/sbin/charon-systemd swanctl socat

gw1='' gw2='' right1='' right2=''

# road NUMBER: a road warrior, whose address goes to a device.
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
	sed -i 's/install_routes = no/&\n\t\tinstall_virtual_ip_on = ipsec\n\t\tmake_before_break = yes/' \
		"$tmp/$i/strongswan.conf"
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
}

# tenant NUMBER: its VRF on the hub, with a host. What comes in is marked, and by its mark it is routed,
# which both drivers can do.
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
		rule add fwmark 10$i lookup 10$i pref $((500 + i))
	END
	ip -n "${!right}" -batch - <<-END
		addr add 10.0.2.2/24 dev eth0
		link set eth0 up
		route add default via 10.0.2.1
	END
	job_start ip netns exec "${!right}" socat -U TCP4-LISTEN:7,fork,reuseaddr "SYSTEM:echo tenant$i" 2>/dev/null
}

# hub: the configuration of the hub's charon.
hub()
{
	local i

	echo 'connections {'
	for i in 1 2; do
		cat <<-END
			red$i-rw {
				version = 2
				local_addrs = 192.0.2.2
				pools = pool$i
				unique = never
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
					rw {
						if_id_in = %unique
						if_id_out = %unique
						set_mark_in = 10$i
						local_ts = 10.0.2.0/24
						remote_ts = dynamic
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
	ip -n "$gwb" route add 10.50.0.0/16 via 192.0.2.1
	ip -n "$gwb" link add ipsec type xfrm external
	ip -n "$gwb" link set ipsec up
	charon_prepare b
	hub >"$tmp/b/swanctl/swanctl.conf"
	cat >"$tmp/agent.conf" <<-END
		device ipsec
		interval 5
		tenant red1 { vrf red1; pool 10.9.0.0/24; connection red1-* }
		tenant red2 { vrf red2; pool 10.9.0.0/24; connection red2-* }
	END
	for i in 1 2; do
		road $i
		tenant $i
	done
	charon_start 1 2
}

# hub_start: the hub's charon, of which charon_pid is the process.
hub_start()
{
	rm -f "$tmp/b/vici"
	charon_start b || return
	charon_pid=$job
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

hang_up()
{
	swan "$1" --terminate --ike hub --timeout 10
}

# reaches NUMBER: who answers the road warrior.
reaches()
{
	local ns=gw$1

	inside "${!ns}" socat -u -T 10 TCP:10.0.2.2:7,connect-timeout=5 - 2>/dev/null
}

# if_id NUMBER: that of a tenant's road warrior.
if_id()
{
	routes "$gwb" "red$1" | cut -d' ' -f2
}

# The agent is there before charon is.
in_any_order()
{
	agent_start "$gwb" "$tmp/b/vici"
	said "$tmp/b/vici: No such file or directory.*; without charon there are no routes"
	check hub_start -- 'charon does not start' || return
	said 'charon answers: 0 CHILD_SAs'
}

joins_and_leaves()
{
	dial 1 || return
	routed "$gwb" red1 '10\.9\.0\.1 1' 2
	said '^red1: 10\.9\.0\.1/32 via if_id 1 \(red1-rw, road1\)$'
	expect 'routes in the other VRF' "$(routes "$gwb" red2)" ''
	expect 'who answers road1' "$(reaches 1)" tenant1
	check reach "$right1" 10.9.0.1 -- 'road1 is not reached'
	hang_up 1
	routed "$gwb" red1 '' 2
	said '^red1: 10\.9\.0\.1/32 no more via if_id 1 \(red1-rw, road1\)$'
	check silent "$right1" 10.9.0.1 -- 'road1 is still reached'
}

# Both tenants give the same address.
same_pool()
{
	local i ns right before

	for i in 1 2; do
		dial $i || return
		routed "$gwb" red$i '10\.9\.0\.1 [0-9]+' 2
	done
	check [ "$(if_id 1)" != "$(if_id 2)" ] -- 'both have the same if_id'
	for i in 1 2; do
		expect "who answers road$i" "$(reaches $i)" tenant$i
		right=right$i ns=gw$i
		before=$(stat "${!ns}" ipsec rx_packets)
		check reach "${!right}" 10.9.0.1 -- "tenant $i does not reach its road warrior"
		expect "packets of road$i" $(($(stat "${!ns}" ipsec rx_packets) - before)) 3
	done
}

# under_ping WHAT COMMAND...: while right1 pings its road warrior, which may miss one, and at no moment
# is there no route.
under_ping()
{
	local what=$1 ping answers
	shift

	monitor "$gwb"
	job_start ip netns exec "$right1" ping -n -q -c 60 -i 0.1 -W 3 10.9.0.1 >"$tmp/ping"
	ping=$job
	check "$@" -- "$what fails"
	sleep 2
	wait "$ping"
	answers=$(awk '/received/ { print $4 }' "$tmp/ping")
	log_info "$what: $answers of 60"
	check [ "$answers" -ge 59 ] -- "$what: $(grep received "$tmp/ping")"
	monitored >"$tmp/changes"
	expect "routes deleted meanwhile" "$(grep -c ^Deleted "$tmp/changes")" 0
}

rekeyed()
{
	local before

	before=$(if_id 1)
	under_ping 'rekeying the CHILD_SA' swan b --rekey --child rw
	under_ping 'rekeying the IKE_SA' swan 1 --rekey --ike hub
	expect 'the if_id' "$(if_id 1)" "$before"
	expect 'who answers road2' "$(reaches 2)" tenant2
}

# Another IKE_SA, another CHILD_SA, another if_id, and the same address.
reauthenticated()
{
	local before after

	before=$(if_id 1)
	under_ping reauthentication swan 1 --rekey --reauth --ike hub
	after=$(if_id 1)
	check [ "${after:-$before}" != "$before" ] -- "the if_id was $before, and is '$after'"
	said "^red1: 10\.9\.0\.1/32 via if_id $after instead of $before "
	swan b --list-sas --ike red1-rw
	expect 'connections of road1 that are left' "$(grep -c '^red1-rw:' "$tmp/b/swanctl.log")" 1
	expect 'who answers road1' "$(reaches 1)" tenant1
	expect 'who answers road2' "$(reaches 2)" tenant2
}

# Killed, and started again: what is right is not touched, what is not is mended.
agent_killed()
{
	local before

	before=$(routes "$gwb" red1)
	monitor "$gwb"
	agent_end KILL
	sleep 1
	expect 'routes without an agent' "$(routes "$gwb" red1)" "$before"
	check reach "$right1" 10.9.0.1 -- 'road1 is not reached without an agent'
	agent_start "$gwb" "$tmp/b/vici"
	said 'charon answers: 2 CHILD_SAs'
	sleep 1
	expect 'what has changed' "$(monitored)" ''
	expect 'routes' "$(routes "$gwb" red1)" "$before"
	agent_end KILL
	ip -n "$gwb" route del 10.9.0.1 vrf red1
	ip -n "$gwb" route add 10.9.0.99 vrf red1 dev ipsec proto 176 encap xfrm if_id "$(if_id 2)"
	hang_up 2
	agent_start "$gwb" "$tmp/b/vici"
	routed "$gwb" red1 "${before//./\\.}"
	routed "$gwb" red2 ''
	dial 2 || return
	routed "$gwb" red2 '10\.9\.0\.1 [0-9]+' 2
}

# Charon dies without a word, and comes back: it gives the same if_ids, to others. What is left of the
# first ones in the kernel must not lead there.
charon_killed()
{
	local lost before i

	lost=$(if_id 1)
	kill -9 "$charon_pid"
	wait "$charon_pid" 2>/dev/null
	routed "$gwb" red1 '' 3
	routed "$gwb" red2 '' 3
	check [ "$(states "$gwb" "$lost")" -gt 0 ] -- 'charon has left no states'
	check hub_start -- 'charon does not start again' || return
	said 'charon answers: 0 CHILD_SAs'
	swan 2 --terminate --ike hub --force --timeout 5
	for ((i = 1; i <= lost; i++)); do
		dial 2 || return
		routed "$gwb" red2 "10\.9\.0\.1 $i"
		[ "$i" -eq "$lost" ] || hang_up 2
	done
	expect 'the if_id of road2' "$(if_id 2)" "$lost"
	expect 'routes of the first tenant' "$(routes "$gwb" red1)" ''
	before=$(stat "$gw2" ipsec rx_packets)
	check silent "$right1" 10.9.0.1 -- 'a host of the first tenant is answered by the second'
	expect 'packets of the first tenant that the second has got' $(($(stat "$gw2" ipsec rx_packets) - before)) 0
	check reach "$right2" 10.9.0.1 -- 'the second tenant does not reach its own'
	swan 1 --terminate --ike hub --force --timeout 5
	dial 1 || return
	routed "$gwb" red1 "10\.9\.0\.1 $((lost + 1))"
	expect 'who answers road1 again' "$(reaches 1)" tenant1
	expect 'who answers road2' "$(reaches 2)" tenant2
}

if ! setup_hub; then
	subtest daemons check_err 1 'a daemon does not start'
	finish
fi
for name in in_any_order joins_and_leaves same_pool charon_killed rekeyed reauthenticated agent_killed; do
	subtest $name $name
done
[ -z "${V-}" ] || sed 's/^/# agent: /' "$tmp/agent.log"
logs "$tmp"/{1,2,b}/log

finish
