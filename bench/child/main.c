/*
 * main.c - memcg-bench-child CASE [MS ROUNDS | =OPS]
 *
 * One case in one process, under whatever malloc was preloaded: no state of one measurement
 * reaches the next. BENCH_EXPECT names the library that must answer malloc: ld.so only
 * warns when it cannot load one, and the figure would be glibc's under another name.
 */
#include "child.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name; /* up to the '/' */
	void (*run)(const struct bench_time *t, const char *arg);
} cases[] = {
	{"pair", object_pair},
	{"batch", object_batch},
	{"rndwin", object_rndwin},
	{"prodcons", threads_prodcons},
	{"two-groups", threads_two_groups},
	{"crowd", threads_crowd},
	{"short-threads", threads_short},
	{"chain", chain},
	{"server", server},
	{"realloc", resize},
	{"blocks", large_blocks},
	{"soak", soak},
	{"many", many},
	{"tenants", tenants},
};

static void expect_malloc_of(const char *library)
{
	void *symbol = dlsym(RTLD_DEFAULT, "malloc");
	Dl_info info = {0};

	if (symbol && dladdr(symbol, &info) && info.dli_fname && strstr(info.dli_fname, library))
		return;
	fprintf(stderr, "memcg-bench-child: malloc is that of %s, not of %s: is it built?\n",
		info.dli_fname ? info.dli_fname : "nobody", library);
	exit(CHILD_SKIPPED);
}

static struct bench_time time_of(int argc, char **argv)
{
	struct bench_time t = {.ms = 8, .rounds = 5};

	if (argc > 2 && argv[2][0] == '=')
		t.ops = strtoull(argv[2] + 1, NULL, 10);
	else if (argc > 3) {
		t.ms = (unsigned)strtoul(argv[2], NULL, 10);
		t.rounds = (unsigned)strtoul(argv[3], NULL, 10);
	}
	return t;
}

int main(int argc, char **argv)
{
	struct bench_time t = time_of(argc, argv);
	const char *expect = getenv("BENCH_EXPECT");
	size_t length;

	if (argc < 2 || !t.ms || !t.rounds || t.rounds > CHILD_ROUNDS_MAX) {
		fprintf(stderr, "usage: memcg-bench-child CASE [MS ROUNDS | =OPS]\n");
		return 2;
	}
	if (expect)
		expect_malloc_of(expect);
	bench_counting = t.ops;
	length = strcspn(argv[1], "/");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strlen(cases[i].name) == length && !memcmp(cases[i].name, argv[1], length)) {
			cases[i].run(&t, argv[1] + length + (argv[1][length] == '/'));
			fflush(stdout);
			_Exit(0);
		}
	fprintf(stderr, "memcg-bench-child: no case is called '%s'\n", argv[1]);
	return 2;
}
