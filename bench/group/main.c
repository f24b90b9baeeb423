/*
 * main.c - memcg-bench-group CASE MS ROUNDS, or =OPS: untimed, where a case has that (insn.sh)
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name; /* up to the '/' */
	void (*run)(const struct bench_time *t, const char *arg);
} cases[] = {
	{"charge", measure_charge},
	{"enter-leave", measure_enter_leave},
	{"current", measure_current},
	{"stat", measure_stat},
	{"create-destroy", measure_create_destroy},
	{"idle-group", measure_idle},
	{"owner", measure_owner},
	{"free-unaccounted", measure_free},
	{"handle", measure_handle},
	{"growth", measure_growth},
	{"groups", measure_goals},
	{"stack", measure_stack},
	{"limits", measure_limits},
	{"managed", measure_managed},
	{"zswap", measure_swap},
	{"move", measure_move},
	{"net", measure_net},
};

bool measure_named(const struct group_case *named, size_t n, const struct bench_time *t,
		   const char *arg)
{
	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(named[i].name);

		if (strncmp(arg, named[i].name, length))
			continue;
		named[i].run(t, arg + length);
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct bench_time t = {.ms = 8, .rounds = 5};
	size_t length;

	if (argc > 2 && argv[2][0] == '=')
		t.ops = strtoull(argv[2] + 1, NULL, 10);
	else if (argc > 3) {
		t.ms = (unsigned)strtoul(argv[2], NULL, 10);
		t.rounds = (unsigned)strtoul(argv[3], NULL, 10);
	}
	if (argc < 2 || !t.ms || !t.rounds || t.rounds > CHILD_ROUNDS_MAX) {
		fprintf(stderr, "usage: memcg-bench-group CASE [MS ROUNDS | =OPS]\n");
		return 2;
	}
	bench_pin(0);
	length = strcspn(argv[1], "/");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strlen(cases[i].name) == length && !memcmp(cases[i].name, argv[1], length)) {
			cases[i].run(&t, argv[1] + length + (argv[1][length] == '/'));
			return 0;
		}
	fprintf(stderr, "memcg-bench-group: no case is called '%s'\n", argv[1]);
	return 2;
}
