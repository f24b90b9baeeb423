"""The programs: how each is started, and what it is given to do.

A run has a fresh directory, and prints or answers the same to the byte under every allocator; who
does not is wrong, however fast it is.
"""
import hashlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(HERE, "work")
DEADLINE = 120.0  # says only that it hangs


@dataclass
class Took:
    wall: float
    cpu: float
    rss: float  # MiB
    said: str  # a digest of what it printed


class Failed(Exception):
    pass


class Launched:
    """One program below memcg-bench-launch, with the environment of an allocator."""

    def __init__(self, launcher, cwd, argv, env, stdin=subprocess.DEVNULL):
        self.account = os.path.join(cwd, "account")
        self.err = open(os.path.join(cwd, "err"), "w+b")
        self.out = open(os.path.join(cwd, "out"), "w+b")
        words = [f"{k}={v}" for k, v in env.items()]
        self.process = subprocess.Popen([launcher, self.account, *words, "--", *argv], cwd=cwd,
                                        stdin=stdin, stdout=self.out, stderr=self.err)

    def complaint(self):
        self.err.seek(0)
        return self.err.read()[-300:].decode(errors="replace")

    def finish(self):
        """Seconds, CPU seconds, MiB."""
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("it hangs") from None
        said = self.complaint()
        if code or "cannot be preloaded" in said:
            raise Failed(said or f"status {code}")
        with open(self.account, encoding="ascii") as f:
            wall, user, system, peak, status = f.read().split()
        if status != "0":
            raise Failed(f"status {status}: {said}")
        return float(wall), float(user) + float(system), int(peak) / 1024

    def printed(self):
        self.out.seek(0)
        return self.out.read()

    def close(self):
        self.out.close()
        self.err.close()


@dataclass
class Command:
    """Does one thing and ends."""

    name: str
    needs: str
    argv: list
    stdin: str = None  # a file of work/
    env: dict = field(default_factory=dict)
    reads: str = None  # of what work/make.py makes
    copies: bool = False  # and changes it

    def run(self, launcher, made, cwd, env):
        if self.copies:
            shutil.copytree(os.path.join(made, self.reads), os.path.join(cwd, self.reads))
        argv = [w.format(work=WORK, made=made) for w in self.argv]
        with open(os.path.join(WORK, self.stdin) if self.stdin else os.devnull, "rb") as stdin:
            running = Launched(launcher, cwd, argv, {**self.env, **env}, stdin)
            try:
                took = running.finish()
                return Took(*took, hashlib.sha256(running.printed()).hexdigest())
            finally:
                running.close()


class Redis:
    """Asked over a Unix socket; CPU and memory are the server's alone, time is the client's."""

    name = needs = "redis-server"
    reads = "requests"
    last, echo = b"*2\r\n$4\r\nECHO\r\n$7\r\nthe end\r\n", b"$7\r\nthe end\r\n"

    def run(self, launcher, made, cwd, env):
        path = os.path.join(cwd, "s")
        argv = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", cwd,
                "--hash-max-listpack-entries", "64"]
        running = Launched(launcher, cwd, argv, env)
        try:
            wall, said = self._ask(running, path, os.path.join(made, "requests"))
            _, cpu, rss = running.finish()
            return Took(wall, cpu, rss, said)
        finally:
            if running.process.poll() is None:
                running.process.terminate()
            running.close()

    def _connect(self, running, path):
        until = time.monotonic() + DEADLINE
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
                s.settimeout(DEADLINE)
                return s
            except OSError:
                s.close()
            if running.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"the server does not answer: {running.complaint()}")
            time.sleep(0.005)

    def _ask(self, running, path, requests):
        digest = hashlib.sha256()
        with open(requests, "rb") as f:
            batches = f.read().split(self.last)
        with self._connect(running, path) as s:
            start = time.monotonic()
            for batch in batches[:-1]:
                s.sendall(batch + self.last)
                digest.update(self._answer(s))
            wall = time.monotonic() - start
            s.sendall(b"*2\r\n$8\r\nSHUTDOWN\r\n$6\r\nNOSAVE\r\n")
        return wall, digest.hexdigest()

    def _answer(self, s):
        text = b""
        while not text.endswith(self.echo):
            piece = s.recv(1 << 20)
            if not piece:
                raise Failed("the server hung up")
            text += piece
        return text


PROGRAMS = [
    Command("sqlite3", "sqlite3", ["sqlite3", ":memory:"], stdin="sqlite3.sql"),
    Command("python3", "/usr/bin/python3", ["/usr/bin/python3", "-SB", "{work}/python3.py"],
            env={"PYTHONHASHSEED": "0"}),
    Command("python3-malloc", "/usr/bin/python3", ["/usr/bin/python3", "-SB", "{work}/python3.py"],
            env={"PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}),
    Command("lua5.4", "lua5.4", ["lua5.4", "{work}/lua5.4.lua"]),
    Redis(),
    Command("gcc", "gcc", ["gcc", "-O1", "-S", "-o", "-", "{made}/input.c"], reads="input.c"),
    Command("git", "git", ["sh", "-c", "cd repository && git log -p --stat && git -c pack.threads=1 "
                           "repack -adfq --window=20 && git log -p --stat --all -- file7 file9 && "
                           "git rev-parse HEAD"], reads="repository", copies=True,
            env={"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}),
    Command("perl", "perl", ["perl", "{work}/perl.pl"], env={"PERL_HASH_SEED": "0"}),
]


def installed(program):
    return shutil.which(program.needs) is not None
