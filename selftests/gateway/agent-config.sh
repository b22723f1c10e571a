#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 6
#
# xfrmi agent: what it says of its configuration.

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/agent.sh"

# config: its configuration is what is read.
config()
{
	cat >"$tmp/agent.conf"
}

checked()
{
	xfrmi "$gwa" agent --check --config "$tmp/agent.conf"
}

right()
{
	config <<-END
		# Two tenants with the same addresses.
		device ipsec0
		protocol 200
		tenant red { vrf red; if_id 0x10001; pool 10.9.0.0/24 }
		tenant blue {
			vrf blue
			pool 10.9.0.0/24,
			     fd00:9::/64
			connection blue-*, sky
		}
	END
	check checked -- "it is refused" || cat "$tmp/err"
	expect 'what it says' "$(cat "$tmp/out" "$tmp/err")" ''
}

# All at once, in the order of their lines.
wrong()
{
	config <<-END
		device ipsec0
		colour red
		tenant red { vrf red; if_id 7; pool 10.9.0.0/24 }
		tenant blue { vrf red; if_id 0x10001; pool 10.9.0.128/25 }
		tenant green { vrf green; if_id 0x10001; pool 10.9.0.1/24; taste sweet }
		tenant grey { vrf grey }
	END
	checked
	expect 'how it ends' $? 78
	expect 'what it says' "$(sed "s|^$tmp/||" "$tmp/err")" "$(cat <<-'END'
		agent.conf:2: unknown word 'colour': there are device, protocol, unique_below, interval, tenant
		agent.conf:3: if_id 7 is one that %unique can reach: take one of 0x10000 or above
		agent.conf:4: tenants red and blue share vrf red, but 10.9.0.0/24 and 10.9.0.128/25 overlap
		agent.conf:5: 10.9.0.1/24 has bits beyond its length: 10.9.0.0/24 is meant?
		agent.conf:5: tenants blue and green both have if_id 0x10001
		agent.conf:5: unknown word 'taste': there are vrf, if_id, pool, connection
		agent.conf:6: tenant grey has neither 'if_id' nor 'connection'
	END
	)"
}

missing()
{
	rm -f "$tmp/agent.conf"
	checked
	expect 'how it ends' $? 78
	complains "$tmp/agent.conf: No such file or directory"
}

# With that configuration it does not start, either.
does_not_start()
{
	echo 'device ipsec0 ipsec1' >"$tmp/agent.conf"
	xfrmi "$gwa" agent --config "$tmp/agent.conf"
	expect 'how it ends' $? 78
	complains "agent.conf:1: 'device' has one value"
}

setup_ns gwa
for name in right wrong missing does_not_start; do
	subtest $name $name
done
finish
