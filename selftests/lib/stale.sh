#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of what a flow's packets must not outlast share: the flow, and what its way is made
# of.
#
# A packet goes where a look-up at this moment would send it, however many packets of its flow went
# another way before, and whatever it is that has changed.
#
# In each subtest a flow sends without pause, so that nothing is forgotten for having rested. One
# thing is changed, and the very next packet has to be right. That nothing is right only because it
# is looked up again after some time, lib.sh has seen to when it loaded the driver.
#
#	inner[ipsec]				where a subtest says so
#	      :
#	     gwa[ipsec] ---- under ---- under ---- gwb
#	      |
#	    other, a dummy
#
# States of gwa are named by their SPI: 0x1010 is that of the first tunnel, 0x1020 that of the
# second.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$lib/bundles.sh"
. "$lib/flow.sh"

inner=''

setup_namespaces()
{
	setup_gateways
	setup_ns inner
	quiet "$inner"
}

# combination INNER OUTER: sets what differs between families.
combination()
{
	inner_family=$1 outer_family=$2
	if [ "$1" = 4 ]; then
		from=10.1.0.1 to=10.1.0.2 length=32 everything='src 0.0.0.0/0 dst 0.0.0.0/0'
	else
		from=fd00:1::1 to=fd00:1::2 length=128 everything='src ::/0 dst ::/0'
	fi
	if [ "$2" = 4 ]; then
		self=${under4[a]} peer=${under4[b]}
	else
		self=${under6[a]} peer=${under6[b]}
	fi
}

# xfrm COMMAND...: of the namespace that has policies and states.
xfrm()
{
	ip -n "$gwa" xfrm "$@"
}

# device_in NS: a static device whose policies, states and underlay are in gwa.
device_in()
{
	local name=ipsec net=1 ns=$1 self=1 peer=2 encap=''

	ip -n "$ns" link add ipsec link-netns "$gwa" type xfrm if_id 5
	device_address
}

# connected [NAMESPACES]: a device, in the namespace of its policies or in another, and a tunnel.
connected()
{
	defer reset_gateways "$inner"
	if [ "${1:-one}" = two ]; then
		device_in "$inner"
		sender=$inner
		watch "$inner" "$gwa"
	else
		device a static 5
		sender=$gwa
		watch "$gwa"
	fi
	tunnel id=5 n=1 ns_b= way=out outer="$outer_family"
	# Others may come before it, and some after it.
	policy update 9 $everything priority 1000
}

# flowing [NAMESPACES] [PING-OPTIONS...]: and a flow that goes through it.
flowing()
{
	connected "${1:-}"
	shift $(($# ? 1 : 0))
	flow "$sender" "$@" "$to"
	go under:0x1010 3 'the start'
}

# policy COMMAND REQID SELECTOR [OPTIONS...]: an outgoing policy for the first tunnel, whose reqid
# is 9, or the second, 17.
policy()
{
	local command=$1 reqid=$2
	shift 2

	xfrm policy "$command" dir out if_id 5 "$@" \
		tmpl src "$self" dst "$peer" proto esp reqid "$reqid" mode tunnel
}

# second_state: the states of another tunnel with the same if_id.
second_state()
{
	tunnel id=5 n=2 ns_b= way=out what=state outer="$outer_family"
}

key()
{
	printf "aead rfc4106(gcm(aes)) 0x%040x 128" "$1"
}

# esp COMMAND SPI REQID [OPTIONS...]: a state in tunnel mode between the same gateways.
esp()
{
	local command=$1 spi=$2 reqid=$3
	shift 3

	# shellcheck disable=SC2046
	xfrm state "$command" src "$self" dst "$peer" proto esp spi "$spi" reqid "$reqid" mode tunnel \
		flag af-unspec $(key "$reqid") if_id "${if_id:-5}" "$@"
}
