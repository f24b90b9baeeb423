/*
 * main.c - what a refresh of memcg top costs: memcg-bench-top [GROUPS | -p TARGET]
 *
 * Of rows made here, GROUPS of them (10000), or read from a process. `read` is source_rows(): the
 * question, the process's answer, and the rows made of it; `model` is groups, rates, order and
 * lines; `draw` a screen of 120 columns and 40 lines. Least and median of 50, milliseconds:
 * the least is what it costs where nobody else wants the CPU.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top/view.h"

#define ROUNDS 50

enum part { PART_READ, PART_MODEL, PART_DRAW, PARTS };

static double spent[PARTS + 1][ROUNDS]; /* ms; the last is all of them */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A tenth of the groups below the root, nine below each; numbers that change the order each time.
 */
static void make_rows(struct rows *rows, size_t n, unsigned round)
{
	if (!rows->row) {
		rows->row = calloc(n, sizeof(*rows->row));
		rows->text = malloc(n * 32);
		if (!rows->row || !rows->text)
			abort();
	}
	rows->n = n;
	rows->taken = (uint64_t)(now_ms() * 1e6);
	for (size_t i = 0; i < n; i++) {
		struct row *r = &rows->row[i];
		char *path = rows->text + i * 32;

		if (i == 0)
			strcpy(path, "/");
		else if (i % 10 == 1)
			snprintf(path, 32, "/tenant-%zu", i);
		else
			snprintf(path, 32, "/tenant-%zu/%zu", i - (i - 1) % 10, i);
		r->path = path;
		r->name = i ? strrchr(path, '/') + 1 : path;
		r->id = i + 1;
		r->depth = i == 0 ? 0 : i % 10 == 1 ? 1 : 2;
		r->parent = i == 0 || i % 10 == 1 ? 0 : i - (i - 1) % 10;
		r->max = r->high = SOURCE_MAX;
		r->current = (i * 2654435761u + round * 40503u) % 1000003;
		r->pgfault = (uint64_t)round * i;
	}
}

static void read_rows(struct source *s, struct rows *rows, size_t n, unsigned round)
{
	if (!s) {
		make_rows(rows, n, round);
	} else if (source_rows(s, "/", UINT32_MAX, rows)) {
		fprintf(stderr, "memcg-bench-top: %s\n", source_why(s));
		exit(1);
	}
}

static void one_round(struct source *s, struct view *v, struct grid *g, struct rows *rows, size_t n,
		      unsigned round)
{
	double at[PARTS + 1];

	at[0] = now_ms();
	read_rows(s, rows, n, round);
	at[1] = now_ms();
	if (model_update(v->model, rows))
		abort();
	at[2] = now_ms();
	view_draw(v, g);
	at[3] = now_ms();
	for (int i = 0; i < PARTS; i++)
		spent[i][round] = at[i + 1] - at[i];
	spent[PARTS][round] = at[PARTS] - at[s ? 0 : 1];
}

static int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

static void print(const char *what, double *ms)
{
	qsort(ms, ROUNDS, sizeof(*ms), by_value);
	printf("%-6s %7.2f %7.2f\n", what, ms[0], ms[ROUNDS / 2]);
}

static struct source *target(const char *name)
{
	char why[512];
	struct source *s = source_open(name, why, sizeof(why));

	if (!s) {
		fprintf(stderr, "memcg-bench-top: %s\n", why);
		exit(1);
	}
	return s;
}

int main(int argc, char **argv)
{
	static const struct source_info info = {.comm = "bench"};
	struct rows rows[2] = {{0}};
	struct model m;
	struct grid g = {0};
	struct view v = {.model = &m, .info = &info, .delay = 1};
	bool process = argc > 2 && !strcmp(argv[1], "-p");
	size_t n = argc > 1 && !process ? strtoul(argv[1], NULL, 10) : 10000;
	struct source *s = process ? target(argv[2]) : NULL;

	if (!n) {
		fprintf(stderr, "usage: memcg-bench-top [GROUPS | -p TARGET]\n");
		return 2;
	}
	setlocale(LC_CTYPE, "");
	if (model_init(&m) || grid_resize(&g, 120, 40))
		return 1;
	for (unsigned i = 0; i < ROUNDS; i++)
		one_round(s, &v, &g, &rows[i & 1], n, i);
	printf("%zu groups, ms: least, median\n", m.n);
	if (s)
		print("read", spent[PART_READ]);
	print("model", spent[PART_MODEL]);
	print("draw", spent[PART_DRAW]);
	print("all", spent[PARTS]);
	return 0;
}
