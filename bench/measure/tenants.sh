# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Many tenants: what a packet costs when it is always another one's, and what tenants cost on static
# devices and on one external device.
# shellcheck disable=SC2034 # Local variables here are what measure goes by.

tenant_counts='1 64 1024 16384'
[ -n "${FULL-}" ] && many=10000 || many=2000

# add_tenants external|static FIRST LAST: prints lines for ip -batch, without the external device.
add_tenants()
{
	local i address

	for ((i = $2; i <= $3; i++)); do
		address=10.$((128 + (i >> 16))).$((i >> 8 & 255)).$((i & 255))
		state 4 "$i" "if_id $i"
		policy 4 "$i" out 0.0.0.0/0 0.0.0.0/0 "if_id $i"
		if [ "$1" = static ]; then
			echo "link add x$i type xfrm dev under if_id $i"
			echo "link set x$i up"
			echo "route add $address dev x$i src ${source[4]}"
		else
			echo "route add $address dev ipsec src ${source[4]} encap xfrm if_id $i"
		fi
	done
}

# room_for_neighbours: a device of many tenants has as many neighbours. Beyond the limit, which is
# 1024 unless somebody raises it, each packet would pay for a new one.
room_for_neighbours()
{
	local name

	neighbours=()
	for name in /proc/sys/net/ipv4/neigh/default/gc_thresh{1,2,3}; do
		neighbours+=("$(<"$name")")
		echo 65536 >"$name"
	done
}

# restore_neighbours: what the limits were.
restore_neighbours()
{
	local i

	for i in 1 2 3; do
		echo "${neighbours[i - 1]}" >/proc/sys/net/ipv4/neigh/default/gc_thresh"$i"
	done
}

# tenants_setup COUNT: that many tenants on one external device.
tenants_setup()
{
	underlay dummy
	sender
	ip -n bench-a -batch - < <(device external 4)
	add_tenants external 1 "$1" | ip -n bench-a -batch -
}

# What a packet costs with more and more tenants on one external device, each with a connection, in
# turn and by Zipf's law.
tenants()
{
	local count had=1 packets rounds warm

	room_for_neighbours
	tenants_setup 1
	for count in $tenant_counts; do
		add_tenants external $((had + 1)) "$count" | ip -n bench-a -batch -
		had=$count
		packets=$((count < 4096 ? 4096 : count)) warm=12
		# Long enough for our driver to look up each bundle twice again because of its age.
		rounds=$((count < 4096 ? 5 : 27))
		measure 4 external -t "$count"
		result tenants "$count in turn" external "$unit" "$value" "$least" "$most"
		[ "$count" -gt 1 ] || continue
		[ "$count" -ne 64 ] || flooded
		measure 4 external -t "$count" -z
		result tenants "$count by Zipf's law" external "$unit" "$value" "$least" "$most"
	done
	remove_all
	restore_neighbours
}

# What a packet of 64 tenants in turn costs while others send such as never come again.
flooded()
{
	local flood flooding rounds=3 warm=6

	for flood in 64 256 1024; do
		flooding=$((packets * flood / 64))
		measure 4 external -t 64 -f "$flood"
		result tenants "64 in turn, a flood of $flood" external "$unit" "$value" "$least" "$most"
	done
}

# The same tenants on a static device each, and all on one external device.
scale()
{
	local kind each before packets=$many rounds=3

	room_for_neighbours
	for kind in static external; do
		[ "$kind" = static ] && each=5 || each=3
		underlay dummy
		sender
		first_devices "$many"
		before=$(used_memory)
		[ "$kind" = static ] || ip -n bench-a -batch - < <(device external 4)
		add_tenants "$kind" 1 "$many" | timed scale "$many tenants: adding one" "$kind" "$each"
		result scale "$many tenants: memory of one" "$kind" bytes $((($(used_memory) - before) * 1024 / many))
		measure 4 "$kind" -t "$many"
		result scale "$many tenants: a packet" "$kind" "$unit" "$value" "$least" "$most"
		remove_all
	done
	restore_neighbours
}
