#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What profile.sh and caches.sh run in their virtual machines, where a plugin watches: some ways for
# packets with each driver, and a note of the round that counts.
#
#	run-watched.sh transmit|both|receive|forward FAMILY KIND...
#	run-watched.sh bulk 4 KIND...			a megabyte over TCP counts as a packet
#	run-watched.sh tenants|connections 4 COUNT...	transmit to so many in turn; receive from them
#
# Takes the same variables as run.sh, SIZE, and CPUS: how many processors send in turn. Leaves in
# /results:
#	order			a line for each way: driver, kind, packets of a round, number of the round
#	symbols.DRIVER		the kernel's symbols while that driver was loaded

# shellcheck disable=SC2034 # What is sourced goes by these variables.

set -euo pipefail
here=$(dirname "$(readlink -e "$0")")
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/packets.sh"
. "$here/tenants.sh"
. "$here/connections.sh"
. "$here/vrfs.sh"
. "$here/bulk.sh"

group=$1 family=$2
shift 2
: "${SIZE:=64}" "${CPUS:=1}"
rounds=1

# in_turn SETUP COUNT OPTIONS...: sends to so many tenants, from each processor to each, once what grows
# with its load fits it, of which the C driver has nothing.
in_turn()
{
	local setup=$1 count=$2 least=$((2500 / CPUS)) warm=12
	shift 2
	[ "$driver" != c ] || warm=2

	"$setup" "$count"
	packets=$(((count < least ? least : count) * CPUS))
	measure 4 external -t "$count" -c "$CPUS" "$@"
}

suffix=''
unit=$("$UDP" clock)
udevadm control --exit
modprobe -a dummy veth esp4 esp6 ip_vti ip6_vti sch_ingress cls_bpf
room_for_neighbours
# Here one processor executes after the other. Where all do at a time, a turn of all tenants takes so
# much less of the time after which bundles are looked up again.
[ "$CPUS" = 1 ] || driver_parameters=(bundle_lifetime=$((CPUS * 2000)))
for driver in $DRIVERS; do
	load_driver "$driver"
	for kind in "$@"; do
		case $driver:$kind in
		rust:plain | rust:policy | rust:vti) continue ;;
		esac
		case $group in
		tenants) in_turn tenants_setup "$kind" ;;
		connections) in_turn connections_setup "$kind" -i bench-b ;;
		bulk)
			bulk_setup "$kind"
			rounds_of_bulk=1 measured=$((measured + 1)) packets=$megabytes
			megabyte "$kind" TCP
			;;
		*) "$group" "$group" "$kind" "$family" ;;
		esac
		echo "$driver $kind $packets $((measured * rounds))" >>/results/order
		remove_all
	done
	cat /proc/kallsyms >"/results/symbols.$driver"
	unload_driver "$driver"
done
