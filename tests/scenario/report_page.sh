#!/usr/bin/env bash
# memcg run --report FILE.html: one page with the numbers of the text, every group and event in it,
# and nothing to load from elsewhere.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/report_common.bash
. "$REPO/tests/scenario/report_common.bash"

# The numbers are those of the text, process by process and group by group.
same_numbers='
size = lambda s: None if s in ("max", "not") else int(s)
sections = re.split(r"\n\n(?=\S.*\(pid \d+, started by \d+\)\n)", text)[1:]
assert len(sections) == len(data["processes"]) > 0, (len(sections), len(data["processes"]))
for section, p in zip(sections, data["processes"]):
    lines = section.split("\n")
    who = re.search(r"^(.*) \(pid (\d+), started by (\d+)\)$", lines[0])
    assert (int(who[2]), int(who[3])) == (p["pid"], p["ppid"]) and who[1] == p["command"], who[0]
    assert re.search(r"^  ended: +(.*)$", section, re.M)[1] == p["ended"]
    assert re.search(r"^  recount: (.*)$", section, re.M)[1] == p["recount"]
    rows = [l.rsplit(None, 4) for l in lines if l.startswith("  /")]
    there = [g for g in p["groups"] if not g["gone"]]
    assert len(rows) == len(there), (rows, there)
    for row, g in zip(rows, there):
        assert row[0].strip() == g["path"].strip(), (row, g["path"])
        assert [size(n) for n in row[1:]] == [g["current"], g["peak"], g["max"], g["refusals"]], row
    for name in ("allocated", "cached", "metadata", "charged maps", "unmanaged", "foreign"):
        told = re.search(rf"^  {name} +(\S+)", section, re.M)[1]
        assert size(told) == p["values"][name.split()[-1]], (name, told)
assert int(re.search(r"^escaped: (\d+)", text, re.M)[1]) == data["escaped"]
'

# What happened over time fits the end.
same_course='
for p in data["processes"]:
    for g in p["groups"]:
        s = g.get("series")
        if not s: continue
        assert s["first"] + len(s["last"]) <= data["points"], g["path"]
        if g["path"] == "/":
            most = max(s.get("max", s["last"]))
            assert most == g["peak"], (most, g["peak"])
            assert sum(n for _, n in s["refused"]) == g["refusals"]
            assert s["last"][-1] == g["current"], g["path"]
events = data["events"]
assert events == sorted(events, key=lambda e: e["when"])
assert sorted(e["pid"] for e in events if e["what"] == "start") == sorted(by_pid)
'

# Threads that each have a group, a limit that refuses, and a spike that is over at once. Threads go before
# the end: their groups stay in the page.
paged --max 64M --group-by thread -- $python -c '
import threading
def work(n):
    keep = [bytearray(5000) for _ in range(n)]
    try: x = bytearray(100 << 20)
    except MemoryError: x = None
    done.wait()
done = threading.Event()
threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(8)]
for t in threads: t.start()
spike = bytearray(30 << 20); del spike
done.set()
for t in threads: t.join()' || fail "status $?"
asked "$same_numbers" || fail "the page has other numbers than its text"
asked "$same_course" || fail "its course does not fit its end"
asked "$self_contained" || fail "it is not all in itself"
asked '
p, = data["processes"]
root = p["groups"][0]
assert root["path"] == "/" and root["peak"] >= 30 << 20, root["peak"]
assert root["max"] == 64 << 20 and root["refusals"] >= 8, root["refusals"]
refused = [e for e in data["events"] if e["what"] == "refused" and e["path"] == "/"]
assert sum(e["count"] for e in refused) == root["refusals"]
for g in p["groups"]:
    assert "<bdi>" + g["path"] + "</bdi>" in page, g["path"]
' || fail "the story of the limit"

# Several processes, of which one has a name that is markup.
mkdir '<'
cp /bin/sleep './</script><b>'
paged -- sh -c './"</script><b>" 0.2; '$python' -c "x = bytearray(1 << 20)" & '$python' -c pass; wait' ||
	fail "several processes: status $?"
asked "$same_numbers" || fail "several processes: other numbers than its text"
asked "$same_course" || fail "several processes: its course does not fit its end"
asked '
assert len(data["processes"]) >= 4, len(data["processes"])
assert any(p["comm"] == "script><b>" for p in data["processes"]), [p["comm"] for p in data["processes"]]
assert "<b>" not in page
assert sorted(e["pid"] for e in data["events"] if e["what"] == "end") == sorted(by_pid)
' || fail "several processes"

# A limit that is changed from outside while the program runs. It waits until that has been seen.
cat >changed.py <<'EOF'
import mmap, os, struct, time
# The header of the file in memory (src/ctl/slot.h): max stands behind magic and six numbers.
fd = os.open(os.environ["MEMCG_SLOT"], os.O_RDWR)
header = mmap.mmap(fd, 4096)
assert struct.unpack_from("<Q", header, 32)[0] == 64 << 20
struct.pack_into("<Q", header, 32, 48 << 20)
blocks = []
for _ in range(40):
    time.sleep(.05)
    blocks.append([bytearray(1000) for _ in range(100)])
EOF
paged --max 64M -- $python changed.py || fail "changed limit: status $?"
asked '
changes = [(e["pid"], e["path"], e["from"], e["to"]) for e in data["events"] if e["what"] == "max"]
assert (0, "/", 64 << 20, 48 << 20) in changes, changes
assert data["processes"][0]["groups"][0]["max"] == 48 << 20
' || fail "the change of the limit"

# The name decides; what was there stays when the program cannot start.
echo precious >page.html
"$memcg" run --quiet --report page.html -- ./no-such-program 2>/dev/null && fail "it started nothing"
[ "$(cat page.html)" = precious ] || fail "a page that was there is gone"
held -- true && head -n 1 report | grep -q '^memcg run: ' || fail "no text where nobody asked for a page"
"$memcg" run --quiet --report PAGE.HTML -- true && head -n 1 PAGE.HTML | grep -q '^<!doctype html>' ||
	fail "PAGE.HTML is no page"
if [ -w /dev/full ]; then
	ln -s /dev/full full.html
	"$memcg" run --quiet --report full.html -- true 2>err
	[ $? -eq 125 ] && grep -q 'cannot be written' err || fail "a full disk: $(cat err)"
fi
exit 0
