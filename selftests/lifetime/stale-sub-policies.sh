#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 27
#
# The next packet of a flow that does not pause is right after one of the two policies has changed
# that apply to it: of the type "sub", whose transform is the inner one, and "main".

. "$(dirname "$0")/../lib/stale.sh"

# sub_and_main NAMESPACES: a flow to which both apply.
sub_and_main()
{
	connected "$1"
	defer xfrm policy flush ptype sub
	if ! policy add 9 $everything priority 1000 ptype sub; then
		skip 'the kernel has no sub-policies'
		return 1
	fi
	ah add 0x2000 40
	ah add 0x2010 41
	main update 40
	flow "$sender" "$to"
	go under:0x2000+0x1010 3 'the start'
}

# ah COMMAND SPI REQID: a state in tunnel mode between the same gateways.
ah()
{
	xfrm state "$1" src "$self" dst "$peer" proto ah spi "$2" reqid "$3" mode tunnel flag af-unspec \
		auth-trunc 'hmac(sha256)' "0x$(printf '%064x' "$3")" 128 if_id 5
}

# main COMMAND REQID: the policy of that type, with such a state.
main()
{
	xfrm policy "$1" dir out if_id 5 $everything priority 1000 \
		tmpl src "$self" dst "$peer" proto ah reqid "$2" mode tunnel
}

sub_main_deleted()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after under:0x1010 xfrm policy delete $everything dir out if_id 5
	after under:0x2000+0x1010 main add 40
}

sub_main_changed()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after under:0x2010+0x1010 main update 41
	after - xfrm policy update dir out if_id 5 $everything priority 1000 action block
}

sub_main_more_specific()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after - xfrm policy add src "$from/$length" dst "$to/$length" dir out if_id 5 priority 1 action block
	after under:0x2000+0x1010 xfrm policy delete src "$from/$length" dst "$to/$length" dir out if_id 5
}

sub_deleted()
{
	combination "$1" "$2"
	sub_and_main "$3" || return
	after under:0x2000 xfrm policy delete $everything dir out if_id 5 ptype sub
	after under:0x2000+0x1010 policy add 9 $everything priority 1000 ptype sub
	after under:0x2000 xfrm policy flush ptype sub
}

sub_changed()
{
	combination "$1" "$2"
	second_state
	sub_and_main "$3" || return
	after under:0x2000+0x1020 policy update 17 $everything priority 1000 ptype sub
	after - xfrm policy update dir out if_id 5 $everything priority 1000 ptype sub action block
}

setup_namespaces

[ -z "${ALL-}" ] && pairs=('4 4' '6 4') || pairs=('4 4' '6 4' '4 6' '6 6')
for families in "${pairs[@]}"; do
	# Where families differ, what the kernel counts for one family or namespace does not show
	# it.
	name=${families/ /in}
	where=one
	[ $name = 4in4 ] || [ $name = 6in6 ] || where=two
	# shellcheck disable=SC2086
	{
		subtest sub_main_deleted_$name sub_main_deleted $families $where
		subtest sub_main_changed_$name sub_main_changed $families $where
		subtest sub_main_more_specific_$name sub_main_more_specific $families $where
		subtest sub_deleted_$name sub_deleted $families $where
		subtest sub_changed_$name sub_changed $families $where
	}
done

finish
