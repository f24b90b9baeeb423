#!/usr/bin/env python3
"""pictures.py DIR [INTO] - a picture for each family of results, from the rows that bench/suite.sh left in
DIR, into bench/pictures (or INTO): by gnuplot, as SVG, on an opaque ground (pages are light or dark).

Bars are ratios to the best other allocator of the same case, as the tables have them: at 1 is the
best of the others, lower is better. The scale is logarithmic: half and twice are as far from 1. The
thin line on the library's bar is the 95 % interval. Curves show figures, not ratios.
"""
import json
import os
import re
import subprocess
import sys

import curves

into = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")
COLOUR = {"own": "#0b5fa5", "unaccounted": "#8fc1e8", "glibc": "#9a9a9a", "jemalloc": "#e69f00",
          "mimalloc": "#009e73", "tcmalloc": "#cc79a7"}
LABEL = {"own": "libmemcg", "unaccounted": "libmemcg, accounting off"}
INK, PAPER = "#222222", "#ffffff"

# Name, title, the cases (their names without the variant), metric.
BARS = [
    ("pair", "malloc and free of one block, by its size in bytes", r"pair/(\d+)", ""),
    ("batch", "1000 blocks, then free in order, by their size in bytes", r"batch/(\d+)", ""),
    ("mixed", "Windows, realloc, large blocks, soak", r"(rndwin|realloc/.*|blocks/.*|soak)", ""),
    ("threads", "Threads: blocks handed on, threads that come and go",
     r"(prodcons/.*|chain/.*|server/4|short-threads|two-groups|crowd/8)", ""),
    ("tenants", "Many groups, freed by the same thread or by another", r"tenants/(.*)", ""),
    ("resident", "Resident memory",
     r"(blocks/.*/rss|server/.*/rss|short-threads/rss|soak/peak|soak/settled|tenants/.*/rss-per-live)",
     None),
]
PROGRAMS = [
    ("programs-cpu", "Real programs: CPU time", r"programs/(.*)", ""),
    ("programs-wall", "Real programs: time", r"programs/(.*)", "/wall"),
    ("programs-rss", "Real programs: peak of resident memory", r"programs/(.*)", "/rss"),
]

REFERENCE = {"programs-cpu": "the best single other", "programs-wall": "the best single other",
             "programs-rss": "mimalloc"}


def load(directory, name):
    path = os.path.join(directory, name + ".json")
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as f:
        return [json.loads(line) for line in f]


def split(name, variant):
    """A row's name as its case and what follows the variant; None: another variant's."""
    found = re.fullmatch(rf"(.*)/{variant}((?:/.*)?)", name)
    return found and found.groups()


def clusters(rows, pattern, metric):
    """Label, and of each allocator its ratio to the best peer; own's interval."""
    off = {}
    for row in rows:
        parts = split(row["bench"], "unaccounted")
        if parts:
            off["".join(parts)] = row["value"]
    for row in rows:
        parts = split(row["bench"], "own")
        if not parts or (metric is not None and parts[1] != metric) or not row.get("reference"):
            continue
        found = re.fullmatch(pattern, "".join(parts) if metric is None else parts[0])
        if not found:
            continue
        best = row["reference"]
        bars = {"own": row["ratio"], "unaccounted": off.get("".join(parts), 0) / best}
        bars.update({p: v / best for p, v in row["peers"].items()})
        yield re.sub("/rss(-per-live)?$", "", found.group(1)), bars, (row["ratio_low"], row["ratio_high"])


def gnuplot(script, name):
    """Written anew only if gnuplot could: a picture that was there stays otherwise."""
    path = os.path.join(into, name + ".svg")
    done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True, check=False)
    if done.returncode or "</svg>" not in done.stdout:
        sys.exit(f"pictures.py: gnuplot, for {name}: {done.stderr[-500:]}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(done.stdout)
    print(f"pictures.py: wrote {os.path.relpath(path)}")


def setting(width, height, title):
    return f"""set terminal svg size {width},{height} font 'sans-serif,13' background rgb '{PAPER}'
set encoding utf8
set title '{title}' textcolor rgb '{INK}'
set border 3 linecolor rgb '{INK}'
set tics nomirror textcolor rgb '{INK}'
set grid ytics linecolor rgb '#dddddd'
set key below horizontal textcolor rgb '{INK}'
"""


def bars(name, title, found, reference):
    there = [a for a in COLOUR if any(a in values for _, values, _ in found)]
    width = 0.84 / len(there)
    every = [v for _, values, _ in found for v in values.values() if v > 0]
    low, high = min(every + [0.7]) / 1.15, min(max(every + [1.5]) * 1.15, 64)
    script = setting(min(1400, 260 + 95 * len(found)), 430, title)
    script += f"set logscale y 2\nset ylabel 'ratio to {reference}'\n"
    script += f"set yrange [{low:.3f}:{high:.3f}]\nset format y '%g'\nset style fill solid 1.0 noborder\n"
    script += f"set xrange [-0.6:{len(found) - 0.4}]\nset boxwidth {width * 0.92:.4f}\n"
    ticks = ", ".join(f"'{label}' {i}" for i, (label, _, _) in enumerate(found))
    script += f"set xtics ({ticks})" + (" rotate by -30 left\n" if len(found) > 6 else "\n")
    script += f"set arrow from graph 0, first 1 to graph 1, first 1 nohead linecolor rgb '{INK}' front\n"
    data, plots = "", []
    for k, allocator in enumerate(there):
        offset = (k - (len(there) - 1) / 2) * width
        data += f"$d{k} << EOD\n"
        for i, (_, values, _) in enumerate(found):
            if values.get(allocator):
                data += f"{i + offset:.4f} {values[allocator]:.5f}\n"
        data += "EOD\n"
        plots.append(f"$d{k} using 1:2 with boxes linecolor rgb '{COLOUR[allocator]}' "
                     f"title '{LABEL.get(allocator, allocator)}'")
    offset = -(len(there) - 1) / 2 * width
    data += "$own << EOD\n" + "".join(
        f"{i + offset:.4f} {values['own']:.5f} {low:.5f} {high:.5f}\n"
        for i, (_, values, (low, high)) in enumerate(found)) + "EOD\n"
    plots.append(f"$own using 1:3:(0):($4-$3) with vectors nohead linewidth 1.4 "
                 f"linecolor rgb '{INK}' notitle")
    gnuplot(script + data + "plot " + ", ".join(plots) + "\n", name)


def curve(c, rows):
    own = curves.points(c, rows)
    if len(own) < 2:
        return
    lines = {"own": [(n, row["value"]) for n, row in own]}
    if c.peers:
        lines["unaccounted"] = [(n, r["value"]) for n, r in curves.points(c, rows, "unaccounted")]
        for peer in COLOUR:
            at = [(n, row["peers"][peer]) for n, row in own if row["peers"].get(peer)]
            if at:
                lines[peer] = at
    script = setting(760, 400, c.title)
    script += f"set logscale xy\nset xlabel '{c.along}'\nset ylabel 'ns an operation'\n"
    script += "set yrange [*:*]\nset format y '%g'\n"
    if own[-1][0] > 1000:
        script += "set format x '10^{%T}'\nset xrange [*:*]\n"
    else:
        script += "set xtics (" + ", ".join(f"'{n}' {n}" for n, _ in own) + ")\n"
    data, plots = "", []
    for k, (allocator, at) in enumerate((a, lines[a]) for a in COLOUR if lines.get(a)):
        data += f"$d{k} << EOD\n" + "".join(f"{n} {v:.5f}\n" for n, v in at) + "EOD\n"
        thick = 3 if allocator == "own" else 1.5
        plots.append(f"$d{k} using 1:2 with linespoints linewidth {thick} pointtype 7 pointsize 0.5 "
                     f"linecolor rgb '{COLOUR[allocator]}' title '{LABEL.get(allocator, allocator)}'")
    gnuplot(script + data + "plot " + ", ".join(plots) + "\n", "curve-" + c.name)


def main():
    global into
    if len(sys.argv) not in (2, 3) or not os.path.isdir(sys.argv[1]):
        sys.exit("usage: bench/pictures.py DIR [INTO] (DIR: what bench/suite.sh left, build/bench)")
    if sys.argv[2:]:
        into = sys.argv[2]
    os.makedirs(into, exist_ok=True)
    for rows, which in ((load(sys.argv[1], "objects"), BARS), (load(sys.argv[1], "programs"), PROGRAMS)):
        for name, title, pattern, metric in which:
            found = list(clusters(rows, pattern, metric))
            if found:
                bars(name, title, found, REFERENCE.get(name, "the best of the others"))
    rows = load(sys.argv[1], "curves")
    for c in curves.CURVES:
        curve(c, rows)


main()
