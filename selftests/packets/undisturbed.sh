#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 41
# Runs: alone
#
# IPsec without xfrm devices does what it does without the driver. Its handlers see the packets of
# everybody's AH, ESP and IPComp first, also of those who have no use for it.
#
# Connections of all kinds are tried twice, first without the driver: what is answered, what the
# kernel counts on both gateways, and what is on the wire has to be the same with it. That includes
# what is refused.
#
#	gwa ---- under ---- under ---- gwb

. "$(dirname "$0")/../lib/nested.sh"

# The counters of IPsec.
xfrm_counters()
{
	inside "$1" cat /proc/net/xfrm_stat
}

# counted NS BEFORE: what has been counted since.
counted()
{
	xfrm_counters "$1" | awk 'NR == FNR { before[$1] = $2; next } $2 != before[$1] { print $1, $2 - before[$1] }' \
		<(echo "$2") -
}

# on_the_wire LAYER: what has been captured, without what is different each time: numbers, the
# order, what a host says of itself when its time has come (RFC 4861, RFC 9777), and how small it
# gets by compression, with the time in it.
on_the_wire()
{
	local captured length=

	[[ $1 != comp:* ]] || length='; s/length [0-9]*//'
	mapfile -t -s "$capture_start" captured <"$capture_file"
	printf '%s\n' "${captured[@]}" | sed 's/, id [0-9]*//; s/icv=[^)]*//; s/^ *//'"$length" |
		grep -vE 'ICMP6, (multicast listener|router|neighbor) ' | sort
}

# observe FILE FAMILY INNER LAYERS IN [PING-OPTIONS]: two pings through such a connection, and what
# is seen of them.
observe()
{
	local file=$1 family=$2 inner=$3 layers=$4 in=$5 before_a before_b
	shift 5

	layers family="$family" inner="$inner" layers="$layers" in="$in"
	before_a=$(xfrm_counters "$gwa")
	before_b=$(xfrm_counters "$gwb")
	capture "$gwa" under
	{
		inside "$gwa" ping -n -q -c 2 -i 0.02 -W 1 -s 400 "$@" \
			"$(at "$family" "$(flow_net "$inner" "$layers")" 2)" | sed -n 's/.*, \(.* received\).*/\1/p'
		counted "$gwa" "$before_a" | sed 's/^/gwa: /'
		counted "$gwb" "$before_b" | sed 's/^/gwb: /'
		# Whatever it is, it is at least what was sent.
		captured '^IP' 2 >/dev/null
		on_the_wire "$inner"
	} >"$file"
	reset_layers
}

unload_soon()
{
	slowwait 10 unload_quietly
}

# shellcheck disable=SC2329
unload_quietly()
{
	driver_unload 2>/dev/null
}

# connections COMMAND...: the command for each kind of connection: a name, and the arguments of
# observe(). IPv6 takes the same way through the driver, so that a few of its kinds are enough;
# ALL=1 for all.
connections()
{
	local family inner in

	for inner in {ah,esp,comp}:{transport,tunnel} esp:beet; do
		"$@" "${inner/:/_}_in_esp_one_4" 4 $inner 2 one
	done
	for inner in ah:transport comp:tunnel esp:tunnel; do
		"$@" "${inner/:/_}_alone_4" 4 $inner 1 one
		"$@" "${inner/:/_}_in_esp_two_4" 4 $inner 2 two
	done
	"$@" esp_tunnel_in_esp_none_4 4 esp:tunnel 2 none
	# Not worth compressing.
	"$@" comp_tunnel_in_esp_one_small_4 4 comp:tunnel 2 one -s 16
	for inner in ah:transport esp:tunnel; do
		"$@" "${inner/:/_}_in_esp_one_6" 6 $inner 2 one
	done
	"$@" esp_tunnel_in_esp_two_6 6 esp:tunnel 2 two
	[ -n "${ALL-}" ] || return 0

	for family in 4 6; do
		for inner in {ah,esp,comp}:{transport,tunnel} esp:beet; do
			"$@" "${inner/:/_}_alone_again_$family" "$family" $inner 1 one
		done
		for inner in ah:transport esp:tunnel; do
			for in in inner block; do
				"$@" "${inner/:/_}_in_esp_${in}_$family" "$family" $inner 2 $in
			done
		done
		for in in none block; do
			"$@" "esp_tunnel_alone_${in}_$family" "$family" esp:tunnel 1 $in
		done
	done
	for inner in ah:tunnel esp:transport comp:transport comp:tunnel esp:beet; do
		"$@" "${inner/:/_}_in_esp_one_6" 6 $inner 2 one
	done
}

# shellcheck disable=SC2329
observe_in()
{
	local name=$2 dir=$1
	shift 2

	[ -n "$SUBTESTS" ] && [[ " ${SUBTESTS//,/ } " != *" $name "* ]] && return
	echo "# $name $dir the driver"
	observe "$tmp/$dir/$name" "$@"
}

# shellcheck disable=SC2329
compare()
{
	check [ -s "$tmp/without/$1" ] -- 'nothing was observed without the driver'
	if ! diff "$tmp/without/$1" "$tmp/with/$1" >"$tmp/difference"; then
		check_err 1 'it is not what it is without the driver'
		sed 's/^/# /' "$tmp/difference"
	fi
	[ -z "${V-}" ] || sed 's/^/# /' "$tmp/without/$1"
}

# shellcheck disable=SC2329
compared()
{
	subtest "$1" compare "$1"
}

if driver_built_in; then
	subtest undisturbed skip 'the driver is built into the kernel'
	finish
fi

setup_gateways
mkdir "$tmp/without" "$tmp/with"
# No counter of protocols and no module is different for having been used before.
for module in esp4 esp6 ah4 ah6 ipcomp ipcomp6; do
	modprobe -q "$module"
done

if ! unload_soon; then
	subtest undisturbed check_err 1 'the driver can not be unloaded'
	finish
fi
connections observe_in without
driver_load
connections observe_in with
connections compared

finish
