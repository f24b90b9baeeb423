"""blocks.py REPO BUILD FILE.md... - build and run what documents show.

A block of ```c is a whole program: it is compiled with warnings as errors and run, and ends with 0.
A block of ```sh, or one that is indented by four, is run by bash -eu, in a directory of its own with
build/ and examples/ in it and the built programs first in PATH. ```text is looked at by nobody. In the
line before a block may stand

    <!-- status N -->             it ends with N
    <!-- needs PATH -->           it is left out where that cannot be opened
    <!-- not run: a reason -->

Says a line for each block that is not as it should be; exit 1 then. Last line: how many there were.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile

repo, build = map(os.path.realpath, sys.argv[1:3])
NOTE = re.compile(r"^<!-- (?:status (\d+)|not run: (\S.+\S)|needs (/\S+)) -->$")
TIME = 240  # seconds: a time-out says only that it hangs


def blocks_of(path):
    """Yields (line, kind, text, note) of each block."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    at, note = 0, None
    while at < len(lines):
        line, start = lines[at], at + 1
        if line.startswith("```"):
            end = at + 1
            while end < len(lines) and lines[end] != "```":
                end += 1
            yield start, line[3:], "\n".join(lines[at + 1:end]) + "\n", note
            at, note = end + 1, None
        elif line.startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield start, "indented", "\n".join(x[4:] for x in lines[at:end]) + "\n", note
            at, note = end, None
        else:
            if line.strip():
                note = line
            at += 1


def environment(where):
    """Sockets in a directory of its own: other tests have processes to look at, too."""
    env = dict(os.environ, PATH=build + ":" + os.environ["PATH"], LC_ALL="C.UTF-8", XDG_RUNTIME_DIR=where)
    for name in [n for n in env if n.startswith("MEMCG_")]:
        del env[name]
    return env


def run(command, where, status):
    """None, or what is wrong with it."""
    with tempfile.TemporaryFile() as out:
        # Its own session: what a block that failed has left in the background ends with it.
        child = subprocess.Popen(command, cwd=where, env=environment(where), stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            ended = child.wait(TIME)
        except subprocess.TimeoutExpired:
            ended = "no end"
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        out.seek(0)
        said = out.read().decode(errors="replace")
    # Then managed memory cannot be touched before it is pinned: docs/failures.md says so.
    if ended == status or "userfaultfd is refused" in said:
        return None
    return f"ended with {ended}, not {status}: {said[-600:]}"


def program(text, where, status):
    with open(os.path.join(where, "program.c"), "w", encoding="utf-8") as f:
        f.write(text)
    return run(["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-I" + repo + "/include", "program.c",
                "-L" + build, "-Wl,-rpath," + build, "-lmemcg", "-pthread", "-o", "program"], where, 0) or \
        run(["./program"], where, status)


def script(text, where, status):
    os.symlink(build, os.path.join(where, "build"))
    os.symlink(os.path.join(repo, "examples"), os.path.join(where, "examples"))
    return run(["bash", "-eu", "-c", text], where, status)


def can_open(path):
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True


def judge(kind, text, note):
    said = NOTE.match(note or "")
    if kind == "text" or said and (said[2] or said[3] and not can_open(said[3])):
        return None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as where:
        status = int(said[1]) if said and said[1] else 0
        if kind == "c":
            return program(text, where, status) if "int main(" in text else "is no whole program"
        if kind in ("sh", "indented"):
            return script(text, where, status)
    return f"is of no known kind: '{kind}'"


def main():
    failed = total = 0
    for name in sys.argv[3:]:
        for line, kind, text, note in blocks_of(os.path.join(repo, name)):
            total += 1
            wrong = judge(kind, text, note)
            if wrong:
                failed = 1
                print(f"{name}:{line}: {wrong}", file=sys.stderr)
    print(f"{total} blocks")
    return failed


if __name__ == "__main__":
    sys.exit(main())
