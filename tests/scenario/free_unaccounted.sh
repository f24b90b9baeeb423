#!/usr/bin/env bash
# free_unaccounted - what accounting costs who does not use it, on the free path, in instructions.
#
# The free of a page of nobody's is counted instruction by instruction, with src/page/put.c as it
# is and with a copy that does not ask for an owner: at most a load, a compare and a branch more. The
# free of an object of nobody's is held against that of an object in a slab that was charged whole,
# which asks for no owner: not one more.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
# shellcheck source=tests/scenario/compile.bash
. "$REPO/tests/scenario/compile.bash"

command -v python3 >/dev/null || {
	echo "no python3"
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Steps through what a child does between two breakpoints.
cat >"$work/count.c" <<'END'
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "alloc/alloc.h"

static void *object[4096];

static void free_page(void *p)
{
	memcg_page_put(p);
}

static void free_object(void *p)
{
	memcg_free(p);
}

/* The last of them is the one that is counted; those before it warm up what it will meet. */
static void measure(void (*give)(void *), unsigned n)
{
	unsigned i;

	for (i = n - 20; i < n - 1; i++)
		give(object[i]);
	__asm__ volatile("int3" ::: "memory");
	give(object[n - 1]);
	__asm__ volatile("int3" ::: "memory");
}

static unsigned pages(void)
{
	unsigned i;

	for (i = 0; i < 64; i++)
		object[i] = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0);
	return 64;
}

/* All in one slab that is of the sort wanted. */
static unsigned objects(bool own)
{
	unsigned n = 0;
	struct page *pg = NULL;

	if (!own && memcg_write(memcg_root(), "memory.accounting", "0", 1))
		_exit(1);
	for (unsigned i = 0; i < 4000 && n < 64; i++) {
		void *p = memcg_malloc(64);
		struct page *at = page_head(page_index(p));

		if (own ? !(at->slab.remote & SLAB_OWN) : page_owned(at))
			continue;
		n = at == pg ? n : 0;
		pg = at;
		object[n++] = p;
	}
	if (n < 64)
		_exit(1);
	return n;
}

static void child(const char *what)
{
	memcg_leave(memcg_get(memcg_create(NULL, "a")));
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(77);
	if (!strcmp(what, "page"))
		measure(free_page, pages());
	else
		measure(free_object, objects(!strcmp(what, "own")));
	_exit(0);
}

/* A breakpoint, not a step. */
static bool at_breakpoint(pid_t pid)
{
	siginfo_t info;

	return !ptrace(PTRACE_GETSIGINFO, pid, 0, &info) && info.si_code == SI_KERNEL;
}

int main(int argc, char **argv)
{
	unsigned long steps = 0;
	int status;
	pid_t pid = fork();

	(void)argc;
	if (!pid)
		child(argv[1]);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
	do {
		steps++;
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
		waitpid(pid, &status, 0);
	} while (WIFSTOPPED(status) && !at_breakpoint(pid));
	if (!WIFSTOPPED(status))
		return 1;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("%lu\n", steps);
	return 0;
}
END

# put.c with and without its question.
cp "$REPO/src/page/put.c" "$work/asks.c"
python3 - "$work" <<'END'
import sys
work = sys.argv[1]
text = open(work + "/asks.c").read()
asks = "\tif (page_owned(pg))\n\t\tpage_free_owned(pg);\n\telse\n\t\tpage_release(pg);\n"
assert text.count(asks) == 1, "page_free() asks in another way: teach this test"
open(work + "/asks-not.c", "w").write(text.replace(asks, "\tpage_release(pg);\n"))
END

compile_as_ours "$work/count"
for put in asks asks-not; do
	compile_as_ours "$work/$put"
	"${CC:-cc}" -o "$work/$put" "$work/count.o" "$work/$put.o" "$BUILD/libmemcg-all.a" -llz4 -pthread
done

count() { # PROGRAM WHAT
	local n status=0
	n=$(MEMCG_PCPU=portable "$work/$1" "$2") || status=$?
	[ "$status" -eq 0 ] || {
		echo "free_unaccounted: $1 $2 ended with $status" >&2
		exit "$status"
	}
	echo "$n"
}

at_most() { # WHAT COUNT LESS MOST
	echo "$1: $2 instructions, $3 without: $(($2 - $3)) more"
	[ $(($2 - $3)) -le "$4" ] && [ "$2" -ge 8 ] || {
		echo "free_unaccounted: that is more than $4"
		exit 1
	}
}

with=$(count asks page)
without=$(count asks-not page)
at_most "a page of nobody's" "$with" "$without" 3
bare=$(count asks bare)
own=$(count asks own)
at_most "an object of nobody's" "$bare" "$own" 0
