#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What profile.sh runs in its virtual machine: some ways for packets with each driver, and a note of
# the round that counts.
#
#	run-profile.sh transmit|both|receive|forward FAMILY KIND...
#	run-profile.sh tenants 4 COUNT...
#
# Takes the same variables as run.sh, and SIZE. Leaves in /results:
#	order			a line for each way: driver, kind, packets of a round, number of the round
#	symbols.DRIVER		the kernel's symbols while that driver was loaded

set -euo pipefail
here=$(dirname "$(readlink -e "$0")")
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/packets.sh"
. "$here/tenants.sh"

group=$1 family=$2
shift 2
: "${SIZE:=64}"
rounds=1
# shellcheck disable=SC2034 # For result.
unit=$("$UDP" clock)
udevadm control --exit
modprobe -a dummy veth esp4 esp6 ip_vti ip6_vti sch_ingress cls_bpf
room_for_neighbours
for driver in $DRIVERS; do
	load_driver "$driver"
	for kind in "$@"; do
		case $driver:$kind in
		rust:plain | rust:policy | rust:vti) continue ;;
		esac
		if [ "$group" = tenants ]; then
			tenants_setup "$kind"
			packets=$((kind < 2500 ? 2500 : kind))
			measure "$family" external -t "$kind"
		else
			"$group" "$group" "$kind" "$family"
		fi
		echo "$driver $kind $packets $((measured * (rounds + 1)))" >>/results/order
		remove_all
	done
	cat /proc/kallsyms >"/results/symbols.$driver"
	unload_driver "$driver"
done
