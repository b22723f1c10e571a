# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The tunnels of the tenants: keys, policies, states.

tenant_policies() {
	local site=$1 tenant=$2 n=${number[$2]} peer=${other[$1]}
	local here=${subnet[$site]}.0/24 there=${subnet[$peer]}.0/24
	echo "xfrm policy add src $here dst $there dir out if_id $n" \
		"tmpl src ${underlay[$site]} dst ${underlay[$peer]} proto esp mode tunnel reqid $n"
	echo "xfrm policy add src $there dst $here dir fwd if_id $n" \
		"tmpl src ${underlay[$peer]} dst ${underlay[$site]} proto esp mode tunnel reqid $n"
}

# The SPIs and the keys of the first and the second generation, as spi[TENANT-FROM_SITE-GENERATION]
# and key[SPI]. An SPI is such that a reader of the capture knows whose it is; a key is 16 bytes and
# a salt of 4.
declare -A spi key
make_keys() {
	local tenant site generation random this
	random=$(od -An -v -tx1 -N $((20 * 12)) /dev/urandom)
	random=${random//[$' \n']/}
	for tenant in "${tenants[@]}"; do
		for site in "${sites[@]}"; do
			for generation in 1 2; do
				this=0x${number[$tenant]}$site${other[$site]}00$generation
				spi[$tenant-$site-$generation]=$this
				key[$this]=0x${random:0:40}
				random=${random:40}
			done
		done
	done
}

# state SITE out|in TENANT GENERATION: one direction of a tenant's tunnel on a gateway. Only the
# inbound one marks what it decrypts.
state() {
	local site=$1 direction=$2 tenant=$3 generation=$4 n=${number[$3]} from mark='' this
	case $direction in
	out) from=$site ;;
	in) from=${other[$site]} mark="output-mark $n" ;;
	esac
	this=${spi[$tenant-$from-$generation]}
	echo "xfrm state add src ${underlay[$from]} dst ${underlay[${other[$from]}]} proto esp spi $this" \
		"reqid $n mode tunnel if_id $n $mark replay-window 32 aead rfc4106(gcm(aes)) ${key[$this]} 128"
}

# state_gone SITE out|in TENANT GENERATION: the same state, removed.
state_gone() {
	local from=$1
	[ "$2" = out ] || from=${other[$1]}
	echo "xfrm state delete src ${underlay[$from]} dst ${underlay[${other[$from]}]} proto esp" \
		"spi ${spi[$3-$from-$4]}"
}

# What the kernel shows of a tenant's setup.
show_tenant() {
	local n=${number[red]}
	title "What makes tenant red on gateway A"
	printf '%s\n' "route show table $n" "rule show fwmark $n" \
		"xfrm state get src ${underlay[b]} dst ${underlay[a]} proto esp spi ${spi[red-b-1]}" |
		ip -n demo-gw-a -batch - | awk '
		/encap xfrm/ { $1 = $1; print "  route  ", $0 }
		/fwmark/ { $1 = $1; print "  rule   ", $0 }
		/^src .* dst / { state = $0 }
		/ spi / { sub(/reqid.*/, ""); $1 = $1; state = state " " $0 }
		/output-mark|if_id 0x/ { $1 = $1; state = state " " $0 }
		END { print "  state  ", state }'
}
