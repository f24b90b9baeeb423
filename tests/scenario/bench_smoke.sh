#!/usr/bin/env bash
# memcg-bench refuses what it does not know, lists what it has, and prints rows that say what
# they were asked. No figure is judged: tests run beside other work.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
bench=$BUILD/memcg-bench
fail() {
	echo "bench_smoke: $*" >&2
	exit 1
}
[ -x "$bench" ] || {
	echo "bench_smoke: memcg-bench is not built" >&2
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refused() {
	local status=0
	"$bench" "$@" >"$work/out" 2>"$work/err" || status=$?
	[ "$status" -eq 2 ] || fail "memcg-bench $*: status $status, not 2"
	[ ! -s "$work/out" ] || fail "memcg-bench $*: printed rows"
	grep -q '^memcg-bench: ' "$work/err" || fail "memcg-bench $*: no line that says why"
}
refused no-such-case
refused pair/6
refused --no-such-option
refused --runs 0 pair/64
refused --runs
refused --without nomalloc pair/64

"$bench" --list >"$work/always"
"$bench" --list --full >"$work/list"
for row in pair/1048576/own batch/1048576/own chain/4/own/cpu server/4/own/rss short-threads/own soak/own/settled \
	realloc/large/own blocks/touch/own/rss crowd/8/own; do
	grep -qx "$row" "$work/always" || fail "--list has no $row"
done
# Points of curves, and what takes gigabytes, are not run by who only asks for figures.
for row in crowd/64/own server/64/own many/1000/own many/100000000/own/rss-per-live tenants/1000000/local/own; do
	grep -qx "$row" "$work/list" || fail "--list --full has no $row"
	! grep -qx "$row" "$work/always" || fail "--list has $row"
done
! "$bench" --list --curves | grep -qx many/100000000/own || fail "--list --curves has what takes gigabytes"
for row in pair/16/own batch/32768/shared rndwin/unaccounted prodcons/64/own two-groups/own \
	tenants/4096/remote/own tenants/16/local/own/slab-per-live charge/5 create-destroy \
	current stat owner/page-objcg owner/bare owner/table owner/stack/id free-unaccounted/page free-unaccounted/object stack/kept stack/cold stack/protected stack/small idle-group enter-leave limits/stat/10000 limits/fold/64/change limits/readers \
	limits/slabs/freed limits/shrinkers/1000 limits/throttle/110 limits/groups/bytes managed/map managed/working-set/hit \
	managed/working-set/changed/miss managed/reclaim/2 managed/memory/out; do
	grep -qx "$row" "$work/list" || fail "--list has no $row"
done
[ -z "$(sort "$work/list" | uniq -d)" ] || fail "--list names a row twice"

"$bench" --quick --json pair/64 tenants/16/local two-groups/own >"$work/json" ||
	fail "memcg-bench --quick ended with $?"
/usr/bin/python3 - "$work/json" <<'END' || fail "the rows are not what they should be"
import json, sys
rows = {r["bench"]: r for r in map(json.loads, open(sys.argv[1]))}
want = ["pair/64/own", "pair/64/shared", "pair/64/unaccounted", "tenants/16/local/own",
        "tenants/16/local/own/rss-per-live", "two-groups/own"]
for name in want:
    row = rows[name]
    assert {"unit", "value", "reference", "ratio"} <= row.keys(), row
    # An allocator that was left out was not installed; then it must have no figure.
    assert row["value"] is not None and row["value"] > 0, row
    assert row["low"] <= row["value"] <= row["high"], row
    if row["reference"] is not None:
        assert abs(row["ratio"] - row["value"] / row["reference"]) < 1e-3 * row["ratio"], row
assert "two-groups/shared" not in rows, "a row nobody asked for"
assert rows["pair/64/own"]["verdict"] == "cannot-tell", "three runs cannot tell"
END

# What is newest, briefly: every thread comes to its end, and every figure is one.
"$bench" --quick --json --runs 6 --without shared --without jemalloc chain/2 server/2 crowd/2 short-threads soak \
	realloc/text blocks/zero many/1000 >"$work/json" || fail "memcg-bench --quick chain ... ended with $?"
/usr/bin/python3 - "$work/json" <<'END' || fail "the rows of threads and soak are not what they should be"
import json, sys
rows = {r["bench"]: r for r in map(json.loads, open(sys.argv[1]))}
for row in rows.values():
    assert row["runs"] == 6 and row["value"] > 0 and "jemalloc" not in row.get("peers", {}), row
    assert "/shared" not in row["bench"], row
for name in "chain/2", "server/2", "crowd/2", "short-threads":
    assert rows[name + "/own"]["goal"] == 1, rows[name + "/own"]
    assert rows[name + "/own/cpu"]["value"] > 0
    # Off is another promise.
    if "against" in rows[name + "/unaccounted"]:
        assert rows[name + "/unaccounted"]["goal"] == 1.05, rows[name + "/unaccounted"]
# What survives is resident, and more than it was asked for.
assert rows["soak/own/peak"]["value"] > 1 and rows["soak/own/settled"]["value"] > 1, rows
assert rows["many/1000/own/rss-per-live"]["value"] > 1, rows
END

# Delays of memory.high are no speed: a busy machine makes them longer, and nothing shorter.
"$bench" --quick --json limits/throttle limits/groups limits/slabs >"$work/json" ||
	fail "memcg-bench --quick limits ended with $?"
/usr/bin/python3 - "$work/json" <<'END' || fail "the rows of limits are not what they should be"
import json, sys
value = {r["bench"]: r["value"] for r in map(json.loads, open(sys.argv[1]))}
assert value["limits/throttle/101"] < 159, value
assert 150 <= value["limits/throttle/105"], value
assert 630 <= value["limits/throttle/110"], value
assert 0 < value["limits/groups/bytes"] <= 1024, value
assert value["limits/slabs/freed"] > 1, value
END

# A library that ld.so cannot load must not leave another's figure under its name.
status=0
BENCH_EXPECT=libnothing.so "$BUILD/memcg-bench-child" pair/64 1 1 >"$work/out" 2>"$work/err" ||
	status=$?
[ "$status" -eq 77 ] || fail "a missing allocator: status $status, not 77"
[ ! -s "$work/out" ] || fail "a missing allocator was measured"
