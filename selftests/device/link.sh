#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 6
# Also: leaks
#
# Devices as ip(8) makes, shows, changes and deletes them.
#
#	+---------- ns ----------+
#	|  d0, d1 (dummies)      |
#	|  x, y (xfrm devices)   |
#	+------------------------+

. "$(dirname "$0")/../lib/lib.sh"

ns=''

# shown DEVICE JQ: a detail of a device.
shown()
{
	ip -n "$ns" -d -j link show dev "$1" | jq -r ".[0] | $2"
}

static_shown()
{
	defer ip -n "$ns" link del x
	check ip -n "$ns" link add x type xfrm dev d0 if_id 5 -- 'no device'
	expect 'what is shown' \
		"$(shown x '[.linkinfo.info_kind, .linkinfo.info_data.if_id, .link, .link_type, .mtu] |
			map(tostring) | join(" ")')" 'xfrm 0x5 d0 none 1500'
	expect 'NOARP' "$(shown x '.flags | contains(["NOARP"])')" true
	expect 'external' "$(shown x .linkinfo.info_data.external)" null
}

static_without_underlay()
{
	defer ip -n "$ns" link del x
	check ip -n "$ns" link add x type xfrm if_id 0xffffffff -- 'no device'
	expect 'if_id and link' "$(shown x '"\(.linkinfo.info_data.if_id) \(.link)"')" '0xffffffff null'
}

external_shown()
{
	defer ip -n "$ns" link del x
	check ip -n "$ns" link add x type xfrm external -- 'no device'
	expect 'what is shown' \
		"$(shown x '"\(.linkinfo.info_data.external) \(.link) \(.link_type)"')" 'true null none'
}

# Devices are found by their kind.
listed_by_kind()
{
	defer ip -n "$ns" -batch - <<<$'link del x\nlink del y'
	ip -n "$ns" link add x type xfrm external
	ip -n "$ns" link add y type xfrm if_id 7
	expect 'devices of the kind' \
		"$(ip -n "$ns" -j link show type xfrm | jq -r '[.[].ifname] | sort | join(" ")')" 'x y'
	ip -n "$ns" link del x
	ip -n "$ns" link del y
	expect 'devices of the kind after deleting them' "$(ip -n "$ns" link show type xfrm)" ''
}

change_shown()
{
	defer ip -n "$ns" link del x
	ip -n "$ns" link add x type xfrm dev d0 if_id 5
	check ip -n "$ns" link change x type xfrm dev d0 if_id 6 -- 'change fails'
	expect 'if_id' "$(shown x .linkinfo.info_data.if_id)" 0x6
	expect 'link' "$(shown x .link)" d0
}

# ip(8) passes on the driver's own words.
refusal_has_words()
{
	local answer

	ip -n "$ns" link add x type xfrm external
	defer ip -n "$ns" link del x
	answer=$(ip -n "$ns" link change x type xfrm if_id 5 2>&1)
	check [ "${answer#Error: ?}" != "$answer" ] -- "the answer is '$answer'"
}

# The device keeps working as an ordinary one: renamed, up and down, another MTU, in a VRF.
ordinary_device()
{
	defer ip -n "$ns" -force -batch - <<<$'link del x2\nlink del red'
	ip -n "$ns" link add x type xfrm dev d0 if_id 5
	check ip -n "$ns" -batch - <<-END -- 'a step is refused'
		link set x up
		link set x mtu 1400
		link set x down
		link set x name x2
		link add red type vrf table 100
		link set x2 master red
		link set x2 up
		addr add 10.0.0.1/24 dev x2
		link property add dev x2 altname tunnel-to-nowhere
		link set x2 nomaster
	END
	expect 'mtu and if_id' "$(shown x2 '"\(.mtu) \(.linkinfo.info_data.if_id)"')" '1400 0x5'
	ip -n "$ns" link del red
	check ip -n "$ns" link del tunnel-to-nowhere -- 'not deleted by its other name'
}

# The features that a device has, as the C driver has them.
features()
{
	local on feature

	defer ip -n "$ns" link del x
	ip -n "$ns" link add x type xfrm if_id 5
	on=$(inside "$ns" ethtool -k x)
	for feature in tx-checksumming scatter-gather tcp-segmentation-offload \
		generic-segmentation-offload generic-receive-offload; do
		[[ $on = *"$feature: on"* ]] || check_err 1 "$feature is not on"
	done
	check inside "$ns" ethtool -K x tso off gso off tx off -- "features can't be changed"
}

# What lets the kernel find the module for "ip link add type xfrm".
module_aliases()
{
	local file=$MODULE aliases

	if [ "$DRIVER" = c ] || driver_built_in; then
		file=$driver_name
	fi
	aliases=" $(modinfo -F alias "$file" | tr '\n' ' ')"
	for alias in rtnl-link-xfrm netdev-xfrm0; do
		[[ $aliases = *" $alias "* ]] || check_err 1 "no alias $alias"
	done
}

setup_ns ns
quiet "$ns"
ip -n "$ns" link add d0 type dummy
ip -n "$ns" link add d1 type dummy
ip -n "$ns" link set d0 up

for name in static_shown static_without_underlay external_shown listed_by_kind change_shown \
	refusal_has_words ordinary_device features module_aliases; do
	subtest $name $name
done

finish
