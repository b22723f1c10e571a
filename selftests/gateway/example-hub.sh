#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 150
# Only: rust
#
# examples/hub, as its files are: two tenants with the same addresses, a branch and a road warrior.
#
#	gwred   10.1.0.1 --+
#	gwblue  10.1.0.1 --+-- wan -- eth0 [gwhub] lan-red, lan-blue -- red, blue 10.0.0.2
#	gwcarol (of red) --+

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/ike.sh"
. "$lib/agent.sh"

need /usr/sbin/charon-systemd swanctl socat

example=$(dirname "$lib")/../examples/hub
wan='' gwhub='' gwred='' gwblue='' gwcarol='' red='' blue=''

# on_wan NS ADDRESS: a namespace's eth0.
on_wan()
{
	ip -n "$wan" link add "p$2" type veth peer name eth0 netns "$1"
	ip -n "$wan" link set "p$2" master bridge0 up
	ip -n "$1" -batch - <<-END
		addr add 192.0.2.$2/24 dev eth0
		link set eth0 up
		link set lo up
	END
}

# peer NAME ID CHILD VIPS: what dials in to the hub. Its packets are caught by policies: it needs a
# route, and none of a device.
peer()
{
	local name=$1 id=$2 secret=$3 ike=$4 child=$5

	charon_prepare "$name"
	cat >"$tmp/$name/swanctl/swanctl.conf" <<-END
		connections {
			hub {
				version = 2
				remote_addrs = 192.0.2.1
				$ike
				proposals = aes128gcm16-prfsha256-x25519
				local {
					auth = psk
					id = $id
				}
				remote {
					auth = psk
					id = hub.example
				}
				children {
					hub {
						$child
						remote_ts = 10.0.0.0/24
						esp_proposals = aes128gcm16
					}
				}
			}
		}
		secrets {
			ike {
				secret = "$secret"
			}
		}
	END
}

# host NS PORT NAME: behind the hub; it says whose it is.
host()
{
	ip -n "$gwhub" link add "$2" type veth peer name eth0 netns "$1"
	forwarding_link "$gwhub" "$2"
	ip -n "$1" -batch - <<-END
		addr add 10.0.0.2/24 dev eth0
		link set eth0 up
		route add default via 10.0.0.1
	END
	job_start ip netns exec "$1" socat -U TCP4-LISTEN:7,fork,reuseaddr "SYSTEM:echo $3" 2>/dev/null
}

setup_hub()
{
	local ns

	setup_ns wan gwhub gwred gwblue gwcarol red blue || exit "$ksft_skip"
	quiet "$wan" "$gwhub" "$gwred" "$gwblue" "$gwcarol" "$red" "$blue"
	ip -n "$wan" link add name bridge0 type bridge
	ip -n "$wan" link set bridge0 up
	on_wan "$gwhub" 1
	on_wan "$gwred" 11
	on_wan "$gwblue" 12
	on_wan "$gwcarol" 13
	host "$red" lan-red red
	host "$blue" lan-blue blue
	for ns in "$gwred" "$gwblue"; do
		ip -n "$ns" addr add 10.1.0.1/24 dev lo
		ip -n "$ns" route add 10.0.0.0/24 via 192.0.2.1 src 10.1.0.1
		job_start ip netns exec "$ns" socat -U TCP4-LISTEN:7,fork,reuseaddr "SYSTEM:echo $ns" 2>/dev/null
	done
	if ! inside "$gwhub" "$example/network.sh" 2>"$tmp/network.log" ||
		! inside "$gwhub" nft -f "$example/firewall.nft" 2>>"$tmp/network.log"; then
		subtest network check_err 1 "the network is not set up: $(paste -sd';' "$tmp/network.log")"
		finish
	fi
	charon_prepare hub
	cp "$example/swanctl.conf" "$tmp/hub/swanctl/swanctl.conf"
	cp "$example/agent.conf" "$tmp/agent.conf"
	peer red branch.red.example 'the branch of red' '' 'local_ts = 10.1.0.0/24'
	peer blue branch.blue.example 'the branch of blue' '' 'local_ts = 10.1.0.0/24'
	peer carol carol@red.example 'carol of red' 'vips = 0.0.0.0' ''
	charon_start hub red blue carol && agent_start "$gwhub" "$tmp/hub/vici"
}

# answers NS ADDRESS: who does, over TCP.
answers()
{
	inside "$1" socat -u -T 10 "TCP:$2:7,connect-timeout=5" - 2>/dev/null
}

# dial NAME: it connects.
dial()
{
	swan "$1" --initiate --child hub --timeout 60 && return
	check_err 1 "$1 does not connect: $(tail -n 1 "$tmp/$1/swanctl.log")"
	return 1
}

# leads VRF PATTERN: the agent's routes of a tenant, and their connections.
leads()
{
	check slowwait 20 has_lead "$1" "$2" -- "the routes of $1 are '$(leads_of "$1")', should be '$2': $(tail -n 3 "$tmp/agent.log" | paste -sd';')"
}

leads_of()
{
	ip -n "$gwhub" route show vrf "$1" proto 176 | sed -n 's/^\([^ ]*\) .* if_id \([0-9a-fx]*\) .*/\1 \2/p' | paste -sd' '
}

has_lead()
{
	[[ $(leads_of "$1") =~ ^$2$ ]]
}

branches()
{
	dial red && dial blue || return
	leads red '10.1.0.0/24 (65537|0x10001)'
	leads blue '10.1.0.0/24 (65538|0x10002)'
	expect "who answers red's branch" "$(answers "$gwred" 10.0.0.2)" red
	expect "who answers red's network" "$(answers "$red" 10.1.0.1)" "$gwred"
	expect "who answers blue's network" "$(answers "$blue" 10.1.0.1)" "$gwblue"
	# The firewall lets blue's branch answer only.
	expect "who answers blue's branch" "$(answers "$gwblue" 10.0.0.2)" ''
	check xfrmi "$gwhub" list -- 'xfrmi list finds something' && [ "$(grep -c '^if_id' "$tmp/out")" -eq 2 ] ||
		check_err 1 "$(paste -sd';' "$tmp/out")"
	xfrmi "$gwhub" list --vici "$tmp/hub/vici" red-branch --json
	json '.[0].if_id == 65537 and .[0].ike == ["red-branch"] and .[0].vrfs == ["red"]'
}

road_warrior()
{
	dial carol || return
	leads red '10.1.0.0/24 (65537|0x10001) 10.9.0.1 [0-9a-fx]+'
	ip -n "$gwcarol" route replace 10.0.0.0/24 via 192.0.2.1 src 10.9.0.1
	expect "who answers carol" "$(answers "$gwcarol" 10.0.0.2)" red
	check reach "$red" 10.9.0.1 -- "red's network does not reach carol"
	check silent "$blue" 10.9.0.1 -- "blue's network reaches carol"
}

# A packet of blue's branch that looks like one of a connection that red's branch has opened: without a
# zone for each tenant, "established" lets it in.
zones_matter()
{
	local with without

	with=$(forged)
	expect "forged packets that get in" "$with" 0
	sed '/ct zone set/d' "$example/firewall.nft" >"$tmp/one-zone.nft"
	defer restore_firewall
	inside "$gwhub" nft flush ruleset
	inside "$gwhub" nft -f "$tmp/one-zone.nft"
	without=$(forged)
	check [ "$without" -gt 0 ] -- 'no forged packet gets in, even with one zone for all: nothing is seen of it'
}

# shellcheck disable=SC2329
restore_firewall()
{
	inside "$gwhub" nft flush ruleset
	inside "$gwhub" nft -f "$example/firewall.nft"
}

# forged: red's branch talks over UDP from port 4000 to 5000; then blue's sends from there. How many of
# blue's packets reach blue's network.
forged()
{
	local before ns

	inside "$gwhub" conntrack -F >/dev/null 2>&1
	# Somebody has to answer, or the connection is not established.
	job_start ip netns exec "$red" socat -T 5 UDP4-LISTEN:5000,fork EXEC:cat 2>/dev/null
	sleep 1
	echo hello | inside "$gwred" socat -T 2 - UDP4:10.0.0.2:5000,bind=10.1.0.1:4000 >/dev/null
	job_stop "$job"
	before=$(stat "$blue" eth0 rx_packets)
	for _ in 1 2 3; do
		echo forged | inside "$gwblue" socat -u - UDP4:10.0.0.2:5000,bind=10.1.0.1:4000
	done
	sleep 1
	echo $(($(stat "$blue" eth0 rx_packets) - before))
}

# More than a tenant may is dropped, and the other one does not notice.
limits()
{
	local sent=4000 got before

	inside "$gwhub" nft -f "$example/limits.nft" 2>"$tmp/nft.log" ||
		{ check_err 1 "the limits are refused: $(paste -sd';' "$tmp/nft.log")"; return; }
	defer inside "$gwhub" nft delete table inet limits
	# Each is a flow of its own.
	before=$(stat "$red" eth0 rx_packets)
	inside "$gwred" python3 -c '
import socket
for port in range(10000, 14000):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("10.1.0.1", port))
    one.sendto(b"x", ("10.0.0.2", 9))
    one.close()
'
	sleep 1
	got=$(($(stat "$red" eth0 rx_packets) - before))
	check [ "$got" -ge 200 ] -- "of $sent flows only $got get in"
	check [ "$got" -lt $((sent * 9 / 10)) ] -- "of $sent flows $got get in"
	check reach "$blue" 10.1.0.1 -- "blue is limited, too: $(inside "$gwhub" nft list ruleset | grep counter | paste -sd';')"
}

# The line is shared by tenants.
shaped()
{
	local class

	inside "$gwhub" "$example/shape.sh" 2>"$tmp/shape.log" ||
		{ check_err 1 "it is refused: $(paste -sd';' "$tmp/shape.log")"; return; }
	check reach "$red" 10.1.0.1 5 -- 'red does not reach its branch'
	check reach "$blue" 10.1.0.1 7 -- 'blue does not reach its branch'
	for class in 10:5 20:7 99:0; do
		expect "packets of class ${class%:*}" \
			"$(tc -n "$gwhub" -s -j class show dev ipsec0 | jq --arg class "1:${class%:*}" '.[] | select(.handle == $class) | .stats.packets // .packets')" \
			"${class#*:}"
	done
}

if ! setup_hub; then
	subtest daemons check_err 1 'a daemon does not start'
	finish
fi
for name in branches road_warrior zones_matter limits shaped; do
	subtest $name $name
done
logs "$tmp"/{hub,red,blue,carol}/log
finish
