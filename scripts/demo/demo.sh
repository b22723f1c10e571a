#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows what the module is for: two IPsec gateways carry three tenants, whose inner subnets are the
# same, over one external xfrm device each. Runs as root inside the virtual machine, or on any
# machine with the module's kernel; everything happens in network namespaces of its own.
#
#   demo.sh                  with MODULE=FILE: the module to load
#
# Nothing printed is canned: each line with "ok" or "FAILED" is a check of what just happened, and
# the exit code is nonzero if one failed.
#
# A tenant has one number, which serves as if_id, reqid, mark and routing table alike:
#   out   the tenant's VRF has a route through the shared device, whose encapsulation names the
#         if_id, which picks the tenant's policy and tunnel
#   in    the tunnel's inbound state puts the mark on what it decrypts (output-mark), and a rule for
#         the mark looks up the tenant's table
# See tenant_links (topology.sh), tenant_policies and state (tunnels.sh) for the commands.

# shellcheck disable=SC2034 # The files that are sourced use what is set here.

set -eEuo pipefail

MODULE=${MODULE:-/src/out/stock/rust/xfrm_interface_rust.ko}
name=${MODULE##*/} name=${name%.ko}

tenants=(red blue green)
sites=(a b)
declare -A number=([red]=101 [blue]=102 [green]=103)
declare -A subnet=([a]=10.1.0 [b]=10.2.0)
declare -A underlay=([a]=192.0.2.1 [b]=192.0.2.2)
declare -A other=([a]=b [b]=a)
namespaces=(demo-{gw,red,blue,green}-{a,b})

work=$(mktemp -d)
here=$(dirname "$(readlink -e "$0")")
. "$here/../load-driver.sh"
. "$here/basics.sh"
. "$here/module.sh"
. "$here/topology.sh"
. "$here/tunnels.sh"
. "$here/answers.sh"
. "$here/wire.sh"
. "$here/pings.sh"
. "$here/changes.sh"

[ "$EUID" -eq 0 ] || die "needs root"
for namespace in "${namespaces[@]}"; do
	[ ! -e "/run/netns/$namespace" ] || die "a network namespace $namespace exists already; it would be in the way"
done
trap finish EXIT
trap 'exit 1' INT TERM
trap 'printf "error: %s: line %d: %s\n" "${BASH_SOURCE[0]##*/}" "$LINENO" "$BASH_COMMAND" >&2' ERR

show_topology
load_module
make_keys
links | ip -batch -
both configure_gateway
both configure_hosts
show_module
show_tenant

start_answering
start_capture
show_separation
show_wire
show_device

show_rekey
show_removal
show_end

if [ "$failures" -gt 0 ]; then
	title "$failures checks FAILED."
	exit 1
fi
title "All checks ok."
