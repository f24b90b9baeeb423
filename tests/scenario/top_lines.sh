#!/usr/bin/env bash
# memcg top in a pipe: tables and JSON, of a program that serves its groups; wrong use; its end.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/top_common.bash
. "$REPO/tests/scenario/top_common.bash"
tree
order group '/a "b"\' 1000000
order group /z 2000000

lines() { # STATUS ARGUMENT...
	local expected=$1 status=0
	shift
	"$top" "$@" >out 2>lines.err </dev/null 3>&- || status=$?
	[ $status -eq "$expected" ] || fail "memcg top $*: status $status"
}

# ---- tables ----
lines 0 -n 1
[ "$(wc -l <out)" -eq 5 ] || fail "not a comment, headings and three groups: $(cat out)"
grep -qE '^# [0-9-]+T[0-9:]+ tree [0-9]+$' out || fail "no comment: $(cat out)"
[ "$(awk 'NR > 2 { print $NF }' out | tr '\n' ' ')" = '/ /z "b"\ ' ] || fail "not by size: $(cat out)"
lines 0 -b -n 3 -d 0.1 -s group -r "$program"
[ "$(grep -c '^#' out)" -eq 3 ] || fail "not three tables: $(cat out)"
[ "$(awk 'END { print $NF }' out)" = '"b"\' ] || fail "not by name, reversed: $(cat out)"

# ---- JSON ----
lines 0 --json -n 2 -d 0.1 -p "$program"
python3 - <<'END' || fail "wrong JSON: $(cat out)"
import json
rows = [json.loads(line) for line in open("out")]
assert len(rows) == 6, len(rows)
assert {r["path"] for r in rows} == {"/", '/a "b"\\', "/z"}
z = [r for r in rows if r["path"] == "/z"]
assert all(2000000 <= r["current"] <= 2100000 and r["max"] == "max" for r in z)
assert z[0]["growth_per_s"] is None and z[1]["growth_per_s"] == 0, z
assert z[0]["id"] == z[1]["id"] and z[1]["time"] > z[0]["time"]
END

# ---- wrong use ----
lines 2 -d 0
grep -q -- '--delay takes seconds' lines.err || fail "$(cat lines.err)"
lines 2 -s nothing
grep -q '^columns: group current' lines.err || fail "$(cat lines.err)"
lines 2 -n -1
lines 2 --nothing
lines 2 1 2
lines 125 -b 1
[ -s lines.err ] || fail "nothing is said about a process that is not there"
lines 0 --help
grep -q '^usage: memcg top' out || fail "$(cat out)"

# ---- its end ----
"$top" -b -d 0.1 >out 2>end.err 3>&- &
reader=$!
eventually grep -q '/z$' out || fail "no lines"
exec 3>&-
wait $program
wait $reader || fail "status $? at its end"
grep -q '^memcg top: tree ([0-9]*) has ended$' end.err || fail "its end is not said"
