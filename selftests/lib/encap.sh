# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of those who install routes share.

# routes_of NS VRF PROTOCOL: the routes to connections in a VRF, as in "10.9.0.1 1, fd00:9::1 2".
routes_of()
{
	local family destination if_id found=''

	for family in -4 -6; do
		while read -r destination if_id; do
			# Some versions of ip print it in hexadecimal.
			found+=", $destination $((if_id))"
		done < <(ip -n "$1" -o $family route show vrf "$2" proto "$3" 2>/dev/null |
			sed -n 's/^\([^ ]*\) .* if_id \([0-9a-fx]*\) dev ipsec .*/\1 \2/p')
	done
	echo "${found#, }"
}
