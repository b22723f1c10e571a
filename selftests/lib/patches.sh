#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Subtests for which the kernel needs the patches in patches/7.3. One that calls itself "patched" has
# to have what they add, and so has any with HOOKS=1; on others these subtests are skipped.

# Nobody tries what works: a patch that has ceased to would go unnoticed.
patched()
{
	[ "${HOOKS-}" = 1 ] || [[ $(uname -r) = *-patched* ]]
}

# hook NAME COMMAND...: a subtest for which the kernel needs the patches.
hook()
{
	local name=$1
	shift

	patched || set -- skip 'the kernel is without patches/7.3'
	subtest "$name" "$@"
}
