#!/usr/bin/env bash
# What make check-programs judges by notices what is wrong; and small programs pass it.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
tests=$REPO/tests/programs

/usr/bin/python3 -B "$tests/selftest.py" || fail "the judge misses something"

check_programs() {
	/usr/bin/python3 -B "$tests/main.py" --memcg "$memcg" --pairs 0 "$@"
}
listed=$(check_programs --list) || fail "--list: $?"
[ "$(grep -cxE 'redis-server|nginx|sqlite3|java' <<<"$listed")" -eq 4 ] || fail "--list: $listed"
check_programs no-such-program 2>/dev/null && fail "a name that is none passes"

needs lua5.4 perl
check_programs lua5.4 >table || fail "a program fails: $(cat table)"
[ "$(tail -n 1 table)" = "1 passed, 0 failed" ] || fail "no tally: $(cat table)"
grep -qE '^lua5.4 +yes +(held|[+]free) .* 1 of 1$' table || fail "no row: $(cat table)"
check_programs --json perl >json 2>errors || fail "--json: $(cat json errors)"
/usr/bin/python3 -c '
import json, sys
row = json.loads(sys.stdin.read())
assert row["works"] and row["limit_held"] and row["refusals"] and row["recounts"] == 1, row
' <json || fail "--json says otherwise: $(cat json)"

# A memcg that holds nothing is noticed.
cat >plain <<'SH'
#!/bin/sh
while [ "$1" != -- ]; do
	[ "$1" != --report ] || : >"$2"
	shift
done
shift
exec "$@"
SH
chmod +x plain
/usr/bin/python3 -B "$tests/main.py" --memcg plain --pairs 0 perl >table 2>errors && fail "held by nothing: $(cat table)"
grep -q '^perl: roomy: the report has no process' errors || fail "not said why: $(cat errors)"
exit 0
