"""One program, run to its end: bare, or below memcg run with a limit.

Each run has a session of its own, so that all it started can be found (for the looks at resident
memory) and nothing of it is left behind, whatever it did. CPU time is the program's and that of
all it waited for; below memcg run that of memcg run is part of it.

What a program may take is DEADLINE, which says only that it hangs: no verdict hangs on a clock.
"""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Optional

from report import Report, parse

DEADLINE = 300.0


@dataclass
class Held:
    """How to hold a program: the command memcg, and a limit in bytes."""

    memcg: str
    max: int


@dataclass
class Result:
    status: int  # as Popen has it: -N for signal N
    out: bytes  # what is compared: standard output, or what a client was answered
    said: str  # all its words: output, errors, logs
    cpu: float  # seconds
    wall: float
    report: Optional[Report] = None
    resident: dict = field(default_factory=dict)  # the most anonymous memory seen, by pid


class Hangs(Exception):
    pass


def _stat(pid):
    """Its parent, and where its stack began: another place for each exec."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        words = f.read().rpartition(")")[2].split()
    return int(words[1]), int(words[25])


def _is_copy(pid):
    """Whether it is its parent's image still. What it shares with its parent is the parent's, and
    between fork and exec all of it is."""
    try:
        parent, stack = _stat(pid)
        return stack != 0 and stack == _stat(parent)[1]
    except OSError:
        return True  # it ended, or its parent did: seen before, if it lived


def _session(sid):
    """Processes of a session: pid, and resident anonymous bytes."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.getsid(int(name)) != sid:
                continue
            with open(f"/proc/{name}/status", encoding="ascii", errors="replace") as f:
                rows = dict(line.split(":", 1) for line in f if ":" in line)
        except OSError:
            continue  # it ended meanwhile
        if rows.get("State", "").strip().startswith("Z"):
            continue
        yield int(name), int(rows.get("RssAnon", "0 kB").split()[0]) * 1024


class _Looks(threading.Thread):
    """Notes the most resident memory of each process of a session, 50 times a second."""

    def __init__(self, sid):
        super().__init__(daemon=True)
        self.sid, self.peaks, self.over = sid, {}, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            for pid, resident in _session(self.sid):
                if not _is_copy(pid):
                    self.peaks[pid] = max(self.peaks.get(pid, 0), resident)

    def stop(self):
        self.over.set()
        self.join()
        return self.peaks


class Running:
    """A program that was started. `with` it: at the end nothing of its session is left."""

    def __init__(self, argv, cwd, env=None, held=None, looks=False):
        self.cwd, self.held, self.argv = cwd, held, argv
        self._report = os.path.join(cwd, "report.memcg")
        if held:
            argv = [held.memcg, "run", "--quiet", "--report", self._report, "--max",
                    str(held.max), "--"] + argv
        self._out = open(os.path.join(cwd, "out"), "w+b")
        self._err = open(os.path.join(cwd, "err"), "w+b")
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            argv, cwd=cwd, env={**os.environ, "LC_ALL": "C", **(env or {})},
            stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err, start_new_session=True)
        self._looks = _Looks(self.process.pid) if looks else None
        if self._looks:
            self._looks.start()
        self._result = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._looks and not self._looks.over.is_set():
            self._looks.stop()
        self._clear()
        self._out.close()
        self._err.close()

    def _clear(self):
        # Until it is reaped its pid, and with it the session's number, is nobody else's; after
        # that the number is kept by whoever is left of the session.
        for _ in range(100):
            left = [pid for pid, _ in _session(self.process.pid)]
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        if self._result is None:
            self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def _wait(self):
        """The end, and the CPU time of all it waited for. Polled, for wait4 has no deadline."""
        until = self._began + DEADLINE
        while time.monotonic() < until:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                return self.process.returncode, usage.ru_utime + usage.ru_stime
            time.sleep(0.002)
        raise Hangs(f"{self.argv[0]} did not end within {DEADLINE:.0f} s")

    def finish(self, answered=None, logs=()):
        """Waits for the end. `answered`: what is compared instead of standard output."""
        status, cpu = self._wait()
        wall = time.monotonic() - self._began
        self._out.seek(0)
        self._err.seek(0)
        out = self._out.read()
        said = (out + self._err.read()).decode(errors="replace")
        for log in logs:
            with open(os.path.join(self.cwd, log), errors="replace") as f:
                said += f.read()
        self._result = Result(status, out if answered is None else answered, said, cpu, wall)
        if self._looks:
            self._result.resident = self._looks.stop()
        if self.held:
            with open(self._report, errors="replace") as f:
                self._result.report = parse(f.read())
        return self._result
