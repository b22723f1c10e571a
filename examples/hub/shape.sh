#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The line towards the tunnels is shared: each tenant has a part of its own, and what others leave. The
# firewall says whose packet it is, by its VRF.
set -e

tc qdisc add dev ipsec0 root handle 1: htb default 99
tc class add dev ipsec0 parent 1: classid 1:1 htb rate 100mbit
tc class add dev ipsec0 parent 1:1 classid 1:10 htb rate 70mbit ceil 100mbit
tc class add dev ipsec0 parent 1:1 classid 1:20 htb rate 20mbit ceil 100mbit
tc class add dev ipsec0 parent 1:1 classid 1:99 htb rate 10mbit ceil 100mbit
for class in 10 20 99; do
	tc qdisc add dev ipsec0 parent "1:$class" fq_codel
done
nft -f - <<END
table inet shape {
	chain forward {
		type filter hook forward priority filter + 10;
		oifname "ipsec0" meta priority set iifname map { "red" : 1:10, "blue" : 1:20 }
	}
}
END
