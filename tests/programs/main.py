"""check-programs: whole programs under memcg run, one row each. See docs/programs.md.

For each program: a bare run, a run with room, a run with a limit that is too small (judge.py says
what they must show), then pairs of bare and held runs, in turns, for what it costs. Cost is shown
and never judged.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import traceback

import commands
import judge
import run
import servers

PROGRAMS = servers.PROGRAMS + commands.PROGRAMS
COLUMNS = "%-13s %-8s %-6s %10s %10s %10s %9s %9s %10s %8s"
HEAD = ("program", "works", "limit", "peak", "tight max", "tight peak", "cpu", "time",
        "unmanaged", "recount")


def options():
    parser = argparse.ArgumentParser(prog="check-programs", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs (default: all)")
    parser.add_argument("--pairs", type=int, default=5, metavar="N",
                        help="pairs of runs for the cost (5; 0: it is not measured)")
    parser.add_argument("--json", action="store_true", help="one object a line for each program")
    parser.add_argument("--list", action="store_true", help="names of programs, and no more")
    parser.add_argument("--memcg", default="build/memcg", help=argparse.SUPPRESS)
    given = parser.parse_args()
    known = {program.name for program in PROGRAMS}
    for name in given.names:
        if name not in known:
            parser.error(f"no program is called '{name}'; --list names them")
    return given


class Fresh:
    """A directory for one run, so that no run sees another's files."""

    def __init__(self, work):
        self.work = work

    def __enter__(self):
        self.path = tempfile.mkdtemp(dir=self.work)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def one(program, work, held=None, tight=False, looks=False):
    with Fresh(work) as cwd:
        return program.run(cwd, work, held, tight, looks)


def cost(program, work, held, pairs):
    """Medians of the ratios held to bare, of CPU time and of time; who is first takes turns."""
    cpu, wall = [], []
    for i in range(pairs):
        pair = {}
        for how in ((None, held), (held, None))[i % 2]:
            pair[how is not None] = one(program, work, how)
        cpu.append(pair[True].cpu / pair[False].cpu)
        wall.append(pair[True].wall / pair[False].wall)
    return {"cpu": statistics.median(cpu), "time": statistics.median(wall), "pairs": pairs}


def check(program, memcg, pairs):
    with tempfile.TemporaryDirectory(prefix="memcg-programs.") as work:
        program.prepare(work)
        room, small = run.Held(memcg, program.max), run.Held(memcg, program.tight)
        bare = one(program, work)
        if bare.status != 0:
            raise RuntimeError(f"it fails by itself: {bare.status}: {judge.tail(bare.said)}")
        roomy = one(program, work, room, looks=True)
        tight = one(program, work, small, tight=True, looks=True)
        works = judge.works(bare, roomy)
        limit = judge.limit(tight, program.words)
        accounts = judge.accounts(roomy, tight, program.may_crash)
        recount = judge.recount(roomy, program.recounts)
        wrong = works + limit + accounts + recount
        processes = roomy.report.processes
        row = {
            "program": program.name, "result": "failed" if wrong else "passed", "wrong": wrong,
            "works": not works, "limit_held": not limit and not accounts,
            "max": program.max, "peak": max((p.peak or 0 for p in processes), default=0),
            "beyond": max((judge.beyond(p) for p in processes + tight.report.processes
                           if p.peak is not None and p.limit is not None), default=0),
            "tight_max": program.tight,
            "tight_peak": max((p.peak or 0 for p in tight.report.processes), default=0),
            "refusals": sum(p.refusals for p in tight.report.processes),
            "tight_status": tight.status,
            "unmanaged": max(judge.unmanaged(roomy), judge.unmanaged(tight)),
            "recounts": sum(p.closed for p in processes), "processes": len(processes),
        }
        if pairs and not works:
            row.update(cost(program, work, room, pairs))
        return row


def mib(size):
    return f"{size / 1048576:.1f}M"


def held(row):
    if not row["limit_held"]:
        return "NO"
    return "+free" if row["beyond"] else "held"  # past it by free memory alone


def line(row):
    if row["result"] == "skipped":
        return f"{row['program']:<13} skipped: {row['wrong'][0]}"
    if "works" not in row:
        return f"{row['program']:<13} FAILED"
    return (COLUMNS % (
        row["program"], "yes" if row["works"] else "NO", held(row),
        mib(row["peak"]), mib(row["tight_max"]), mib(row["tight_peak"]),
        f"{row['cpu']:.2f}x" if "cpu" in row else "-",
        f"{row['time']:.2f}x" if "time" in row else "-",
        mib(row["unmanaged"]), f"{row['recounts']} of {row['processes']}")).rstrip()


def result(program, given):
    missing = [command for command in program.needs if not shutil.which(command)]
    if missing:
        return {"program": program.name, "result": "skipped",
                "wrong": [f"{', '.join(missing)} not installed"]}
    try:
        return check(program, os.path.abspath(given.memcg), given.pairs)
    except (OSError, RuntimeError, ValueError, ArithmeticError, run.Hangs,
            subprocess.SubprocessError) as error:
        told = [line.strip() for line in traceback.format_exc().splitlines()[-3:]]
        return {"program": program.name, "result": "failed", "wrong": [str(error)] + told}


def main():
    given = options()
    if given.list:
        print("\n".join(program.name for program in PROGRAMS))
        return 0
    # As an exception, so that whoever is being run is ended too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    # Servers and tools of Debian that users do not have in their PATH.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    chosen = [p for p in PROGRAMS if not given.names or p.name in given.names]
    if not given.json:
        print((COLUMNS % HEAD).rstrip(), flush=True)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for program in chosen:
        row = result(program, given)
        counts[row["result"]] += 1
        print(json.dumps(row) if given.json else line(row), flush=True)
        if row["result"] == "failed":
            for what in row["wrong"]:
                print(f"{program.name}: {what}", file=sys.stderr, flush=True)
    tally = f"{counts['passed']} passed, {counts['failed']} failed"
    if counts["skipped"]:
        tally += f", {counts['skipped']} skipped"
    # Figures and tally part ways under --json: all of standard output is for a program then.
    print(tally, file=sys.stderr if given.json else sys.stdout)
    return 0 if counts["passed"] and not counts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
