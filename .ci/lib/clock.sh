# shellcheck shell=bash
# clock.sh - a budget of seconds shared by several commands.
clock_start() {
	clock_end=$((SECONDS + $1))
}

# clock_run MOST COMMAND... - at most MOST seconds (0: no bound of its own), and never past
# the budget. The command is told to stop, then killed; its status says so (124, 137).
clock_run() {
	local left=$((clock_end - SECONDS)) most=$1
	shift
	[ "$most" -gt 0 ] && [ "$most" -lt "$left" ] && left=$most
	[ "$left" -lt 5 ] && left=5
	timeout --kill-after=10 "$left" "$@"
}
