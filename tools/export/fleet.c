/* fleet.c - see fleet.h. */
#include "fleet.h"

#include "label.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_uint alive;

struct asking {
	const struct fleet_wish *wish;
	struct fleet *fleet;
	uint64_t end_ms; /* nobody is asked from then on */
	atomic_size_t next;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t fleet_now_ms(void)
{
	return now_us() / 1000;
}

unsigned fleets_alive(void)
{
	return atomic_load(&alive);
}

/* ---- one process ---- */

static int by_path(const void *a, const void *b, void *arg)
{
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	const struct rows *rows = arg;
	int order = strcmp(rows->row[i].path, rows->row[j].path);

	return order ? order : (i > j) - (i < j);
}

/* A group may have been removed and made again while rows were put together. */
static bool mark_same(struct rows *rows)
{
	size_t *order = calloc(rows->n + 1, sizeof(*order));

	if (!order)
		return false;
	for (size_t i = 0; i < rows->n; i++)
		order[i] = i;
	qsort_r(order, rows->n, sizeof(*order), by_path, rows);
	for (size_t i = 1, first = 0; i < rows->n; i++) {
		struct row *row = &rows->row[order[i]];

		if (strcmp(row->path, rows->row[order[first]].path))
			first = i;
		else
			row->path = NULL;
	}
	free(order);
	return true;
}

/* Beside a sum over several processes they would be divided by; each process has its own. */
static void drop_limits_of_each(struct row *row)
{
	if (row->each > 1)
		row->max = row->high = SOURCE_UNKNOWN;
}

void member_settle(struct member *m)
{
	struct rows *rows = &m->rows;
	size_t kept = 0;

	label_clean(m->where);
	label_clean(m->comm);
	label_clean(m->version);
	for (size_t i = 0; i < rows->n; i++)
		label_clean(rows->text + (rows->row[i].path - rows->text));
	/* Without memory to compare them none is shown: twice the same is worse than nothing. */
	if (!mark_same(rows)) {
		rows->n = 0;
		m->up = 0;
	}
	for (size_t i = 0; i < rows->n; i++)
		if (rows->row[i].path)
			rows->row[kept++] = rows->row[i];
	rows->n = kept;
	for (size_t i = 0; i < rows->n; i++)
		drop_limits_of_each(&rows->row[i]);
}

static void note_who(struct member *m, const struct source_info *info)
{
	m->pid = info->pid;
	if (info->comm[0])
		snprintf(m->comm, sizeof(m->comm), "%s", info->comm);
	snprintf(m->version, sizeof(m->version), "%s", info->version);
}

/* One that was found is that process or nobody; where a user named a path, whoever is there. */
static struct source *open_member(const struct member *m, char *why, size_t size)
{
	struct source_info info = {.pid = m->pid, .kind = m->kind};

	if (!m->found)
		return source_open(m->where, why, size);
	memcpy(info.where, m->where, sizeof(info.where));
	return source_open_found(&info, why, size);
}

static void ask(struct member *m, const struct fleet_wish *wish)
{
	uint64_t began = now_us();
	char why[512];
	struct source *s = open_member(m, why, sizeof(why));

	m->rows.most = wish->most;
	if (s) {
		note_who(m, source_info(s));
		m->up = !source_rows(s, "/", wish->depth, &m->rows);
		source_close(s);
	}
	m->asked_us = now_us() - began;
	if (!m->up)
		m->rows.n = m->rows.left_out = 0;
	member_settle(m);
	m->groups = m->up ? m->rows.n : SOURCE_UNKNOWN;
	m->left_out = m->up ? m->rows.left_out : SOURCE_UNKNOWN;
}

/* ---- all of them ---- */

static void *ask_some(void *arg)
{
	struct asking *a = arg;
	size_t i;

	while ((i = atomic_fetch_add(&a->next, 1)) < a->fleet->n) {
		struct member *m = &a->fleet->member[i];

		if (fleet_now_ms() < a->end_ms)
			ask(m, a->wish);
		else
			m->asked_us = m->groups = m->left_out = SOURCE_UNKNOWN;
	}
	return NULL;
}

/* This thread asks too, so none more is needed. */
static void ask_all(struct asking *a)
{
	pthread_t thread[FLEET_THREADS - 1];
	unsigned n = 0;

	while (n < FLEET_THREADS - 1 && n + 1 < a->fleet->n &&
	       !pthread_create(&thread[n], NULL, ask_some, a))
		n++;
	ask_some(a);
	while (n)
		pthread_join(thread[--n], NULL);
}

static bool name_members(struct fleet *f, char *const *targets)
{
	while (targets[f->n])
		f->n++;
	f->member = calloc(f->n, sizeof(*f->member));
	if (!f->member)
		return false;
	for (size_t i = 0; i < f->n; i++)
		snprintf(f->member[i].where, sizeof(f->member[i].where), "%s", targets[i]);
	return true;
}

static bool find_members(struct fleet *f)
{
	struct source_info *list;
	size_t n;

	if (source_find(false, &list, &n))
		return false;
	f->member = calloc(n + 1, sizeof(*f->member));
	for (size_t i = 0; f->member && i < n; i++) {
		struct member *m = &f->member[f->n++];

		memcpy(m->where, list[i].where, sizeof(m->where));
		memcpy(m->comm, list[i].comm, sizeof(m->comm));
		m->pid = list[i].pid;
		m->kind = list[i].kind;
		m->found = true;
	}
	free(list);
	return f->member;
}

/* A process that two targets name is there once. */
static void drop_same(struct fleet *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		bool same = false;

		for (size_t j = 0; j < kept; j++)
			same |= f->member[i].pid ? f->member[j].pid == f->member[i].pid
						 : !strcmp(f->member[j].where, f->member[i].where);
		if (same)
			rows_free(&f->member[i].rows);
		else
			f->member[kept++] = f->member[i];
	}
	f->n = kept;
}

struct fleet *fleet_ask(const struct fleet_wish *wish)
{
	struct fleet *f = calloc(1, sizeof(*f));
	struct asking a = {.wish = wish, .fleet = f};

	if (!f)
		return NULL;
	atomic_init(&f->refs, 1);
	atomic_fetch_add(&alive, 1);
	f->taken_ms = fleet_now_ms();
	a.end_ms = f->taken_ms + 2 * (uint64_t)wish->patience_ms;
	source_patience(wish->patience_ms);
	if (wish->targets && *wish->targets ? !name_members(f, wish->targets) : !find_members(f)) {
		fleet_put(f);
		return NULL;
	}
	ask_all(&a);
	drop_same(f);
	return f;
}

void fleet_get(struct fleet *f)
{
	atomic_fetch_add(&f->refs, 1);
}

void fleet_put(struct fleet *f)
{
	if (!f || atomic_fetch_sub(&f->refs, 1) > 1)
		return;
	for (size_t i = 0; i < f->n; i++)
		rows_free(&f->member[i].rows);
	free(f->member);
	free(f);
	atomic_fetch_sub(&alive, 1);
}
