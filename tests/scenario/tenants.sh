#!/usr/bin/env bash
# examples/tenants: under pressure from a third, a protected tenant keeps its memory and an
# unprotected one pays; the limit of all holds, and the recount is exact. It says so from its own
# numbers; here they are looked at once more. Its lines come in a pipe too, while it runs.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
fail() {
	echo "tenants: $*" >&2
	cat out err >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

status=0
"$BUILD/examples/tenants" 1.5 >out 2>err || status=$?
[ $status -ne 77 ] || {
	cat err
	exit 77
}
[ $status -eq 0 ] || fail "ended with $status"
[ ! -s err ] || fail "wrote to standard error"
grep -q '^gold kept its protection: ' out || fail "gold did not keep its protection"
grep -q '^silver paid: ' out || fail "silver did not pay"
grep -q '^recount: exact$' out || fail "no exact recount"

# " |  14.2M 0/0/0 1149 100%   0.0M | ... | hog | all": at least one line, and max was met.
awk -F '|' '
/^ \|/ { lines++; split($5, all, " "); split(all[2], events, "/"); max = events[3] }
/^ \|/ && all[1] + 0 > 36.05 { print "over the limit:", $0; bad = 1 }
END { if (!lines || !max) { print lines + 0, "lines, the last with", max + 0, "events max"; bad = 1 }; exit bad }
' out || fail "its lines are not what they should be"

# silver's hit rate fell, gold's did not fall as far: "... hit rate 100%, then 38%".
rate() { sed -n "s/^$1 .*hit rate \([0-9]*\)%, then \([0-9]*\)%\$/\\$2/p" out; }
[ "$(rate silver 2)" -lt "$(rate silver 1)" ] || fail "silver's hit rate did not fall"
[ "$(rate gold 2)" -gt "$(rate silver 2)" ] || fail "gold has no higher hit rate than silver"
