#!/usr/bin/env bash
# From rows to bench/RESULTS.md and pictures: what was not measured stays as it stands, the same rows make
# the same file, a curve is named where it is worse than linear and the peers' is not. Nothing is measured.
: "${REPO:?the source tree}"
set -eu
fail() {
	echo "bench_results: $*" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$REPO"
export PYTHONDONTWRITEBYTECODE=1

mkdir "$work/rows"
/usr/bin/python3 - "$work/rows" <<'END'
import json, sys
def row(name, value, peer=None, goal=None, **more):
    r = {"bench": name, "unit": "ns", "value": value, "low": value * 0.9, "high": value * 1.1,
         "reference": None, "ratio": None, "ratio_low": None, "ratio_high": None, "runs": 15, "noisy": False}
    if peer:
        r.update(reference=peer, ratio=value / peer, ratio_low=value / peer * 0.9, against="tcmalloc",
                 ratio_high=value / peer * 1.1, peers={"glibc": peer * 2, "tcmalloc": peer})
    if goal:
        r.update(goal=goal, verdict="met" if r["ratio_high"] <= goal else "missed")
    return r | more
def write(name, rows):
    with open(f"{sys.argv[1]}/{name}.json", "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)
write("objects", [row(f"pair/64/{v}", 4, 5, 1) for v in ("own", "unaccounted")] +
      [row("soak/own/peak", 1.5, 1.25), row("chain/2/own", 50, 40), row("chain/2/own/cpu", 30, 60)])
write("programs", [row(f"programs/{p}/own{m}", 0.3, 0.2, 1.1) for p in ("perl", "geomean")
                   for m in ("", "/wall", "/rss")])
write("calls", [row("charge/3", 1.5), row("handle/charge", 4)])
write("curves",
      [row(f"crowd/{n}/own", 10 * n, 10 * n) for n in (1, 8, 64)] +      # ours grows, and so does theirs
      [row(f"server/{n}/own", 10 * n, 10) for n in (1, 8, 64)] +         # ours alone
      [row(f"many/{n}/own", 10, 10) for n in (1000, 10000000)] +
      [row(f"growth/create/{n}", n) for n in (1, 100)] + [row(f"growth/stat/{n}", 100) for n in (1, 100)])
END
echo "make bench RESULTS=1" >"$work/rows/command"
echo "traffic of nothing" >"$work/rows/traffic"
echo "instructions of nothing" >"$work/rows/instructions"

cp bench/RESULTS.md "$work/results"
FILE=$work/results bench/run-results.sh --from "$work/rows" objects real growth >"$work/out" || fail "run-results.sh ended with $?"
for head in "# Results" "## Objects, ns" "## Fragmentation: peak of resident memory over live" "## Real programs" "## Growth"; do
	[ "$(grep -cx "$head" "$work/results")" -eq 1 ] || fail "not one section '$head'"
done
grep -q '^| pair/64 | 4 | 4 | 10 | - | - | 5 | 0.8 (0.72 .. 0.88) | tcmalloc | <= 1: met | 0.8 | <= 1: met |$' \
	"$work/results" || fail "no row of pair/64, or another"
grep -q '^| programs/perl | 0.3 |.*| <= 1.1: missed |' "$work/results" || fail "no row of perl, or another"

# Sections of others, byte for byte.
section() { awk -v head="$2" '/^## / { on = $0 == head } on' "$1"; }
for head in "## Limits" "## Managed memory" "## Network pages" "## A cache for many tenants" "## Whole programs"; do
	section bench/RESULTS.md "$head" >"$work/before"
	[ -s "$work/before" ] || fail "bench/RESULTS.md has no '$head'"
	section "$work/results" "$head" >"$work/after"
	[ "$(cat "$work/before")" = "$(cat "$work/after")" ] || fail "'$head' is not what it was"
done
cp "$work/results" "$work/once"
FILE=$work/results bench/run-results.sh --from "$work/rows" growth >"$work/out"
cmp -s "$work/once" "$work/results" || fail "the same rows make another file"

worse=$(grep '^Worse than linear: ' "$work/results")
[[ $worse == *"that other threads allocated"*"beside N others"* ]] || fail "not named: $worse"
[[ $worse != *"in N threads at once"* && $worse != *"live objects"* && $worse != *memcg_stat* ]] || fail "named: $worse"

/usr/bin/python3 bench/results.py --text "$work/rows" >"$work/text"
grep -q '^## Goals: 2 met, 6 missed, 0 cannot-tell$' "$work/text" || fail "goals: $(grep Goals "$work/text")"
[ "$(grep -c '^missed: programs/' "$work/text")" -eq 6 ] || fail "what was missed is not said"

command -v gnuplot >/dev/null || {
	echo "bench_results: there is no gnuplot: pictures were not made"
	exit 0
}
bench/pictures.py "$work/rows" "$work/pictures" >"$work/out" || fail "pictures.py ended with $?"
for name in pair threads programs-cpu programs-rss curve-threads curve-handed-on curve-create; do
	svg=$work/pictures/$name.svg
	[ -s "$svg" ] || fail "no picture $name"
	/usr/bin/python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$svg" || fail "$name is no XML"
	# On a dark page dark ink needs ground of its own.
	grep -q '<rect .*fill="#ffffff"' "$svg" || fail "$name has no ground"
	grep -q libmemcg "$svg" || fail "$name does not say whose bars they are"
done
