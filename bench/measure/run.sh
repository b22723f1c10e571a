#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Measures the C driver and ours, one after the other, on this machine, which needs a kernel that
# our module was built for. Everything happens in network namespaces of its own, but the driver that
# is loaded is replaced.
#
#	run.sh GROUP...		what to measure: transmit both receive forward vrf tenants connections lookup scale devices
#			bulk
#
#	DRIVERS="c rust"	which drivers; or "builtin", ours in a kernel that it is built into
#	FULL=1			all families and sizes, more tenants, 100,000 connections
#	CONNECTIONS="1 1000"	how many connections
#	CIPHER=null|aes		what states are made with
#	MODULE=FILE		our module; the kernel's own unless given
#	UDP=FILE BULK=FILE BPF=FILE	what udp.c, bulk.c and if_id.bpf.c were compiled to
#	RESULTS=FILE		where lines are added; lib.sh says what they look like

set -euo pipefail
here=$(dirname "$(readlink -e "$0")")
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/packets.sh"
. "$here/tenants.sh"
. "$here/connections.sh"
. "$here/devices.sh"
. "$here/vrfs.sh"
. "$here/bulk.sh"

: "${DRIVERS:=c rust}" "${CIPHER:=null}" "${FULL:=}"
[ "$DRIVERS" = builtin ] || : "${MODULE:=$(modinfo -n xfrm_interface_rust)}"
# Encryption costs the same whatever the driver, and hides the differences of small packets.
if [ "$CIPHER" = null ]; then
	suffix='' families='4 6' sizes=64 transmitted='64 1400'
else
	suffix=" $CIPHER" families=4 sizes=1400 transmitted=1400
fi
[ -z "$FULL" ] || families='4 6' sizes='64 1400' transmitted=$sizes

group()
{
	case $1 in
	transmit) each transmit "transmit$suffix" "$families" "$transmitted" ;;
	again) each transmit "again$suffix" "$families" 64 ;;
	both | receive) each "$1" "$1$suffix" "$families" "$sizes" ;;
	forward)
		each forward "forward$suffix" "$families" "$sizes"
		# IPv6 has no such setting.
		each forward_disable_xfrm "forward$suffix" 4 64 'static external'
		;;
	tenants | connections | lookup | scale | devices | vrf | bulk) "$1" ;;
	*) die "unknown group: $1" ;;
	esac
}

unit=$("$UDP" clock)
printf '# %s\n' "clock $unit" "kernel $(uname -r)" >>"$RESULTS"
# Whoever watches devices come and go would be measured too.
[ "$unit" != instructions ] || udevadm control --exit 2>/dev/null || :
modprobe -a dummy veth esp4 esp6 ip_vti ip6_vti sch_ingress cls_bpf
trap remove_all EXIT

for driver in $DRIVERS; do
	for name in "${module_name[@]}"; do
		[ ! -e "/sys/module/$name/initstate" ] || rmmod "$name"
	done
	load_driver "$driver"
	for name in "$@"; do
		progress "$driver: $name$suffix"
		group "$name"
	done
	unload_driver "$driver"
done
