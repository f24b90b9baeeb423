# check_common.bash - for the check_*.sh scenarios: a program with several groups that waits to be looked at.
# shellcheck shell=bash
set -eu
# shellcheck source=tests/scenario/eventually.bash
. "$REPO/tests/scenario/eventually.bash"
scenario=$(basename "$0" .sh)
work=$(mktemp -d)
started=()
# Invoked by the trap below.
# shellcheck disable=SC2317
finish() {
	local pid
	for pid in "${started[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap finish EXIT
cd "$work"

fail() {
	echo "$scenario: $*" >&2
	exit 1
}

# check WANTED_STATUS ARGUMENTS: output in out and err.
check() {
	local wanted=$1 got=0
	shift
	"$BUILD/memcg" check "$@" >out 2>err || got=$?
	[ "$got" -eq "$wanted" ] || {
		cat out err >&2
		fail "memcg check $* ended with $got, not $wanted"
	}
}

has() {
	grep -q -- "$2" "$1" || {
		cat "$1" >&2
		fail "no line like: $2"
	}
}

one_line() {
	[ "$(wc -l <err)" -eq 1 ] || {
		cat err >&2
		fail "not one line on standard error"
	}
}

# start MODE: runs the program below; its number in $pid once it is ready.
start() {
	rm -f ready
	mkfifo ready
	./tenants "$1" >ready &
	pid=$!
	started+=("$pid")
	read -r line <ready || fail "tenants $1 died"
	[ "$line" = ready ] || fail "tenants $1 says $line"
}

cat >tenants.c <<'END'
/* Groups with objects of all sizes, some owned by groups that are gone; then waits, or goes on. */
#include <memcg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page/desc.h"

#define OBJECTS 6000

static struct memcg *web, *query, *gone;
static void *object[OBJECTS];

static size_t size_of(unsigned i)
{
	return i % 500 == 0 ? 200000 : i % 50 == 0 ? 5000 : 16 + i * 7 % 600;
}

static void fill(struct memcg *cg, unsigned from, unsigned to)
{
	struct memcg *before = memcg_enter(cg);

	for (unsigned i = from; i < to; i++)
		object[i] = i % 31 ? memcg_malloc(size_of(i))
				   : memcg_alloc(NULL, size_of(i), 0, MEMCG_UNACCOUNTED);
	memcg_leave(before);
}

static void *other(void *arg)
{
	fill(arg, 4000, OBJECTS);
	for (unsigned i = 0; i < OBJECTS; i += 3) {
		memcg_free(object[i]);
		object[i] = NULL;
	}
	return NULL;
}

static void *busy(void *arg)
{
	struct memcg *before = memcg_enter(arg);

	for (unsigned i = 0;; i++) {
		void *p = memcg_malloc(size_of(i));

		memset(p, 1, 16);
		memcg_free(p);
	}
	memcg_leave(before);
}

/* Some stay, some are kept for the next one; guards lie between slabs. */
static void make_stacks(void)
{
	struct memcg *before = memcg_enter(query);

	for (unsigned i = 0; i < 40; i++) {
		char *base = memcg_stack_alloc(i % 3 ? 16384 : 1000);

		if (!base)
			abort();
		memset(base, 1, 1000);
		if (i % 4 == 0)
			memcg_stack_free(base);
		if (!memcg_malloc(size_of(i)))
			abort();
	}
	memcg_leave(before);
}

static void make(void)
{
	pthread_t thread;

	web = memcg_create(NULL, "web");
	query = memcg_create(web, "query-7");
	gone = memcg_create(query, "gone");
	fill(web, 0, 2000);
	fill(gone, 2000, 4000);
	pthread_create(&thread, NULL, other, query);
	pthread_join(thread, NULL);
	for (unsigned i = 1; i < OBJECTS; i += 40)
		if (object[i] && memcg_owner_id(object[i]))
			memcg_recharge(object[i], web);
	if (!memcg_charge(query, 54321))
		abort();
	make_stacks();
	memcg_destroy(gone);
}

/* The owner word, first in the descriptor, of a large block of /web says /web/query-7 from now on. */
static void seed(void)
{
	void *mine = memcg_malloc_in(web, 300000), *theirs = memcg_malloc_in(query, 400000);

	memcpy(page_at(page_index(mine)), page_at(page_index(theirs)), sizeof(uint64_t));
}

int main(int argc, char **argv)
{
	pthread_t thread;

	make();
	if (argc > 1 && !strcmp(argv[1], "seeded"))
		seed();
	if (argc > 1 && !strcmp(argv[1], "busy")) {
		pthread_create(&thread, NULL, busy, web);
		pthread_create(&thread, NULL, busy, query);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
END
gcc -std=gnu17 -O1 -fPIC -D_GNU_SOURCE -fno-strict-aliasing -I"$REPO/include" -I"$REPO/src" tenants.c \
	-L"$BUILD" -lmemcg -Wl,-rpath,"$BUILD" -pthread -o tenants || fail "cannot compile the program"
