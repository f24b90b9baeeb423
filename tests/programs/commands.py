"""Programs that do one thing and end: their input, their command, what they say when out of memory.

Input is made from a seed, so that two runs print the same to the byte; `recounts` is how many
processes of a roomy run must have recounted (a shell leaves by _exit and does not).
"""

import hashlib
import os
import re
import subprocess
import textwrap
from dataclasses import dataclass, field
from typing import Callable

import run

MIB = 1048576
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclass
class Command:
    name: str
    needs: list
    argv: Callable  # of the directory with the input
    words: re.Pattern
    max: int
    tight: int
    files: dict = field(default_factory=dict)  # input: name, text
    make: Callable = None  # more input, into that directory
    argv_tight: Callable = None  # where another command is needed to run out of memory
    results: list = field(default_factory=list)  # files written, compared as output is
    env: dict = field(default_factory=dict)
    recounts: int = 1
    may_crash: bool = False  # out of memory, by its own doing: docs/programs.md says why

    def prepare(self, work):
        for name, text in self.files.items():
            with open(os.path.join(work, name), "w", encoding="ascii") as f:
                f.write(textwrap.dedent(text))
        if self.make:
            self.make(work)

    def run(self, cwd, work, held=None, tight=False, looks=False):
        argv = (self.argv_tight if tight and self.argv_tight else self.argv)(work)
        with run.Running(argv, cwd, self.env, held, looks) as running:
            done = running.finish()
        for name in self.results:
            path = os.path.join(cwd, name)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    done.out += f"{name} {hashlib.sha256(f.read()).hexdigest()}\n".encode()
        return done


# ---- input that is made ----


def _quiet(argv, cwd, env=None):
    subprocess.run(argv, cwd=cwd, env={**os.environ, **(env or {})}, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


GIT_ENV = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_PAGER": "cat",
           "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}


def _make_git(work):
    """The last of this repository; of an archive without history, its files as one commit."""
    if os.path.exists(os.path.join(TOP, ".git")):
        _quiet(["git", "clone", "-q", "--bare", "--depth", "100", f"file://{TOP}", "origin"], work, GIT_ENV)
        return
    _quiet(["cp", "-r", os.path.join(TOP, "src"), "tree"], work)
    tree = os.path.join(work, "tree")
    for argv in (["init", "-q"], ["add", "."], ["commit", "-qm", "files"]):
        _quiet(["git"] + argv, tree, GIT_ENV)
    _quiet(["git", "clone", "-q", "--bare", "tree", "origin"], work, GIT_ENV)


def _make_big(work):
    """Two revisions of one large file, which a diff has to hold whole."""
    for name, step in (("one", 7), ("two", 11)):
        with open(os.path.join(work, name), "w", encoding="ascii") as f:
            for i in range(400000):
                f.write(f"line {i * step % 400009} of a file\n")


def _make_git_all(work):
    _make_git(work)
    _make_big(work)


def _make_java(work):
    _quiet(["javac", "-d", work, os.path.join(work, "Work.java")], work)


# ---- the programs ----

SQL = """\
    create table item(id integer primary key, name text, price integer);
    create table sale(id integer primary key, item integer, amount integer, day text);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
    insert into item select i, 'item ' || (i * 7919 % 20011), i * 31 % 997 from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
    insert into sale select i, i * 7907 % 20000 + 1, i % 13, date('2020-01-01', (i % 700) || ' days') from n;
    create index sale_item on sale(item);
    create index sale_day on sale(day, amount);
    create index item_name on item(name);
    select count(*), sum(amount), min(day), max(day) from sale;
    select name, sum(amount * price) as t from sale join item on item.id = sale.item
        group by name order by t desc, name limit 50;
    select substr(day, 1, 7) as m, count(*), sum(amount) from sale group by m order by m;
    """

PYTHON = """\
    import collections, json, re, threading
    by = collections.defaultdict(list)
    for i in range(200000):
        by["dir%d" % (i * 7919 % 2003)].append((i, "file-%d" % (i * 31 % 50021)))
    results = [None] * 4
    def work(part):
        results[part] = sum(len(json.dumps(v)) for k, v in list(by.items())[part::4])
    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
    text = " ".join("%s=%d" % (k, len(v)) for k, v in sorted(by.items()))
    print(len(by), results, len(re.findall(r"dir1\\d+=", text)), text[:500])
    """

LUA = """\
    local by, names = {}, {}
    for i = 1, 200000 do
        local k = "dir" .. (i * 7919 % 2003)
        by[k] = by[k] or {}
        table.insert(by[k], "file-" .. (i * 31 % 50021))
        names[i] = k .. "/" .. i
    end
    table.sort(names)
    local keys, t = {}, 0
    for k in pairs(by) do keys[#keys + 1] = k end
    table.sort(keys)
    for _, k in ipairs(keys) do t = t + #table.concat(by[k], ",") end
    print(#keys, t, table.concat(names, " "):sub(1, 500))
    """

PERL = """\
    my (%by, @names);
    for my $i (1 .. 200000) {
        my $k = 'dir' . ($i * 7919 % 2003);
        push @{$by{$k}}, 'file-' . ($i * 31 % 50021);
        push @names, "$k/$i";
    }
    my $t = 0;
    $t += length join ',', @{$by{$_}} for sort keys %by;
    my $all = join ' ', sort @names;
    print scalar(keys %by), " $t ", $all =~ s/dir1//gr =~ tr/a-z//, "\\n";
    """

NODE = """\
    const rows = [];
    for (let i = 0; i < 150000; i++)
        rows.push({ id: i, name: 'item ' + i * 7919 % 20011, tags: ['a' + i % 7, 'b' + i % 11] });
    const text = JSON.stringify(rows);
    const by = new Map();
    for (const row of JSON.parse(text)) by.set(row.name, (by.get(row.name) || 0) + row.id);
    console.log(text.length, by.size, [...by].sort()[1000].join(' '));
    """

# What it wants is on V8's heap and outside it.
NODE_GREEDY = """\
    const rows = [];
    for (let i = 0; ; i++) rows.push('x'.repeat(1000) + i, new Array(1000).fill(i));
    """

JAVA = """\
    import java.util.*;
    import java.util.concurrent.*;

    public class Work {
        static long part(int part) {
            Map<String, Integer> by = new HashMap<>();
            for (int i = 0; i < 150000; i++)
                by.merge("k" + i * 7919L % 50021, i ^ part, Integer::sum);
            long sum = 0;
            for (int value : new TreeMap<>(by).values())
                sum = sum * 31 + value;
            return sum;
        }

        public static void main(String[] arguments) throws Exception {
            if (arguments.length > 0) {
                List<byte[]> all = new ArrayList<>();
                while (true)
                    all.add(new byte[1 << 20]);
            }
            ExecutorService pool = Executors.newFixedThreadPool(3);
            List<Future<Long>> parts = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                int part = i;
                parts.add(pool.submit(() -> part(part)));
            }
            for (Future<Long> part : parts)
                System.out.println(part.get());
            pool.shutdown();
        }
    }
    """

GIT = ("git clone -q --no-local \"$1\"/origin clone && cd clone && git gc -q --aggressive --prune=now && "
       "git log --stat -p | sha256sum && git fsck --full --no-progress && "
       "git blame ARCHITECTURE.md README.md 2>&1 | sha256sum")


def _java(*more):
    # A heap that begins small grows through the calls that are charged.
    return ["java", "-Xms16m", "-Xmx512m", "-XX:+UseSerialGC", *more]


PROGRAMS = [
    Command(
        "sqlite3", ["sqlite3"], lambda work: ["sqlite3", "-batch", ":memory:", f".read {work}/in.sql"],
        re.compile("out of memory"), 256 * MIB, 8 * MIB, {"in.sql": SQL}),
    Command(
        "python3", ["/usr/bin/python3"], lambda work: ["/usr/bin/python3", f"{work}/work.py"],
        re.compile("MemoryError"), 256 * MIB, 16 * MIB, {"work.py": PYTHON}),
    Command(
        "lua5.4", ["lua5.4"], lambda work: ["lua5.4", f"{work}/work.lua"],
        re.compile("not enough memory"), 256 * MIB, 12 * MIB, {"work.lua": LUA}),
    Command(
        "perl", ["perl"], lambda work: ["perl", f"{work}/work.pl"],
        re.compile("Out of memory"), 256 * MIB, 16 * MIB, {"work.pl": PERL},
        env={"PERL_HASH_SEED": "0"}),
    Command(
        "git", ["git"], lambda work: ["sh", "-c", GIT, "sh", work],
        re.compile("[Oo]ut of memory"), 512 * MIB, 24 * MIB, make=_make_git_all, env=GIT_ENV,
        argv_tight=lambda work: ["git", "diff", "--no-index", f"{work}/one", f"{work}/two"],
        recounts=5),
    Command(
        "gcc", ["gcc"],
        lambda work: ["gcc", "-std=gnu17", "-O2", "-w", f"-I{TOP}/include", f"-I{TOP}/src", "-D_GNU_SOURCE",
                      "-include", f"{TOP}/src/base/compiler.h", "-c", f"{TOP}/src/count/counter.c", "-o", "out.o"],
        re.compile("out of memory"), 512 * MIB, 6 * MIB, results=["out.o"], recounts=3),
    # V8 looks at what malloc returns in most places, not where its collector gets work lists.
    Command(
        "node", ["node"], lambda work: ["node", f"{work}/work.js"],
        re.compile("[Oo]ut of memory|^$"), 512 * MIB, 128 * MIB,
        {"work.js": NODE, "greedy.js": NODE_GREEDY},
        argv_tight=lambda work: ["node", f"{work}/greedy.js"], may_crash=True),
    Command(
        "java", ["java", "javac"], lambda work: _java("-cp", work, "Work"),
        re.compile("OutOfMemoryError|insufficient memory"), 768 * MIB, 128 * MIB,
        {"Work.java": JAVA}, make=_make_java,
        argv_tight=lambda work: _java("-cp", work, "Work", "greedy")),
]
