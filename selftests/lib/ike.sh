# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests with IKE daemons share: strongSwan's daemon on one or both of the gateways, each
# with a directory of its own, and traffic that goes on while the daemons do something.
#
#	$tmp/a, $tmp/b		strongswan.conf, the socket for swanctl, the daemon's log
#	$tmp/a/swanctl		what would be /etc/swanctl

# need PROGRAM...: skips the whole file if one of them is not there.
need()
{
	local program

	for program in "$@"; do
		command -v "$program" >/dev/null && continue
		subtest programs skip "$program is missing"
		finish
	done
}

################################################################################
# strongSwan

plugins='random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints'

# charon_prepare SIDE: the directory of a gateway's daemon.
charon_prepare()
{
	local dir=$tmp/$1

	# swanctl complains about each directory that is missing.
	mkdir -p "$dir"/swanctl/{x509,x509ca,x509ocsp,x509aa,x509ac,x509crl,pubkey,private,rsa,ecdsa,pkcs8,pkcs12}
	cat >"$dir/strongswan.conf" <<-END
		charon-systemd {
			load = $plugins kernel-netlink socket-default vici
			threads = 8
			# What is lost on a busy machine is sent again soon.
			retransmit_timeout = 1
			retransmit_base = 1.2
			# Routes are the test's. Without this, strongSwan makes some in a table of
			# its own.
			install_routes = no
			# For how long the old states are kept after a rekey; a test waits for their
			# end.
			delete_rekeyed_delay = 1
			plugins {
				vici {
					socket = unix://$dir/vici
				}
			}
			filelog {
				log {
					path = $dir/log
					default = 1
					knl = 2
					flush_line = yes
				}
			}
		}
		swanctl {
			load = $plugins
		}
		pki {
			load = $plugins
		}
	END
}

# charon_start SIDE...: starts the daemons and gives them what is in their directories.
charon_start()
{
	local side ns

	for side in "$@"; do
		ns=gw$side
		job_start env STRONGSWAN_CONF="$tmp/$side/strongswan.conf" \
			ip netns exec "${!ns}" /usr/sbin/charon-systemd
	done
	for side in "$@"; do
		slowwait 90 test -S "$tmp/$side/vici" >/dev/null && swan "$side" --load-all && continue
		cat "$tmp/$side/log" "$tmp/$side/swanctl.log" | sed 's/^/# /'
		return 1
	done 2>/dev/null
}

# swan SIDE ARGUMENT...: swanctl for one gateway's daemon; what it prints is in a file.
swan()
{
	local side=$1; shift

	STRONGSWAN_CONF=$tmp/$side/strongswan.conf SWANCTL_DIR=$tmp/$side/swanctl \
		swanctl "$@" --uri "unix://$tmp/$side/vici" >"$tmp/$side/swanctl.log" 2>&1
}

# With V=1, what the daemons have logged.
# shellcheck disable=SC2329
logs()
{
	local file

	[ -n "${V-}" ] || return 0
	for file in "$@"; do
		[ ! -e "$file" ] || sed "s|^|# ${file#"$tmp/"}: |" "$file"
	done
}

# connection SIDE NAME IF_ID [KEY=VALUE...]: a section of swanctl.conf, for "connections".
#	outer=4		the family of the underlay
#	auth=psk	or pubkey, with the certificate cert.pem
#	ts_a= ts_b=	what is behind each gateway; the addresses of lib.sh's device() unless given
#	net=1		the N of those
#	ike= child=	more lines
connection()
{
	local side=$1 name=$2 id=$3 outer=4 auth=psk net=1 ts_a='' ts_b='' ike='' child='' peer self_ts peer_ts
	local certs='' underlay
	shift 3
	[ $# -eq 0 ] || local "$@"

	: "${ts_a:=10.$net.0.1/32,fd00:$net::1/128}" "${ts_b:=10.$net.0.2/32,fd00:$net::2/128}"
	[ "$auth" = psk ] || certs='certs = cert.pem'
	underlay=under$outer
	if [ "$side" = a ]; then
		peer=b self_ts=$ts_a peer_ts=$ts_b
	else
		peer=a self_ts=$ts_b peer_ts=$ts_a
	fi
	local -n addresses=$underlay
	# The gateway a may change its address.
	cat <<-END
		$name {
			version = 2
			local_addrs = $([ "$side" = a ] && echo %any || echo "${addresses[b]}")
			remote_addrs = ${addresses[$peer]}
			proposals = aes128gcm16-prfsha256-x25519
			$ike
			local {
				auth = $auth
				id = $name.$side
				$certs
			}
			remote {
				auth = $auth
				id = $name.$peer
			}
			children {
				$name {
					if_id_in = $id
					if_id_out = $id
					local_ts = $self_ts
					remote_ts = $peer_ts
					esp_proposals = aes128gcm16
					$child
				}
			}
		}
	END
}

# connect NAME: establishes a connection from gateway a, until the end of the subtest.
connect()
{
	defer disconnect "$1"
	swan a --initiate --child "$1" --timeout 60 && return
	check_err 1 "connecting $1: $(tail -n 1 "$tmp/a/swanctl.log")"
	return 1
}

disconnect()
{
	swan a --terminate --ike "$1" --timeout 10
}

################################################################################
# What the kernel has

# states NS IF_ID: how many states have that if_id.
states()
{
	ip -n "$1" xfrm state list | grep -c "if_id $(printf '0x%x' "$2")\$"
}

# spis NS DESTINATION: the SPIs of the states that lead there, in one line.
spis()
{
	ip -n "$1" xfrm state list dst "$2" | awk '$3 == "spi" { printf "%s ", $4 }'
}

no_states()
{
	[[ $(ip -n "$1" xfrm state count) = *' 0'* ]]
}

################################################################################
# Traffic beside it

# stream_start ADDRESS: from now on, gateway a sends numbered lines to gateway b over TCP.
stream_start()
{
	: >"$tmp/streaming"
	: >"$tmp/received"
	defer rm -f "$tmp/streaming"
	job_start ip netns exec "$gwb" socat -u TCP6-LISTEN:7,reuseaddr,ipv6only=0,accept-timeout=60 "OPEN:$tmp/received"
	stream_receiver=$job
	wait_local_port_listen "$gwb" 7 tcp
	job_start stream_send "$1"
	stream_sender=$job
}

stream_send()
{
	stream_lines "$tmp/sent" | inside "$gwa" socat -u - "TCP:$1:7,connect-timeout=30"
}

stream_lines()
{
	local i=0 idle

	# Nothing ever comes from this pipe, so that reading from it waits without a process.
	exec {idle}<> <(:)
	while [ -e "$tmp/streaming" ]; do
		echo "line $((i++)): $RANDOM $RANDOM $RANDOM"
		read -r -t 0.02 -u "$idle"
	done | tee "$1"
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

# stream_stop LINES: ends the stream, all of which must have arrived, at least that many lines.
stream_stop()
{
	local lines

	rm -f "$tmp/streaming"
	check slowwait 60 ended "$stream_receiver" -- 'the TCP stream does not end'
	job_stop "$stream_sender"
	job_stop "$stream_receiver"
	lines=$(wc -l <"$tmp/received")
	log_info "$lines lines over TCP"
	check [ "$lines" -ge "$1" ] -- "only $lines lines have come over TCP"
	check cmp -s "$tmp/sent" "$tmp/received" -- 'the TCP stream is not what was sent'
}

# What loses packets when states are replaced, as the kernel has counted it.
losses()
{
	local ns

	for ns in "$gwa" "$gwb"; do
		inside "$ns" awk '/^Xfrm(In|Out)[A-Za-z]* / && $2 { print $1 "=" $2 }' /proc/net/xfrm_stat
	done | tr '\n' ' '
}

# How many answers to pings the gateway a has received.
echo_replies()
{
	inside "$gwa" nstat -asz IcmpInEchoReps | awk '/^Icmp/ { print $2 }'
}

answered()
{
	[ "$(echo_replies)" -ge "$1" ]
}

# while_pinging COUNT LEAST ADDRESS COMMAND...: pings that many times, 100 a second, while the
# command runs again and again. It must run often enough and succeed each time, and no answer may be
# missing. It is the kernel that counts them: ping waits for the last one for twice the time only
# that the others took.
while_pinging()
{
	local count=$1 least=$2 address=$3 rounds=0 ping before answers
	shift 3

	before=$(echo_replies)
	job_start ip netns exec "$gwa" ping -n -q -c "$count" -i 0.01 -W 5 "$address" >"$tmp/ping"
	ping=$job
	while ! ended "$ping" || [ "$rounds" -lt "$least" ]; do
		check "$@" -- "round $rounds of $1 fails" || break
		rounds=$((rounds + 1))
	done
	wait "$ping"
	busywait 10000 answered $((before + count)) >/dev/null
	answers=$(($(echo_replies) - before))
	log_info "$rounds rounds, $answers answers, $(grep received "$tmp/ping")"
	check [ "$answers" -eq "$count" ] -- "$answers of $count pings are answered ($(losses))"
}
