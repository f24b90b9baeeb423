/*
 * run_files.c - files of a run's groups, made from slots in the formats of memcg-files(5).
 *
 * A slot has few numbers, so there are few files, and what is not known is left out of them: in
 * memory.events a refused charge is one that met the max and found nothing to reclaim.
 * `comm` and `command` are a process's, and no files of a group elsewhere.
 */
#include "run.h"
#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <memcg/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct numbers {
	uint64_t current, peak, max, high, refused, cached, metadata, maps;
};

struct run_file {
	const char *name;
	unsigned kinds; /* a bit for each enum place_kind */
	void (*show)(FILE *to, const struct numbers *n, const struct process_view *p);
};

#define ALL	  (1u << PLACE_RUN | 1u << PLACE_PROCESS | 1u << PLACE_GROUP)
#define PROCESSES (1u << PLACE_RUN | 1u << PLACE_PROCESS)

static void show_limit(FILE *to, uint64_t limit)
{
	char text[SIZE_TEXT];

	fprintf(to, "%s\n", size_exact(limit, text));
}

static void show_current(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)p;
	fprintf(to, "%" PRIu64 "\n", n->current);
}

static void show_peak(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)p;
	fprintf(to, "%" PRIu64 "\n", n->peak);
}

static void show_max(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)p;
	show_limit(to, n->max);
}

static void show_high(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)p;
	show_limit(to, n->high);
}

static void show_events(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)p;
	fprintf(to, "max %" PRIu64 "\noom %" PRIu64 "\n", n->refused, n->refused);
}

static void show_stat(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)p;
	fprintf(to,
		"maps %" PRIu64 "\ncached %" PRIu64 "\nmetadata %" PRIu64
		"\ncharge_refused %" PRIu64 "\n",
		n->maps, n->cached, n->metadata, n->refused);
}

static void show_comm(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)n;
	fprintf(to, "%s\n", p->comm);
}

static void show_command(FILE *to, const struct numbers *n, const struct process_view *p)
{
	(void)n;
	fprintf(to, "%s\n", p->command);
}

static const struct run_file run_table[] = {
	{"memory.current", ALL, show_current},
	{"memory.peak", ALL, show_peak},
	{"memory.max", ALL, show_max},
	{"memory.high", PROCESSES, show_high},
	{"memory.events", ALL, show_events},
	{"memory.stat", PROCESSES, show_stat},
	{"comm", 1u << PLACE_PROCESS, show_comm},
	{"command", 1u << PLACE_PROCESS, show_command},
};

#define NR_FILES (sizeof(run_table) / sizeof(run_table[0]))

static const struct run_file *find_file(const struct place *at, const char *name)
{
	for (size_t i = 0; i < NR_FILES; i++)
		if (!strcmp(run_table[i].name, name) && (run_table[i].kinds & (1u << at->kind)))
			return &run_table[i];
	return NULL;
}

static bool is_about_process(const char *file)
{
	return !strcmp(file, "comm") || !strcmp(file, "command");
}

/* ---- reading ---- */

static void numbers_of_run(struct run *r, struct numbers *n)
{
	struct run_totals t;

	run_totals(r, &t);
	*n = (struct numbers){.current = t.current,
			      .peak = t.peak,
			      .max = atomic_load(&r->slots.header->max),
			      .high = atomic_load(&r->slots.header->high),
			      .refused = t.refused,
			      .cached = t.cached,
			      .metadata = t.metadata,
			      .maps = t.maps};
}

static void numbers_of(struct run *r, const struct place *at, struct numbers *n)
{
	const struct slot_view *v = &at->process.view;

	if (at->kind == PLACE_RUN)
		numbers_of_run(r, n);
	else if (at->kind == PLACE_PROCESS)
		*n = (struct numbers){v->current,  v->peak,   v->max,	   v->high,
				      v->refusals, v->cached, v->metadata, v->maps};
	else
		*n = (struct numbers){.current = at->row->current,
				      .peak = at->row->peak,
				      .max = at->row->max,
				      .refused = at->row->refusals};
}

static int no_file(struct run *r, const char *path, const char *file)
{
	return source_fail(
		&r->base, -EOPNOTSUPP,
		"%s of %s: of an unmodified program little can be seen from outside; all "
		"of it when it was started by memcg run --control",
		file, path);
}

static ssize_t show(const struct run_file *f, const struct numbers *n, const struct process_view *p,
		    char *buf, size_t size)
{
	char text[1024];
	FILE *to = fmemopen(text, sizeof(text), "w");
	long length;

	if (!to)
		return -ENOMEM;
	f->show(to, n, p);
	length = ftell(to);
	fclose(to);
	if (length < 0 || (size_t)length >= size)
		return -ERANGE;
	memcpy(buf, text, (size_t)length);
	buf[length] = '\0';
	return length;
}

ssize_t run_read(struct source *s, const char *path, const char *file, char *buf, size_t size)
{
	struct run *r = (struct run *)s;
	const struct run_file *f;
	struct numbers n;
	struct place at;
	ssize_t got = run_place(r, path, &at);

	if (got)
		return got;
	if (at.peer && !(is_about_process(file) && !strcmp(at.rest, "/"))) {
		got = source_read(at.peer, at.rest, file, buf, size);
		return got < 0 ? source_fail(s, (int)got, "%s", source_why(at.peer)) : got;
	}
	f = find_file(&at, file);
	if (!f)
		return no_file(r, path, file);
	numbers_of(r, &at, &n);
	return show(f, &n, &at.process, buf, size);
}

static bool is_writable(const struct place *at, const char *file)
{
	return at->kind == PLACE_RUN &&
	       (!strcmp(file, "memory.max") || !strcmp(file, "memory.high"));
}

static void add_file(struct source_file *to, const char *name, bool writable)
{
	*to = (struct source_file){.readable = true, .writable = writable};
	snprintf(to->name, sizeof(to->name), "%s", name);
	to->tells = !strcmp(name, "memory.events");
}

/* What the process has, and what is known of it besides. */
static int files_of_peer(struct run *r, const struct place *at, struct source_file **list,
			 size_t *n)
{
	struct source_file *grown;
	int err = source_files(at->peer, at->rest, list, n);

	if (err)
		return source_fail(&r->base, err, "%s", source_why(at->peer));
	if (strcmp(at->rest, "/"))
		return 0;
	grown = realloc(*list, (*n + 2) * sizeof(*grown));
	if (!grown)
		return 0;
	*list = grown;
	add_file(&grown[(*n)++], "comm", false);
	add_file(&grown[(*n)++], "command", false);
	return 0;
}

int run_files(struct source *s, const char *path, struct source_file **list, size_t *n)
{
	struct run *r = (struct run *)s;
	struct place at;
	int err = run_place(r, path, &at);

	if (err)
		return err;
	if (at.peer)
		return files_of_peer(r, &at, list, n);
	*n = 0;
	*list = calloc(NR_FILES, sizeof(**list));
	if (!*list)
		return source_fail(s, -ENOMEM, "no memory");
	for (size_t i = 0; i < NR_FILES; i++)
		if (run_table[i].kinds & (1u << at.kind))
			add_file(&(*list)[(*n)++], run_table[i].name,
				 is_writable(&at, run_table[i].name));
	return 0;
}

/* ---- writing ---- */

/* As the library rounds it. */
static bool parse_limit(const char *text, uint64_t *limit)
{
	char word[64];
	size_t length = strcspn(text += strspn(text, " \t\n"), " \t\n");

	if (length >= sizeof(word) || text[length + strspn(text + length, " \t\n")])
		return false;
	memcpy(word, text, length);
	word[length] = '\0';
	if (!size_from_text(word, limit))
		return false;
	if (*limit >= (1ull << 63) - 4096)
		*limit = MEMCG_UNLIMITED;
	if (*limit != MEMCG_UNLIMITED)
		*limit &= ~4095ull;
	return true;
}

/* Processes look at the header at every refill of a stock. */
static int set_limit(struct run *r, const char *file, const char *text)
{
	uint64_t limit,
		*to = !strcmp(file, "memory.max") ? &r->slots.header->max : &r->slots.header->high;

	if (!parse_limit(text, &limit))
		return source_fail(&r->base, -EINVAL,
				   "%s: '%s' is not a size (want bytes, or a number with K, M, G "
				   "or T, or max)",
				   file, text);
	atomic_store_release(to, limit);
	return 0;
}

static int not_here(struct run *r, const char *path, const char *file)
{
	if (!strcmp(file, "memory.max") || !strcmp(file, "memory.high"))
		return source_fail(&r->base, -EOPNOTSUPP,
				   "%s of %s: limits of memcg run hold for each of its processes "
				   "and are set at / of process %d; for one of them, or a group, "
				   "start it with memcg run --control",
				   file, path, (int)r->slots.pid);
	return source_fail(&r->base, -EOPNOTSUPP,
			   "%s of %s cannot be written: start the program with memcg run --control",
			   file, path);
}

int run_write(struct source *s, const char *path, const char *file, const char *text)
{
	struct run *r = (struct run *)s;
	struct place at;
	int err = run_place(r, path, &at);

	if (err)
		return err;
	if (at.peer) {
		err = source_write(at.peer, at.rest, file, text);
		return err ? source_fail(s, err, "%s", source_why(at.peer)) : 0;
	}
	return is_writable(&at, file) ? set_limit(r, file, text) : not_here(r, path, file);
}
