# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Pings that go on while something changes.

# keep_pinging TENANT: from site A, in short runs that each wait for their last answer, so that what
# is under way when the end comes is not mistaken for a loss. Ends after a run, when it is killed.
keep_pinging() {
	# shellcheck disable=SC2016 # The inner shell expands it.
	start "$1-a" bash -c 'trap stop=yes TERM
		until [ -n "${stop-}" ]; do ping -n -i 0.05 -c 15 -W 1 "$0"; done' "${subnet[b]}.10" >"$work/ping.$1" 2>&1
}

# count_pings TENANT: leaves how many were sent, in runs that have ended, and answered in $sent and
# $answered.
count_pings() {
	local line
	sent=0 answered=0
	while read -r line; do
		case $line in
		*'bytes from'*) answered=$((answered + 1)) ;;
		*'packets transmitted'*) sent=$((sent + ${line%% *})) ;;
		esac
	done <"$work/ping.$1"
}

answered_at_least() { count_pings "$1"; [ "$answered" -ge "$2" ]; }

# more_answers N TENANTS...: waits until each has had N answers more. Nobody fails here: what is
# missing is seen in the counts afterwards.
more_answers() {
	local n=$1 tenant
	shift
	for tenant in "$@"; do
		count_pings "$tenant"
		wait_until 5 answered_at_least "$tenant" $((answered + n)) || true
	done
}

# during_pings FUNCTION TENANTS...: all three ping, FUNCTION is called, the TENANTS, which should be
# none the worse, get time for some more answers, and all stop.
during_pings() {
	local function=$1 tenant pids=()
	shift
	for tenant in "${tenants[@]}"; do
		keep_pinging "$tenant"
		pids+=("$started")
	done
	more_answers 5 "${tenants[@]}"
	"$function"
	more_answers 10 "$@"
	kill "${pids[@]}"
	wait "${pids[@]}" || true
}

# show_pings TENANTS...: those that should not have lost anything.
show_pings() {
	local tenant row
	for tenant in "$@"; do
		count_pings "$tenant"
		printf -v row '%-5s  %3d of %3d pings answered, %d lost' "$tenant" "$answered" "$sent" $((sent - answered))
		check "$row" test "$answered" -ge 15 -a "$answered" -eq "$sent"
	done
}
