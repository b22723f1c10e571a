# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The networks: what an operator would type, but for the tunnels.

show_topology() {
	title "Two gateways, three tenants with the same addresses, one xfrm device on each gateway"
	cat <<-END

		  site A: each has ${subnet[a]}.0/24                                 site B: each has ${subnet[b]}.0/24

		  red    ${subnet[a]}.10 --[vrf red  ]--+                                 +--[vrf red  ]-- ${subnet[b]}.10  red
		                                  |     gw-a               gw-b     |
		  blue   ${subnet[a]}.10 --[vrf blue ]--+--[ipsec0]=====ESP=====[ipsec0]--+--[vrf blue ]-- ${subnet[b]}.10  blue
		                                  |   ${underlay[a]}         ${underlay[b]}   |
		  green  ${subnet[a]}.10 --[vrf green]--+                                 +--[vrf green]-- ${subnet[b]}.10  green

		  if_id = mark = routing table: red ${number[red]}, blue ${number[blue]}, green ${number[green]}; AES-GCM, a key for each direction
	END
}

# The links are made from outside, so that both ends can be put where they belong.
links() {
	local site tenant
	printf 'netns add %s\n' "${namespaces[@]}"
	echo "link add wan netns demo-gw-a type veth peer name wan netns demo-gw-b"
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			echo "link add eth0 netns demo-$tenant-$site type veth peer name to-$tenant netns demo-gw-$site"
		done
	done
}

# One address family keeps the capture readable. The reverse path filter is strict, and knows the
# marks: an inner source address that is not its tenant's is dropped.
gateway_settings() {
	inside "gw-$1" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv4.ip_forward=1 \
		net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.all.src_valid_mark=1
}

gateway_links() {
	echo "link set lo up"
	echo "addr add ${underlay[$1]}/24 dev wan"
	echo "link set wan up"
	echo "link add ipsec0 type xfrm external"
	echo "link set ipsec0 up"
}

# tenant_links SITE TENANT: the tenant's VRF, its way out through the device, and its way in. The
# unreachable route keeps a tenant without a tunnel from using the gateway's own routes.
tenant_links() {
	local site=$1 tenant=$2 n=${number[$2]}
	echo "link add $tenant type vrf table $n"
	echo "link set $tenant up"
	echo "link set to-$tenant master $tenant"
	echo "addr add ${subnet[$site]}.1/24 dev to-$tenant"
	echo "link set to-$tenant up"
	echo "route add unreachable default metric 4278198272 table $n"
	echo "route add ${subnet[${other[$site]}]}.0/24 dev ipsec0 table $n encap xfrm if_id $n"
	echo "rule add fwmark $n lookup $n pref $n"
}

configure_gateway() {
	local site=$1 tenant
	gateway_settings "$site"
	{
		gateway_links "$site"
		for tenant in "${tenants[@]}"; do
			tenant_links "$site" "$tenant"
			tenant_policies "$site" "$tenant"
			state "$site" out "$tenant" 1
			state "$site" in "$tenant" 1
		done
	} | ip -n "demo-gw-$site" -batch -
}

configure_hosts() {
	local site=$1 tenant
	for tenant in "${tenants[@]}"; do
		ip -n "demo-$tenant-$site" -batch - <<-END
			addr add ${subnet[$site]}.10/24 dev eth0
			link set eth0 up
			route add default via ${subnet[$site]}.1
		END
	done
}
