# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What a megabyte over TCP or UDP costs, in segments that are cut and put together again on the way,
# where there is something that does: esp4_offload has the parts of ESP.
# shellcheck disable=SC2034 # Local variables here are what others go by.

megabytes=8 rounds_of_bulk=3

# The way back, on which acknowledgements go: bench-b sends, bench-a receives.
back()
{
	local kind=$1 of_state='' of_policy='' from=${there[4]} to=${source[4]} way='dev ipsec'

	case $kind in
	plain | policy) way="via ${left[4]}" ;;
	external) way+=" encap xfrm if_id $id" ;;
	esac
	case $kind in
	policy) ;;
	vti) of_policy="mark $id" ;;
	*) of_state="if_id $id" of_policy=$of_state ;;
	esac
	if [ "$kind" != plain ]; then
		back_connection out | ip -n bench-b -batch -
		back_connection in | ip -n bench-a -batch -
	fi
	ip -n bench-b -batch - <<<"route add ${source[4]} $way src ${first[4]}"
}

# back_connection in|out: prints the state and the policy.
back_connection()
{
	local -A there_left=([4]=${right[4]}) there_right=([4]=${left[4]})
	local -n left=there_left right=there_right

	state 4 $((id + 1)) "$of_state"
	policy 4 $((id + 1)) "$1" "$from" "$to" "$of_policy"
}

# bulk_setup KIND
bulk_setup()
{
	underlay veth
	ip -n bench-b neigh add "${left[4]}" dev under lladdr 02:00:00:00:00:01 nud permanent
	sender
	outbound "$1" 4
	inbound "$1" 4
	back "$1"
}

# megabyte KIND VARIANT [OPTIONS OF bulk.c...]
megabyte()
{
	local kind=$1 variant=$2 out before after bytes
	shift 2

	before=$(counter bench-a under tx_bytes)
	out=$("$BULK" -m "$megabytes" -r "$rounds_of_bulk" "$@" bench-a bench-b "${first[4]}") ||
		die 'what is sent does not get through'
	bytes=$(($(counter bench-a under tx_bytes) - before))
	# Of small segments that are sent as such more than a twentieth is headers.
	progress "$kind, $variant: $((bytes / (rounds_of_bulk + 1) / megabytes)) bytes of the underlay for a megabyte"
	read -r value least most < <(sort -n <<<"$out" | awk '
		{ sum += $1; most = $1 } NR == 1 { least = $1 } END { printf "%.1f %s %s\n", sum / NR, least, most }')
	result "bulk$suffix" "$variant" "$kind" "$unit" "$value" "$least" "$most"
}

# big_tcp KIND: allows segments of 200,000 bytes.
big_tcp()
{
	local dev=ipsec ns

	case $1 in
	plain | policy) dev=under ;;
	esac
	for ns in bench-a bench-b; do
		ip -n "$ns" link set "$dev" gso_max_size 200000 gso_ipv4_max_size 200000 \
			gro_max_size 200000 gro_ipv4_max_size 200000 || return
	done
}

bulk()
{
	local kind offload with

	for offload in '' esp4_offload; do
		with=${offload:-no esp4_offload}
		[ -z "$offload" ] || modprobe "$offload"
		for kind in $(kinds); do
			[ "$kind" != bpf ] || continue
			bulk_setup "$kind"
			megabyte "$kind" "TCP, one megabyte, $with"
			# Sockets whose route has policies have no UDP_SEGMENT.
			[ "$kind" = policy ] || megabyte "$kind" "UDP, one megabyte, $with" -u
			# The C driver and VTI refuse that.
			! big_tcp "$kind" 2>/dev/null || megabyte "$kind" "BIG TCP, one megabyte, $with"
			remove_all
		done
		# On a machine of its own somebody else may need it.
		[ -z "$offload" ] || modprobe -q -r "$offload" || :
	done
}
