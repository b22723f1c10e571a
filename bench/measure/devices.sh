# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Many static devices in one namespace: what it costs to find the right one, and what a device
# costs.

device_counts='1 1000 8000'
: "${DEVICES:=8000}"

# colliding COUNT: prints if_ids that share a bucket with $id in the C driver's table, which is
# indexed by the upper 8 bits of the product of if_id and the kernel's GOLDEN_RATIO_32. That is odd,
# so it has an inverse modulo 2^32, with which a product can be turned back into its if_id.
colliding()
{
	local ratio=$((0x61c88647)) inverse=1 bucket i if_id left=$1

	for ((i = 0; i < 5; i++)); do
		inverse=$((inverse * (2 - ratio * inverse) & 0xffffffff))
	done
	bucket=$(((id * ratio & 0xffffffff) >> 24))
	for ((i = 0; left > 0; i++)); do
		if_id=$(((bucket << 24 | i) * inverse & 0xffffffff))
		((if_id && if_id != id)) || continue
		echo "$if_id"
		left=$((left - 1))
	done
}

# What it costs to receive through a static device that is not alone.
lookup()
{
	local count had=1 if_ids

	mapfile -t if_ids < <(colliding "${device_counts##* }")
	sender_alone policy 4
	underlay veth
	sender
	outbound policy 4
	inbound static 4
	for count in $device_counts; do
		# With names: for each device without, the kernel goes through the names of all.
		for ((; had < count; had++)); do
			echo "link add x$had type xfrm dev under if_id ${if_ids[had]}"
		done | ip -n bench-b -batch -
		had=$count
		measure 4 policy -i bench-b
		received lookup "$count devices" static
	done
	remove_all
	had_devices=${device_counts##* }
}

# for_each FORMAT [COUNT]: prints the line for each device.
for_each() { seq "${2:-$DEVICES}" | sed "s/.*/$1/"; }

# How many devices there were at a time.
had_devices=0

# first_devices COUNT: the first ones that a machine ever has cost more, by either driver, and take
# more memory. So unless there were many before, as many come and go unmeasured.
first_devices()
{
	((had_devices < $1)) || return 0
	for_each 'link add x& type xfrm dev under if_id &' "$1" | ip -n bench-a -batch -
	for_each 'link del x&' "$1" | ip -n bench-a -batch -
	had_devices=$1
}

# What it costs to create devices, to change them, and to delete them.
devices()
{
	local before

	underlay dummy
	first_devices "$DEVICES"
	before=$(used_memory)
	for_each 'link add x& type xfrm dev under if_id &' | timed devices creating static 1
	result devices memory static bytes $((($(used_memory) - before) * 1024 / DEVICES))
	for_each 'link set x& type xfrm dev under if_id 100000&' | timed devices changing static 1
	for_each 'link del x&' | timed devices deleting static 1
	remove_all
}
