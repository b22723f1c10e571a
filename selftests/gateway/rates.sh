#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Time: 100
#
# xfrmi top and xfrmi exporter: what tenants carry.
#
#	gwa[ipsec] ---- under ---- under ---- [ipsec]gwb

. "$(dirname "$0")/../lib/lib.sh"
. "$lib/xfrmi.sh"

# One tenant that sends a lot, and one that does not.
world()
{
	defer reset_gateways
	defer ip -n "$gwa" link del red
	device a external 5
	device b external 5
	tunnel id=5
	tunnel id=6 n=2
	ip -n "$gwa" -batch - <<-END
		link add red type vrf table 100
		link set red up
		route add 10.2.0.0/24 vrf red dev ipsec encap xfrm if_id 6
		route add 10.3.0.0/24 vrf red dev ipsec encap xfrm if_id 6
	END
}

# flow SECONDS: 50 packets a second of 1028 bytes, both ways.
flow()
{
	inside "$gwa" ping -n -q -i 0.02 -s 1000 -w "$1" 10.1.0.2 >/dev/null
}

top_is_live()
{
	world
	job_start ip netns exec "$gwa" ping -n -q -i 0.02 -s 1000 10.1.0.2 >/dev/null
	succeeds "$gwa" top --json --count 2 --interval 2 || return
	expect 'how often it is shown' "$(wc -l <"$tmp/out")" 2
	# That which sends is first; how many packets there are is up to the machine.
	tail -n 1 "$tmp/out" >"$tmp/last"
	mv "$tmp/last" "$tmp/out"
	json 'map(.if_id) == [5, 6] and .[1].tenant == "red" and .[1].out.bytes_per_second == 0'
	json '.[0].out.packets_per_second > 5 and .[0].out.packets_per_second < 60'
	json '.[0] | .out.bytes_per_second / .out.packets_per_second | round == 1028'
	json '.[0] | (.in.packets_per_second / .out.packets_per_second) as $r | $r > 0.5 and $r < 1.5'
	succeeds "$gwa" top --count 1 red || return
	printed '^red +6 +0 bit/s +0 /s +0 bit/s +0 /s$'
	check_fail "$(grep -q '^if_id 5' "$tmp/out"; echo $?)" 'another tenant is shown'
	job_stop "$job"
}

# exporter_start ARGUMENT...: it answers.
exporter_start()
{
	ip -n "$gwa" link set lo up
	job_start ip netns exec "$gwa" "$xfrmi_binary" exporter --listen 127.0.0.1:9912 --interval 0.5 "$@" 2>"$tmp/err"
	exporter=$job
	check slowwait 20 grep -q '^listening on' "$tmp/err" -- 'it does not listen'
}

# scrape [TYPE]: what it serves now, in $tmp/out, once it has read again; as Prometheus asks for it, or
# as who takes another type of contents.
scrape()
{
	sleep 1.5
	inside "$gwa" python3 -c '
import sys
import urllib.request
asked = urllib.request.Request("http://127.0.0.1:9912/metrics", headers={"Accept": sys.argv[1]})
print(urllib.request.urlopen(asked, timeout=20).read().decode(), end="")
' "${1:-application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5}" >"$tmp/out" 2>"$tmp/err"
}

# value METRIC: that of the first line that begins like this.
value()
{
	awk -v metric="$1" 'index($0, metric) == 1 { print $NF; exit }' "$tmp/out"
}

exporter_counts()
{
	local out='{tenant="if_id 5",if_id="5",direction="out"}' sent

	world
	inside "$gwa" ping -n -q -c 3 -i 0.1 10.1.0.2 >/dev/null
	exporter_start || return
	scrape
	expect 'what was sent before' "$(value "xfrmi_packets_total$out")" 0
	expect 'states' "$(value "xfrmi_states$out")" 1
	expect 'connections' "$(value xfrmi_connections)" 2
	inside "$gwa" ping -n -q -c 10 -i 0.1 -s 1000 10.1.0.2 >/dev/null
	scrape
	expect 'packets out' "$(value "xfrmi_packets_total$out")" 10
	expect 'bytes out' "$(value "xfrmi_carried_bytes_total$out")" 10280
	expect 'packets in' "$(value "xfrmi_packets_total${out/out/in}")" 10
	expect "packets of red" "$(value 'xfrmi_packets_total{tenant="red",if_id="6",direction="out"}')" 0
	# Rekeyed: another state, and the old one goes.
	tunnel id=5 n=9 what=state
	ip -n "$gwa" xfrm policy update src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 5 \
		tmpl src "${under4[a]}" dst "${under4[b]}" proto esp reqid 73 mode tunnel
	ip -n "$gwb" xfrm policy update src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 5 \
		tmpl src "${under4[a]}" dst "${under4[b]}" proto esp reqid 73 mode tunnel
	scrape
	ip -n "$gwa" xfrm state delete src "${under4[a]}" dst "${under4[b]}" proto esp spi 0x1010
	inside "$gwa" ping -n -q -c 10 -i 0.1 -s 1000 10.1.0.2 >/dev/null
	scrape
	expect 'packets out after it was rekeyed' "$(value "xfrmi_packets_total$out")" 20
	expect 'rekeys' "$(value "xfrmi_rekeys_total$out")" 1
	expect 'states' "$(value "xfrmi_states$out")" 1
	sent=$(value "xfrmi_state_age_seconds$out")
	check [ "${sent:-999}" -lt 60 ] -- "the newest state is of $sent seconds"
	# Nothing there is for a connection that is routed to, and has no policy.
	ip -n "$gwa" route add 10.7.0.0/24 vrf red dev ipsec encap xfrm if_id 7
	inside "$gwa" ping -n -q -c 4 -i 0.1 -W 1 -I red 10.7.0.1 >/dev/null 2>&1
	scrape
	expect 'drops' "$(grep '^xfrmi_drops_total{tenant="red",if_id="7",direction="out",' "$tmp/out" | awk '{ sum += $NF } END { print sum }')" 4
	check grep -q '^# EOF$' "$tmp/out" -- 'it is not OpenMetrics, though that was asked for'
	scrape text/plain
	promtool check metrics <"$tmp/out" >"$tmp/promtool" 2>&1
	check [ $? -eq 0 ] -- "promtool complains: $(paste -sd';' "$tmp/promtool")"
	job_stop "$exporter"
}

# However many connections there are, the labels are bounded; and nothing is lost.
labels_are_bounded()
{
	world
	exporter_start --max-tenants 1 || return
	inside "$gwa" ping -n -q -c 5 -i 0.1 10.1.0.2 >/dev/null
	scrape
	expect 'time series of packets' "$(grep -c '^xfrmi_packets_total' "$tmp/out")" 4
	expect 'tenants' "$(sed -n 's/^xfrmi_packets_total{tenant="\([^"]*\)".*/\1/p' "$tmp/out" | sort -u | paste -sd,)" \
		'if_id 5,other'
	check_fail "$(inside "$gwa" timeout 5 "$xfrmi_binary" exporter --listen 127.0.0.1:9912 2>"$tmp/err"; echo $?)" \
		'two listen at one place'
	complains "it can't listen on 127.0.0.1:9912: Address already in use"
	job_stop "$exporter"
}

# examples/monitoring, by Prometheus itself.
prometheus_asks()
{
	local example query

	example=$(dirname "$lib")/../examples/monitoring
	world
	ip -n "$gwa" link set lo up
	job_start ip netns exec "$gwa" "$xfrmi_binary" exporter --interval 0.5 2>"$tmp/err"
	check slowwait 20 grep -q '^listening on' "$tmp/err" -- 'it does not listen' || return
	promtool check config "$example/prometheus.yml" >"$tmp/promtool" 2>&1
	check [ $? -eq 0 ] -- "promtool complains: $(paste -sd';' "$tmp/promtool")"
	sed 's/15s/1s/' "$example/prometheus.yml" >"$tmp/prometheus.yml"
	cp "$example/alerts.yml" "$tmp"
	job_start ip netns exec "$gwa" prometheus --config.file="$tmp/prometheus.yml" \
		--storage.tsdb.path="$tmp/tsdb" --web.listen-address=127.0.0.1:9090 2>"$tmp/prometheus.log"
	inside "$gwa" ping -n -q -c 10 -i 0.1 -s 1000 10.1.0.2 >/dev/null
	query='xfrmi_carried_bytes_total{tenant="if_id 5",direction="out"}'
	check slowwait 60 asked "$query" 10280 -- \
		"Prometheus says something else: $(tail -n 1 "$tmp/prometheus.log")"
	check slowwait 30 asked 'count(xfrmi_drops_untold_total)' 1 -- 'drops are not counted'
	expect 'rules that fail' "$(inside "$gwa" python3 -c '
import json, urllib.request
groups = json.load(urllib.request.urlopen("http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"]
print(len(groups), sum(bool(rule.get("lastError")) for group in groups for rule in group["rules"]))')" '1 0'
}

# asked QUERY VALUE: Prometheus answers with that.
# shellcheck disable=SC2329
asked()
{
	inside "$gwa" promtool query instant http://127.0.0.1:9090 "$1" >"$tmp/answer" 2>&1
	grep -q "=> $2 @" "$tmp/answer"
}

setup_gateways
for name in top_is_live exporter_counts labels_are_bounded prometheus_asks; do
	subtest $name $name
done
finish
