#!/usr/bin/env bash
# The programs of bench/programs run under every allocator that is here, and say the same under each;
# who says something else is wrong. Rows are held against the best single peer, with the verdicts of
# memcg-bench. No figure is judged: tests run beside other work.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
fail() {
	echo "bench_programs: $*" >&2
	exit 1
}
for program in lua5.4 perl; do
	command -v "$program" >/dev/null || {
		echo "bench_programs: there is no $program" >&2
		exit 77
	}
done
[ -x "$BUILD/memcg-bench-launch" ] || {
	echo "bench_programs: memcg-bench-launch is not built" >&2
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
main=$REPO/bench/programs/main.py
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$REPO/bench/programs BUILD

# What a program took is its own: no peak of the interpreter that started it, and its status.
"$BUILD/memcg-bench-launch" "$work/took" GREETING=hello -- sh -c 'echo "$GREETING"; exit 3' >"$work/out"
[ "$(cat "$work/out")" = hello ] || fail "memcg-bench-launch: the variable did not arrive"
read -r _ _ _ peak status <"$work/took"
[ "$status" -eq 3 ] || fail "memcg-bench-launch: status $status, not 3"
[ "$peak" -gt 100 ] && [ "$peak" -lt 8192 ] || fail "memcg-bench-launch: a shell of $peak KiB"

status=0
/usr/bin/python3 "$main" --build "$BUILD" nosuch >"$work/out" 2>&1 || status=$?
[ "$status" -eq 2 ] || fail "a program nobody knows: status $status"

/usr/bin/python3 "$main" --build "$BUILD" --runs 1 --json --without shared lua5.4 perl >"$work/json" ||
	fail "main.py ended with $?"
/usr/bin/python3 - "$work/json" <<'END' || fail "the rows are not what they should be"
import json, sys
rows = {r["bench"]: r for r in map(json.loads, open(sys.argv[1]))}
want = {f"programs/{p}/{v}{m}" for p in ("lua5.4", "perl", "geomean") for v in ("own", "unaccounted")
        for m in ("", "/wall", "/rss")}
assert set(rows) == want, sorted(rows)
for row in rows.values():
    assert row["value"] > 0 and row["runs"] == 1, row
assert rows["programs/perl/own"]["peers"]["glibc"] > 0
assert rows["programs/perl/own"].get("verdict", "cannot-tell") == "cannot-tell", "one run cannot tell"
assert 5 < rows["programs/perl/own/rss"]["value"] < 1000
END

/usr/bin/python3 - <<'END' || fail "main.py and rows.py do not do what they say"
import os, tempfile, types
import main, programs, rows
from rows import Samples, spread, verdict

assert spread([3, 1, 2]) == (2, 1, 3)
assert spread(range(15)) == (7, 3, 11)  # the 4th to the 12th, as bench/driver/stats.c has it
assert verdict(0.9, 1.0, 15, 1.0) == "met" and verdict(1.01, 2, 15, 1.0) == "missed"
assert verdict(0.9, 1.1, 15, 1.0) == "cannot-tell" == verdict(0.1, 0.2, 5, 1.0)

# jemalloc is the best at one, tcmalloc the best of all together.
samples = Samples(["one", "two"], False)
times = {"glibc": (4, 4), "jemalloc": (1, 4), "mimalloc": (3, 3), "tcmalloc": (1.5, 2), "own": (1.5, 1)}
for name, values in times.items():
    for program, value in zip(samples.programs, values):
        for _ in range(15):
            samples.add(program, name, types.SimpleNamespace(cpu=value, wall=value, rss=value * 10))
made = {r["bench"]: r for r in samples.rows()}
assert made["programs/one/own"]["against"] == "tcmalloc" and made["programs/one/own"]["ratio"] == 1
assert made["programs/one/own/rss"]["against"] == "mimalloc"
mean = made["programs/geomean/own"]
assert abs(mean["ratio"] - 0.5 ** 0.5) < 1e-9 and mean["verdict"] == "met" and mean["goal"] == 1, mean
assert "verdict" not in made["programs/one/own/rss"] and made["programs/geomean/own/rss"]["goal"] == 1

# A program that says something else under another allocator, and one that fails.
there = {"glibc": {"A": "1"}, "own": {"A": "2"}}
launcher = os.path.join(os.environ["BUILD"], "memcg-bench-launch")
for script, failures in (("echo same", 0), ("echo $A", 2), ("exit $(($A - 1))", 2)):
    with tempfile.TemporaryDirectory() as work:
        command = programs.Command("it", "sh", ["sh", "-c", script])
        _, wrong = main.measure([command], there, 2, launcher, work)
        assert wrong == failures, (script, wrong)
END
