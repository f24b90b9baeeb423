#!/usr/bin/python3
"""start.py [BUILD [ROUNDS]] - what `memcg run` adds to the start and end of a program.

`true` and `memcg run true` in turn, so that both meet the same other load; a round is one of each.
Least and median of the wall clock, and CPU time of the command with its program. Memory: /usr/bin/time -f %M.
"""
import os
import sys
import time

build = sys.argv[1] if len(sys.argv) > 1 else "build"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 200
programs = {
    "true": ["/bin/true"],
    "memcg run true": [build + "/memcg", "run", "--quiet", "--report", "/dev/null", "/bin/true"],
}


def once(argv):
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, argv
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


seen = {name: [] for name in programs}
for _ in range(rounds):
    for name, argv in programs.items():
        seen[name].append(once(argv))
print(f"{'':16} {'least ms':>9} {'median':>9} {'CPU ms':>9}")
for name, runs in seen.items():
    wall, cpu = zip(*runs)
    middle = len(runs) // 2
    print(f"{name:16} {min(wall) * 1e3:9.2f} {sorted(wall)[middle] * 1e3:9.2f}"
          f" {sorted(cpu)[middle] * 1e3:9.2f}")
