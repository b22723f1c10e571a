# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Who answers: every host says who it is, and all ask at once.

# Every host tells who it is to anyone who connects; a random word shows that it was said now.
declare -A identity
start_answering() {
	local site tenant pid
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			identity[$tenant-$site]="site ${site^^}, tenant $tenant, $RANDOM$RANDOM"
			echo "${identity[$tenant-$site]}" >"$work/identity.$tenant-$site"
			start "$tenant-$site" socat -U TCP4-LISTEN:7,reuseaddr,fork,backlog=32 \
				"OPEN:$work/identity.$tenant-$site,rdonly" 2>>"$work/socat"
		done
	done
	for pid in "${background[@]}"; do
		wait_until 10 listening "$pid" || die "a host does not answer: $(cat "$work/socat")"
	done
}

# listening PID: whether something in that process's network namespace accepts TCP on port 7.
listening() { contains ':0007 00000000:0000 0A' "/proc/$1/net/tcp"; }

# ask TENANT SITE: asks the peer's address ten times who answers, one answer a line.
ask() {
	# shellcheck disable=SC2016 # The inner shell expands it.
	inside "$1-$2" timeout 10 bash -c \
		'for i in {1..10}; do read -r who <"/dev/tcp/$0/7" && echo "$who"; done' \
		"${subnet[${other[$2]}]}.10" >"$work/answers.$1-$2" 2>/dev/null || true
}

# count_answers TENANT SITE: how many of its answers came from each tenant, as got[TENANT], and how
# many from nobody known, as got[other].
declare -A got
count_answers() {
	local answer tenant whose
	got=([red]=0 [blue]=0 [green]=0 [other]=0)
	while read -r answer; do
		whose=other
		for tenant in "${tenants[@]}"; do
			[ "$answer" != "${identity[$tenant-${other[$2]}]}" ] || whose=$tenant
		done
		got[$whose]=$((got[$whose] + 1))
	done <"$work/answers.$1-$2"
}

show_separation() {
	local site tenant row pids=()
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			ask "$tenant" "$site" &
			pids+=($!)
		done
	done
	wait "${pids[@]}"
	title "Who answers, when all six ask the same address at once, ten times each"
	printf '  %-36s %12s %12s %12s %12s\n' '' 'red' 'blue' 'green' 'unknown'
	for site in "${sites[@]}"; do
		for tenant in "${tenants[@]}"; do
			count_answers "$tenant" "$site"
			printf -v row '%-5s at site %s asks %s.10      %12d %12d %12d %12d' "$tenant" "${site^^}" \
				"${subnet[${other[$site]}]}" "${got[red]}" "${got[blue]}" "${got[green]}" "${got[other]}"
			check "$row" test "${got[$tenant]}-$((got[red] + got[blue] + got[green] + got[other]))" = 10-10
		done
	done
}
