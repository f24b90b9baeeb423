"""make.py DIR NAME... - the input of those programs that read much: a C file, a git repository, requests.

All of it follows from a counter, so that every machine has the same.
"""
import os
import subprocess
import sys

ENV = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
       "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}

FUNCTION = """\
struct record_{i} {{ int key; const char *name; struct record_{i} *next; long value[{n}]; }};

static long walk_{i}(struct record_{i} *r, int depth)
{{
	long sum = 0;

	for (int k = 0; k < {n} && r; k++, r = r->next) {{
		switch ((r->key + k) % 5) {{
		case 0: sum += r->value[k] * {i}; break;
		case 1: sum ^= r->value[k] << (k & 7); break;
		case 2: sum -= r->key ? r->value[k] / (r->key | 1) : {n}; break;
		default: sum += r->name ? r->name[0] : depth;
		}}
	}}
	return depth > 0 ? sum + walk_{i}(r, depth - 1) : sum;
}}

long use_{i}(void *p, int depth) {{ return walk_{i}(p, depth){more}; }}

"""


def source(path, functions):
    with open(path, "w", encoding="ascii") as f:
        f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n")
        for i in range(functions):
            more = f" + use_{i - 1}(p, depth - 1)" if i else ""
            f.write(FUNCTION.format(i=i, n=3 + i * 7 % 11, more=more))


def git(path, *words, commit=None):
    env = dict(ENV)
    if commit is not None:
        env["GIT_AUTHOR_DATE"] = env["GIT_COMMITTER_DATE"] = f"{1500000000 + commit * 60} +0000"
    subprocess.run(["git", *words], cwd=path, env=env, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


def repository(path, commits, files):
    os.makedirs(path)
    git(path, "init", "-q")
    git(path, "config", "gc.auto", "0")
    git(path, "config", "core.fsync", "none")  # the disk's time is nobody's here
    for c in range(commits):
        for k in range(6):
            n = (c * 13 + k * 7) % files
            with open(os.path.join(path, f"file{n}"), "w", encoding="ascii") as f:
                f.writelines(f"line {i} of {n}: {i * (n + 7) % 1009 if (i + c) % 11 else c}\n"
                             for i in range(200 + n * 3))
        git(path, "add", ".")
        git(path, "commit", "-qm", f"change {c}", commit=c)


def requests(path, n):
    """What a cache is asked, in the server's own protocol, 500 at once; the last of each is an echo."""
    def command(*words):
        words = [str(w).encode() for w in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)

    with open(path, "wb") as f:
        for i in range(n):
            key = i * 7919 % 20011
            f.write((command("SET", f"s:{key}", "v" * (20 + i * 31 % 400)),
                     command("HSET", f"h:{key % 997}", f"f{i % 211}", "w" * (i % 150)),
                     command("RPUSH", f"l:{key % 499}", "x" * (i % 90)),
                     command("APPEND", f"s:{key}", "more"),
                     command("GET", f"s:{i * 31 % 20011}"),
                     command("LPOP", f"l:{i * 13 % 499}"),
                     command("DEL", f"s:{i * 17 % 20011}"))[i % 7])
            if i % 500 == 499:
                f.write(command("ECHO", "the end"))


MAKE = {"input.c": lambda path: source(path, 45),
        "repository": lambda path: repository(path, 80, 50),
        "requests": lambda path: requests(path, 150000)}


def main():
    for name in sys.argv[2:]:
        MAKE[name](os.path.join(sys.argv[1], name))


main()
