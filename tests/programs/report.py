"""The report of memcg run, read back: a section for each process.

Only what is judged is kept. A line that is not there leaves its field at None, so that a
report that lost a line is a failure and not a nought.
"""

import re
from dataclasses import dataclass
from typing import Optional

SECTION = re.compile(r"^(\S.*) \(pid (\d+), started by \d+\)$")
ROOT = re.compile(r"^  /\s+(\d+)\s+(\d+)\s+(\d+|max)\s+(\d+)$")


@dataclass
class Process:
    command: str
    pid: int
    ended: str = ""
    peak: Optional[int] = None
    limit: Optional[int] = None  # None: no limit
    refusals: int = 0
    cached: Optional[int] = None
    unmanaged: Optional[int] = None
    recount: str = ""

    @property
    def closed(self):
        return self.recount.startswith("closed")

    @property
    def differs(self):
        return "differences" in self.recount


@dataclass
class Report:
    processes: list
    escaped: Optional[int]


def _fill(process, line):
    root = ROOT.match(line)
    if root:
        process.peak = int(root[2])
        process.limit = None if root[3] == "max" else int(root[3])
        process.refusals = int(root[4])
        return
    words = line.split(None, 1)
    if line.startswith("  ended:"):
        process.ended = words[1].strip()
    elif line.startswith("  cached "):
        process.cached = int(words[1])
    elif line.startswith("  unmanaged ") and words[1].strip().isdigit():
        process.unmanaged = int(words[1])
    elif line.startswith("  recount:"):
        process.recount = words[1].strip()


def parse(text):
    processes, escaped = [], None
    for line in text.splitlines():
        section = SECTION.match(line)
        if section:
            processes.append(Process(section[1], int(section[2])))
        elif line.startswith("escaped:"):
            escaped = int(line.split()[1])
        elif processes:
            _fill(processes[-1], line)
    return Report(processes, escaped)
