"""What main.py judges by, on reports with one thing wrong each: every one must be noticed."""

import re
import sys
from dataclasses import replace

import judge
import report
from run import Result

GOOD = """\
memcg run: max 8388608, high max, for each process

prog -x in.sql (pid 77, started by 76)
  ended:         exit status 1
  group                           current           peak          limit  refusals
  /                               7000000        8000000        8388608         5
  allocated             5600000
  cached                 262144
  metadata              1114112
  charged maps                0
  unmanaged                4096
  foreign                     0 blocks
  recount: closed (7041268 bytes in 1 groups)

processes: 1
escaped: 0
"""
WORDS = re.compile("out of memory")
checks = 0


def run_of(text, status=1, out=b"rows"):
    return Result(status, out, "Error: out of memory", 1.0, 1.0, report.parse(text), {77: 8100000})


def expect(what, wrong, noticed):
    global checks
    checks += 1
    if bool(wrong) != noticed:
        sys.exit(f"{what}: {'not noticed' if noticed else wrong}")


def accounts(what, old, new, noticed=True):
    assert old in GOOD, what
    bad = run_of(GOOD.replace(old, new))
    expect(what, judge.accounts(run_of(GOOD), bad, True), noticed)
    expect(what + ", with room", judge.accounts(bad, run_of(GOOD), True), noticed)


def main():
    good = run_of(GOOD)
    accounts("nothing wrong", "escaped: 0", "escaped: 0", False)
    accounts("free memory past the limit", " 8000000 ", " 8650752 ", False)
    accounts("more than that past it", " 8000000 ", " 8912897 ")
    accounts("no limit", "8388608         5", "max         5")
    accounts("no row of the root", "  /   ", "  /x  ")
    accounts("no process", "prog -x in.sql (pid 77, started by 76)", "")
    accounts("escaped", "escaped: 0", "escaped: 1")
    accounts("no word of who escaped", "escaped: 0", "")
    accounts("differences", "closed (7041268 bytes in 1 groups)", "2 differences: the memory holds 1")
    for status in (-11, 139, -7, 135):
        crash = run_of(GOOD, status)
        expect("a crash", judge.accounts(good, crash, False), True)
        expect("a crash of its own doing", judge.accounts(good, crash, True), False)
        expect("a crash with room", judge.accounts(crash, good, True), True)
    expect("the same", judge.works(good, good), False)
    expect("killed alike", judge.works(replace(good, status=-6), replace(good, status=134)), False)
    expect("another status", judge.works(replace(good, status=0), good), True)
    expect("other output", judge.works(replace(good, out=b"row"), good), True)
    expect("refused", judge.limit(good, WORDS), False)
    expect("not refused", judge.limit(run_of(GOOD.replace("        5\n", "        0\n")), WORDS), True)
    expect("other words", judge.limit(replace(good, said="bye"), WORDS), True)
    expect("a recount", judge.recount(good, 1), False)
    expect("too few recounts", judge.recount(good, 2), True)
    expect("no recount", judge.recount(run_of(GOOD.replace("closed (", "not taken (")), 1), True)
    # 8100000 resident were seen, 8000000 charged at most; the report says 4096 at the end.
    expect("unmanaged", judge.unmanaged(good) == 100000, True)
    expect("unmanaged at the end",
           judge.unmanaged(replace(good, resident={})) == 4096, True)
    print(f"{checks} checks")


if __name__ == "__main__":
    main()
