#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The external device, and a VRF with its port for each tenant. Which routes lead through the device is
# the agent's.
set -e

ip link add ipsec0 type xfrm external
# What is received through a connection comes in by the VRF whose routes lead to it.
ethtool --set-priv-flags ipsec0 vrf-by-route on
# What ESP with AES-GCM and NAT traversal takes, of 1500 bytes.
ip link set ipsec0 mtu 1438 up

# tenant VRF TABLE PORT ADDRESS
tenant() {
	ip link add "$1" type vrf table "$2"
	ip link set "$1" up
	# No packet of the tenant's takes another's routes, whatever the VRF lacks.
	ip route add unreachable default metric 4278198272 vrf "$1"
	ip link set "$3" master "$1"
	ip addr add "$4" dev "$3"
	ip link set "$3" up
}

tenant red 1001 lan-red 10.0.0.1/24
tenant blue 1002 lan-blue 10.0.0.1/24

sysctl -qw net.ipv4.ip_forward=1
