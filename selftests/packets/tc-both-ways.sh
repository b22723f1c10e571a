#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 40
#
# TC alone takes the tenants' packets to their connections and back, without a route across, a rule, or
# BPF: on the way out it sets the id of an IP tunnel, on the way in it sends each packet on as one
# that the tenant's VRF has received. What it tells them apart by is the mark that the states put on
# packets, or, with the patches, the if_id itself.

. "$(dirname "$0")/../lib/tenants.sh"
. "$(dirname "$0")/../lib/patches.sh"

# in_by FILTER NUMBER: packets that this filter matches come in by that tenant's VRF.
in_by()
{
	tc -n "$gwa" filter add dev ipsec ingress protocol all $1 action mirred ingress redirect dev "red$2"
}

# by WHAT: "mark", "id", or "nothing".
by()
{
	local what=$1 i

	tc -n "$gwa" qdisc replace dev ipsec clsact
	defer tc -n "$gwa" qdisc del dev ipsec clsact
	for i in 1 2 3; do
		out_by_tc $i
		case $what in
		mark) in_by "handle $i fw" $i ;;
		id) in_by "flower enc_key_id $i" $i ;;
		esac
	done
}

chooses()
{
	by "$1"
	check reach "$left1" "$2" -- 'it is not answered' || return
	each_reaches_its_own "$2"
	at_once "$2"
}

# The filters do it: without those for the way in nothing comes back, and with one that leads to
# another tenant's VRF the answers go there.
filters_choose()
{
	local before

	by nothing
	check silent "$left1" "$1" -- 'it is answered without a filter for the way in'
	in_by 'handle 1 fw' 2
	before=$(replies "$left2")
	check silent "$left1" "$1" -- 'it is answered though its answers lead elsewhere'
	expect "answers that tenant 2's host got" "$(($(replies "$left2") - before))" 3
}

# replies NS: how many answers to pings came there.
replies()
{
	inside "$1" nstat -asz IcmpInEchoReps | awk '!/^#/ { print $2 }'
}

setup_tenants
no_routes_across
mark_by_connection "$gwb"
for i in 1 2 3; do
	ip -n "$gwa" xfrm state deleteall reqid $((i * 8 + 1))
	ip -n "$gwb" xfrm state deleteall reqid $((i * 8 + 1))
	tunnel id=$i n=$i what=state mark_in=$i
done

subtest marks_4 chooses mark 10.0.2.2
subtest marks_6 chooses mark fd00:b::2
subtest filters_choose filters_choose 10.0.2.2
hook ids_4 chooses id 10.0.2.2
hook ids_6 chooses id fd00:b::2

finish
