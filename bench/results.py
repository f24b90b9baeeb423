#!/usr/bin/env python3
"""results.py FILE [FAMILY] - the rows of `memcg-bench --json` as the tables of RESULTS.md."""
import json
import sys

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


def table(head, lines):
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
    lines = []
    for case, variants in by_case(rows, metric).items():
        own = variants["own"]
        peers = own.get("peers", {})
        ratio = figure(own["ratio"]) + " (" + bracket(own, "ratio_low", "ratio_high") + ")"
        lines.append([case] + [figure(variants.get(v, {}).get("value")) for v in OURS]
                     + [figure(peers.get(p)) for p in PEERS]
                     + [ratio, own.get("against", "-"), verdict(own)])
    print(f"\n## {title}\n")
    table(["case"] + OURS + PEERS + ["own / best", "best", "goal"], lines)


def family(row):
    """What has a section of its own; None: the first section's."""
    name = row["bench"].split("/")[0]
    if name in ("managed", "move", "zswap"):
        return "managed"
    return name if name in ("handle", "limits", "net") else None


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


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        rows = [json.loads(line) for line in file]
    if any(row["noisy"] for row in rows):
        print("\n**The machine was noisy** while this was measured; see the end.")
    if sys.argv[2:]:
        calls([row for row in rows if family(row) == sys.argv[2]], None)
        return
    objects(rows, None, "Objects, ns")
    objects(rows, "rss-per-live", "Resident memory over bytes asked for")
    objects(rows, "slab-per-live", "Slab memory over bytes asked for")
    calls([row for row in rows if not family(row)], "## Charging, groups, statistics")


main()
