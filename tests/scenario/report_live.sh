#!/usr/bin/env bash
# memcg report: the report of a process that runs, as text and as a page with the same numbers; of a
# process with a control socket, and of what runs below memcg run.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/report_common.bash
. "$REPO/tests/scenario/report_common.bash"
needs gcc
export XDG_RUNTIME_DIR=$work

refuses() { # STATUS TEXT ARGUMENT...
	local status=$1 text=$2 was
	shift 2
	"$memcg" report "$@" >out 2>err
	was=$?
	[ $was -eq "$status" ] || fail "report $*: status $was, not $status: $(cat err)"
	grep -qF -- "$text" err || fail "report $*: no '$text': $(cat err)"
	[ ! -s out ] || fail "report $*: it prints all the same: $(cat out)"
}

# ---- a process with a socket ----
gcc -O1 -I"$REPO/include" -o host "$REPO/tests/scenario/src/report_host.c" -L"$BUILD" -lmemcg -Wl,-rpath,"$BUILD" ||
	fail "report_host.c does not compile"
mkfifo told
sleep 600 >told &
holder=$!
./host "$work/host.sock" <told >host.out &
host=$!
trap 'kill $holder $host 2>/dev/null; rm -rf "$work"' EXIT
ready() { grep -qs ready host.out || ended $host; }
eventually ready && ! ended $host || fail "the process does not listen"

"$memcg" report -p "$work/host.sock" >text 2>err || fail "text: status $?: $(cat err)"
"$memcg" get -p "$work/host.sock" / memory.report >got || fail "memory.report: status $?"
cmp -s text got || fail "the text is not memory.report: $(diff text got)"
grep -q '^recount: closed' text || fail "no recount closed: $(cat text)"

"$memcg" report -p "$work/host.sock" --html page.html 2>err || fail "page: status $?: $(cat err)"
"$memcg" ls -p "$work/host.sock" --json / >rows.json || fail "rows: status $?"
asked "$self_contained" || fail "it is not all in itself"
asked '
p, = data["processes"]
assert data["live"] and text == open("text").read()
root = p["groups"][0]
assert root["path"] == "/" and root["current"] > 0
groups = {g["path"]: g for g in p["groups"]}
assert len(groups) == len(p["groups"]) == 1 + 2 + 25, sorted(groups)
for path, g in groups.items():
    assert "<bdi>" + html.escape(path) + "</bdi>" in page, path
assert "/web/<script><b>bold" in groups and "<b>" not in page
assert groups["/web"]["current"] >= (500 << 10) * 9 // 10 + sum(g["current"] for path, g in groups.items() if path.startswith("/web/"))
small = groups["/small"]
assert small["max"] == 1 << 20 and small["refusals"] >= 1, small
assert small["values"]["max_events"] >= 1 and groups["/web"]["max"] is None
assert p["recount"].startswith("closed ("), p["recount"]
assert re.search(r"id=\"leftovers\">.*nr_dying_descendants 1\n", page), "no word of a destroyed group"
assert p["values"]["resident"] > 1 << 20
# As the text has it, whose columns are: group, current, peak, max, refusals, at max, own bytes.
line = next(l for l in text.splitlines() if l.startswith("  small ")).split()
assert line[3] == "1M" and int(line[4]) == small["refusals"], line
' || fail "the page of a process"

"$memcg" report -p "$work/host.sock" --html - /web >page.html || fail "to standard output: status $?"
asked '
paths = [g["path"] for g in data["processes"][0]["groups"]]
assert paths[0] == "/web" and len(paths) == 26, paths
' || fail "the page of a group"

refuses 1 /nowhere -p "$work/host.sock" /nowhere
refuses 1 /nowhere -p "$work/host.sock" --html page.html /nowhere
refuses 2 'is no path' -p "$work/host.sock" web
refuses 2 'its value is missing' --html
refuses 125 'cannot be written' -p "$work/host.sock" --html "$work/no/such/directory.html"
kill $holder
wait $host || fail "the process ended with $?"
refuses 125 '' -p "$work/host.sock"

# ---- below memcg run: what slots hold ----
"$memcg" run --quiet --max 64M --report report -- $python -c '
import os, sys, time
x = bytearray(20 << 20)
open("running", "w").close()
while not os.path.exists("seen"): time.sleep(.05)' &
run=$!
eventually exists running || fail "nothing runs"
"$memcg" report -p $run >text 2>err || fail "text of a run: status $?: $(cat err)"
"$memcg" report -p $run --html page.html 2>err || fail "page of a run: status $?: $(cat err)"
touch seen
wait $run || fail "the run ended with $?"
awk '$1 == "/" { exit !($2 >= 20971520 && $4 == 67108864) }' text || fail "the text of a run: $(cat text)"
sed -i 's|<section id="texts">|&<details id="text"><pre></pre>|' page.html
asked '
p, = data["processes"]
groups = {g["path"]: g for g in p["groups"]}
assert groups["/"]["current"] >= 20 << 20 and groups["/"]["max"] == 64 << 20, groups["/"]
assert len(groups) >= 2 and "memcg run --control" in page
' || fail "the page of a run"
exit 0
