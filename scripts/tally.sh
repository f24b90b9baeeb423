# shellcheck shell=bash
# tally.sh - sourced by whatever runs checks: counts, and prints the one last line that
# everything ends with: "N passed, N failed[, N skipped]".
passed=0 failed=0 skipped=0 broken=()

# step NAME COMMAND... - one check; its output is shown when it fails.
step() {
	local name=$1 log
	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok      $name"
	else
		failed=$((failed + 1))
		broken+=("$name")
		echo "FAILED  $name: $*"
		tail -n 200 "$log"
	fi
	rm -f "$log"
}

# suite NAME COMMAND... - a command that prints a tally of its own as its last line. One
# that ends without (killed, out of time) or fails with a clean tally is one failure.
suite() {
	local name=$1 log status line
	shift
	log=$(mktemp)
	echo "------  $name"
	"$@" 2>&1 </dev/null | tee "$log"
	status=${PIPESTATUS[0]}
	# Last but one when make adds that its command failed.
	line=$(tail -n 2 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed' | tail -n 1)
	rm -f "$log"
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
		if [ "${BASH_REMATCH[2]}" -gt 0 ]; then
			broken+=("$name")
		elif [ "$status" -ne 0 ]; then
			failed=$((failed + 1))
			broken+=("$name (exit $status)")
		fi
	else
		failed=$((failed + 1))
		broken+=("$name (no result, exit $status)")
	fi
}

# The last line, and the exit status: 0 when nothing failed and something passed.
tally() {
	[ ${#broken[@]} -eq 0 ] || printf 'failed: %s\n' "${broken[@]}"
	if [ "$skipped" -gt 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
