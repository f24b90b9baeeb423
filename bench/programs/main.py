"""main.py [NAME ...] [--runs N] [--without ALLOCATOR] [--json] [--list] [--build DIR]

Real programs, whole, each under every allocator in turn: CPU time of user and system, time, and peak
of resident memory. Repeats are outermost, allocators innermost and backwards on odd repeats.
`own` is libmemcg with a limit of the root that none of them reaches, so that what they have is charged
and held against it; `unaccounted` the same library with accounting off.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import programs
from rows import OURS, PEERS, Samples

LIMIT = "8G"
LIBRARY = {"jemalloc": "libjemalloc.so.2", "mimalloc": "libmimalloc.so.2.0",
           "tcmalloc": "libtcmalloc_minimal.so.4"}
DIRS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
CHANGES = ("LD_PRELOAD", "MEMCG_", "MALLOC_", "MIMALLOC_", "TCMALLOC_", "GLIBC_TUNABLES")
OTHERS_MAX = 0.10
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def say(text):
    print(f"bench/programs: {text}", file=sys.stderr, flush=True)


def options():
    parser = argparse.ArgumentParser(prog="bench/programs", description=__doc__.split("\n\n")[1])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=int, default=15, metavar="N")
    parser.add_argument("--without", action="append", default=[], metavar="ALLOCATOR",
                        choices=PEERS + OURS)
    parser.add_argument("--json", action="store_true", help="rows as memcg-bench --json has them")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), metavar="DIR")
    given = parser.parse_args()
    for name in given.names:
        if name not in [p.name for p in programs.PROGRAMS]:
            parser.error(f"no program is called '{name}'; --list names them")
    if given.runs < 1:
        parser.error("--runs: at least one")
    return given


def find(name):
    for directory in DIRS:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            return path
    return None


def allocators(build, without):
    """Name, and the variables that choose it; those that are not there are left out, and said."""
    preload = os.path.join(os.path.abspath(build), "libmemcg-preload.so")
    there = {}
    for name in PEERS:
        # Who links another malloc of itself (redis-server) must be given libc's, too.
        path = find(LIBRARY.get(name, "libc.so.6"))
        if path:
            there[name] = {"LD_PRELOAD": path}
        elif name not in without:
            say(f"{name} left out: there is no {LIBRARY[name]}; run `scripts/install-deps bench`")
    there["own"] = {"LD_PRELOAD": preload, "MEMCG_MAX": LIMIT}
    there["shared"] = {**there["own"], "MEMCG_PROMOTE": "0"}
    there["unaccounted"] = {"LD_PRELOAD": preload, "MEMCG_UNACCOUNTED": "1"}
    return {name: env for name, env in there.items() if name not in without}


def others():
    """Seconds that CPUs were busy, and all seconds; less what is ours."""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) / os.sysconf("SC_CLK_TCK") for x in f.readline().split()[1:9]]
    ours = sum(r.ru_utime + r.ru_stime for r in (resource.getrusage(resource.RUSAGE_CHILDREN),
                                                 resource.getrusage(resource.RUSAGE_SELF)))
    return sum(v) - v[3] - v[4] - ours, sum(v)


class Progress:
    def __init__(self, of):
        self.of, self.done, self.began, self.said = of, 0, time.monotonic(), time.monotonic()

    def step(self, name):
        now = time.monotonic()
        rest = ""
        if self.done * 20 > self.of:
            rest = f", about {(now - self.began) / self.done * (self.of - self.done):.0f} s left"
        percent = self.done * 100 // self.of
        self.done += 1
        if sys.stderr.isatty():
            print(f"\r\033[K{percent:3} % {name}{rest}", end="", file=sys.stderr, flush=True)
        elif now - self.said > 15:
            self.said = now
            say(f"{percent} % after {now - self.began:.0f} s{rest}")

    def end(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def one(program, launcher, made, work, env):
    with tempfile.TemporaryDirectory(dir=work) as cwd:
        return program.run(launcher, made, cwd, env)


def measure(chosen, there, runs, launcher, work):
    """Samples, and how many runs were wrong. Unlike the others' answer: wrong."""
    made = os.path.join(work, "made")
    os.mkdir(made)
    subprocess.run([sys.executable, "-B", os.path.join(programs.WORK, "make.py"), made,
                    *sorted({p.reads for p in chosen if p.reads})], check=True)
    samples, answer, wrong = Samples([p.name for p in chosen], False), {}, 0
    progress = Progress(runs * len(chosen) * len(there))
    busy, total = others()
    for repeat in range(runs):
        for program in chosen:
            order = list(there.items())
            for name, env in order[::-1] if repeat % 2 else order:
                progress.step(f"{program.name} on {name}")
                try:
                    took = one(program, launcher, made, work, env)
                    if answer.setdefault(program.name, took.said) != took.said:
                        raise programs.Failed("it printed something else than before")
                    samples.add(program.name, name, took)
                except (programs.Failed, OSError) as failed:
                    progress.end()
                    say(f"{program.name} on {name}: {failed}")
                    wrong += 1
    progress.end()
    busy_now, total_now = others()
    share = (busy_now - busy) / max(total_now - total, 1e-9)
    samples.noisy, samples.others = share > OTHERS_MAX, share
    if samples.noisy:
        say(f"noisy machine: others had {share:.0%} of the CPUs; differences of that order mean "
            "nothing")
    return samples, wrong


def show(rows):
    print(f"{'bench':36} {'median':>9} {'95% interval':>19} {'unit':5} {'reference':>9} "
          f"{'of':9} {'ratio':>6} {'interval':>13}  goal")
    for r in rows:
        line = (f"{r['bench']:36} {r['value']:9.3f} {r['low']:8.3f} .. {r['high']:7.3f} "
                f"{r['unit']:5}")
        if r["reference"] is not None:
            line += (f" {r['reference']:9.3f} {r['against']:9} {r['ratio']:6.2f} "
                     f"{r['ratio_low']:5.2f} .. {r['ratio_high']:4.2f}")
        if "goal" in r:
            line += f"  <= {r['goal']:.2f} {r['verdict']}"
        print(line)


def main():
    given = options()
    chosen = [p for p in programs.PROGRAMS if not given.names or p.name in given.names]
    if given.list:
        print("\n".join(p.name for p in chosen))
        return 0
    for program in chosen:
        if not programs.installed(program):
            say(f"{program.name} left out: there is no {program.needs}; run `scripts/install-deps bench`")
    chosen = [p for p in chosen if programs.installed(p)]
    if not chosen:
        return 77
    for name in list(os.environ):
        if name.startswith(CHANGES):
            del os.environ[name]
    launcher = os.path.join(os.path.abspath(given.build), "memcg-bench-launch")
    there = allocators(given.build, given.without)
    with tempfile.TemporaryDirectory(prefix="memcg-bench.") as work:
        samples, wrong = measure(chosen, there, given.runs, launcher, work)
    if wrong:
        # Medians of unequal numbers of runs would be compared.
        say(f"{wrong} runs failed: no rows")
        return 1
    rows = list(samples.rows())
    if given.json:
        for row in rows:
            print(json.dumps(row))
    else:
        show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
