/*
 * memcg-conformance [--list | NAME...] - the kernel's self-tests of its memory controller, for
 * groups in one process. A line for each row; the last is "N passed, N failed, N skipped".
 */
#include <stdio.h>
#include <string.h>

#include "row.h"

static unsigned passed, failed, skipped;

static void run(const struct row *row)
{
	char text[2048];

	if (!row->run) {
		skipped++;
		printf("SKIP %s: %s\n", row->name, row->why);
		return;
	}
	switch (row_run(row, text, sizeof(text))) {
	case ROW_PASSED:
		passed++;
		printf("ok   %s (%s)%s%s\n", row->name, row->from, *text ? ": " : "", text);
		break;
	case ROW_SKIPPED:
		skipped++;
		printf("SKIP %s: %s\n", row->name, text);
		break;
	case ROW_FAILED:
		failed++;
		printf("FAIL %s (%s): %s\n", row->name, row->from, text);
	}
	fflush(stdout);
}

static const struct row *row_named(const char *name)
{
	for (unsigned i = 0; i < row_count; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static int list(void)
{
	for (unsigned i = 0; i < row_count; i++)
		printf("%s\t%s\n", rows[i].name, rows[i].from);
	return 0;
}

static int check_names(char **names)
{
	for (; *names; names++)
		if (!row_named(*names)) {
			fprintf(stderr, "memcg-conformance: no row is called '%s'; see --list\n",
				*names);
			return 2;
		}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list();
	if (check_names(argv + 1))
		return 2;
	for (unsigned i = 0; argc == 1 && i < row_count; i++)
		run(&rows[i]);
	for (int i = 1; i < argc; i++)
		run(row_named(argv[i]));
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed != 0;
}
