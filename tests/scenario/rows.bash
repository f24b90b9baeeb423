# shellcheck shell=bash
# rows.bash - sourced after run_common.bash by scenarios that look at the groups of a report.

# The rows of the groups below the root, of the first process.
rows() {
	awk '/^  \/ / { if (seen++) exit; on = 1; next } on && /^  \// { print; next } on { exit }' report
}

# number_in COLUMN WHAT GROUP LEAST MOST
number_in() {
	local number
	number=$(rows | awk -v g="$3" -v c="$1" '$1 == g { print $c; exit }')
	[ -n "$number" ] || fail "no row for $3: $(cat report)"
	[ "$number" -ge "$4" ] && [ "$number" -le "$5" ] ||
		fail "$3 $2 $number, not $4 to $5: $(cat report)"
}

holds() { # GROUP LEAST MOST - at the end
	number_in 2 holds "$@"
}

held_most() { # GROUP LEAST MOST - its peak
	number_in 3 held "$@"
}

# limit_of GROUP - as the report shows it.
limit_of() {
	rows | awk -v g="$1" '$1 == g { print $4; exit }'
}

no_row() { # GROUP
	! rows | awk '{ print $1 }' | grep -qxF -- "$1" || fail "a row for $1: $(cat report)"
}
