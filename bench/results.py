#!/usr/bin/env python3
"""results.py FILE [FAMILY] | --text DIR - rows of `memcg-bench --json` and of bench/programs as the tables of RESULTS.md."""
import json
import os
import sys

import curves

PEERS = ["glibc", "jemalloc", "mimalloc", "tcmalloc"]
OURS = ["own", "shared", "unaccounted"]


def figure(value):
    if value is None:
        return "-"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def bracket(row, low, high):
    if row.get(low) is None:
        return "-"
    return f"{row[low]:.3g} .. {row[high]:.3g}"


def verdict(row):
    if row is None or "verdict" not in row:
        return ""
    return f"<= {row['goal']:g}: {row['verdict']}"


aligned = False  # for a terminal: Markdown needs it not


def table(head, lines):
    if aligned:
        width = [max(len(line[i]) for line in [head] + lines) for i in range(len(head))]
        for line in [head] + lines:
            print(("  ".join(word.ljust(w) for word, w in zip(line, width))).rstrip())
        return
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for line in lines:
        print("| " + " | ".join(line) + " |")


def by_case(rows, metric):
    """Object rows of one metric: case -> variant -> row, in the order they came."""
    cases = {}
    for row in rows:
        name = row["bench"]
        if metric:
            if not name.endswith("/" + metric):
                continue
            name = name[: -len(metric) - 1]
        case, _, variant = name.rpartition("/")
        if variant in OURS:
            cases.setdefault(case, {})[variant] = row
    return cases


def objects(rows, metric, title):
    lines, cases = [], by_case(rows, metric)
    ours = [v for v in OURS if any(v in variants for variants in cases.values())]
    for case, variants in cases.items():
        own = variants.get("own")
        if own is None:
            continue
        peers = own.get("peers", {})
        off = variants.get("unaccounted")
        ratio = figure(own["ratio"]) + " (" + bracket(own, "ratio_low", "ratio_high") + ")"
        lines.append([case] + [figure(variants.get(v, {}).get("value")) for v in ours]
                     + [figure(peers.get(p)) for p in PEERS]
                     + [ratio, own.get("against", "-"), verdict(own),
                        figure((off or {}).get("ratio")), verdict(off)])
    if not lines:
        return
    print(f"\n## {title}\n" if not title.startswith("#") else f"\n{title}\n")
    table(["case"] + ours + PEERS + ["own / best", "best", "goal", "off / best", "goal"], lines)


PICTURES = {
    "objects": ["pair", "batch", "mixed", "threads", "tenants", "resident"],
    "real": ["programs-cpu", "programs-wall", "programs-rss"],
    "growth": ["curve-" + curve.name for curve in curves.CURVES],
}


def pictures(which):
    """Those that were made (bench/pictures.py)."""
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")
    for name in PICTURES[which]:
        if os.path.exists(os.path.join(top, name + ".svg")):
            print(f"\n![{name}](pictures/{name}.svg)")


def tables(rows):
    objects(rows, None, "Objects, ns")
    for metric, title in (("cpu", "CPU time of all threads, ns"), ("rss", "Resident memory, MiB"),
                          ("peak", "Fragmentation: peak of resident memory over live"),
                          ("settled", "Fragmentation: resident memory over what survived"),
                          ("rss-per-live", "Resident memory over bytes asked for"),
                          ("slab-per-live", "Slab memory over bytes asked for")):
        objects(rows, metric, title)


def real(rows):
    for metric, title in ((None, "### CPU time of user and system, s"), ("wall", "### Time, s"),
                          ("rss", "### Peak of resident memory, MiB")):
        objects([r for r in rows if r["bench"].count("/") == (3 if metric else 2)], metric, title)


def growth(rows):
    named = []
    for curve in curves.CURVES:
        found = curves.points(curve, rows)
        if not found:
            continue
        print(f"\n### {curve.title}\n")
        lines = [[f"{n:,}".replace(",", " "), figure(row["value"]), bracket(row, "low", "high")]
                 + ([figure(row.get("peers", {}).get(p)) for p in PEERS] if curve.peers else [])
                 for n, row in found]
        table([curve.along, "own, ns", "95 %"] + (PEERS if curve.peers else []), lines)
        own, best, peer = curves.growth(found)
        beside = f"; {best}: {figure(peer)}" if peer else ""
        print(f"\nLast over first: {figure(own)}{beside}.")
        if curves.worse(own, peer):
            named.append(curve.title)
    print("\nWorse than linear: " + ("; ".join(named) if named else "none") + ". An operation is named where its last point costs more\n"
          "than twice the first, and grows by a quarter more than the peer's that is best there. Why: docs/scaling.md.")


def family(row):
    """What has a section of its own; None: the first section's."""
    name = row["bench"].split("/")[0]
    if name in ("managed", "move", "zswap"):
        return "managed"
    return name if name in ("groups", "handle", "limits", "net") else None


def calls(rows, title):
    lines = []
    for row in rows:
        if row["bench"].split("/")[-1] in OURS or any("/" + v + "/" in row["bench"] for v in OURS):
            continue
        reference = figure(row["reference"])
        if row.get("against"):
            reference += " " + row["against"]
        lines.append([row["bench"], row["unit"], figure(row["value"]), bracket(row, "low", "high"),
                      reference, figure(row["ratio"]), verdict(row)])
    print(f"\n{title}\n" if title else "")
    table(["case", "unit", "median", "95 %", "reference", "ratio", "goal"], lines)


def noise(rows):
    noisy = [row for row in rows if row["noisy"]]
    if not noisy:
        return
    most = max(noisy, key=lambda row: row.get("others", 0))
    print(f"\n**The machine was noisy** while this was measured: others had {most.get('others', 0):.0%} of the CPUs; "
          "differences of that\norder mean nothing.")


def load(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        return [json.loads(line) for line in file]


def text(directory):
    """All of a suite for a terminal or a pipe, and which goals were met."""
    global aligned
    aligned = True
    phase = {name: load(os.path.join(directory, name + ".json"))
             for name in ("objects", "programs", "calls", "curves")}
    everything = sum(phase.values(), [])
    noise(everything)
    tables(phase["objects"])
    print("\n## Real programs")
    real(phase["programs"])
    print("\n## Growth")
    growth(phase["curves"])
    calls(phase["calls"], "## The library's own calls")
    path = os.path.join(directory, "instructions")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            print("\n## Instructions\n\n" + file.read(), end="")
    judged = [r for r in everything if "verdict" in r and r not in phase["curves"]]
    counts = {v: [r for r in judged if r["verdict"] == v] for v in ("met", "missed", "cannot-tell")}
    print("\n## Goals: " + ", ".join(f"{len(of)} {v}" for v, of in counts.items()))
    for row in counts["missed"]:
        print(f"missed: {row['bench']}: {row['ratio']:.2f} ({bracket(row, 'ratio_low', 'ratio_high')}), "
              f"wanted <= {row['goal']:g}")


def main():
    if sys.argv[1] == "--text":
        text(sys.argv[2])
        return
    rows = load(sys.argv[1])
    which = sys.argv[2] if sys.argv[2:] else None
    noise([row for row in rows if not which or which in ("real", "growth") or family(row) == which])
    if which == "real":
        pictures(which)
        real(rows)
    elif which == "growth":
        growth(rows)
        pictures(which)
    elif which:
        calls([row for row in rows if family(row) == which], None)
    else:
        pictures("objects")
        tables(rows)
        calls([row for row in rows if not family(row)], "## Charging, groups, statistics")


main()
