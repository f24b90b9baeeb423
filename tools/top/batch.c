/* batch.c - see batch.h. */
#include "batch.h"

#include "column.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define STATUS_OURS 125
#define RANK_MOST   9 /* columns beyond it are JSON's */

/* ---- tables ---- */

static void print_glyphs(FILE *out, const char *text)
{
	struct glyph g;
	char bytes[4];

	while (text_glyph(&text, false, &g))
		for (const wchar_t *ch = g.ch; *ch; ch++)
			fwrite(bytes, 1, text_encode(*ch, bytes), out);
}

static int width_of(const struct column *c, const struct model *m)
{
	return c->kind == COLUMN_BAR ? 6 : column_width(c, m);
}

static void print_headings(FILE *out, const struct model *m)
{
	for (unsigned i = 0; i < nr_columns; i++)
		if (columns[i].kind == COLUMN_BAR)
			fprintf(out, "%6s ", "USE%");
		else if (columns[i].kind != COLUMN_NAME && columns[i].rank <= RANK_MOST)
			fprintf(out, "%*s ", width_of(&columns[i], m), columns[i].heading);
	fprintf(out, "GROUP\n");
}

static void print_line(FILE *out, const struct model *m, const struct group *g)
{
	char text[NUMBER_TEXT];

	for (unsigned i = 0; i < nr_columns; i++) {
		const struct column *c = &columns[i];

		if (c->kind == COLUMN_NAME || c->rank > RANK_MOST)
			continue;
		fprintf(out, "%*s ", width_of(c, m), column_text(c, g, text));
	}
	print_glyphs(out, g->path);
	fputc('\n', out);
}

void batch_table(FILE *out, const struct model *m, const struct source_info *info, const char *when)
{
	fprintf(out, "# %s ", when);
	print_glyphs(out, info->comm);
	fprintf(out, " %d\n", (int)info->pid);
	print_headings(out, m);
	for (size_t i = 0; i < m->lines; i++)
		print_line(out, m, m->line[i]);
}

/* ---- JSON ---- */

/* Bytes that are no UTF-8 become U+FFFD: JSON has no others. */
static void print_string(FILE *out, const char *text)
{
	char bytes[4];

	fputc('"', out);
	while (*text) {
		long ch = text_decode(&text);

		if (ch == '"' || ch == '\\')
			fprintf(out, "\\%c", (char)ch);
		else if (ch >= 0 && (ch < 0x20 || ch == 0x7f))
			fprintf(out, "\\u%04lx", ch);
		else
			fwrite(bytes, 1, text_encode(ch < 0 ? 0xfffd : ch, bytes), out);
	}
	fputc('"', out);
}

static void print_field(FILE *out, const char *name, uint64_t value)
{
	if (value == SOURCE_UNKNOWN)
		fprintf(out, ",\"%s\":null", name);
	else if (value == SOURCE_MAX)
		fprintf(out, ",\"%s\":\"max\"", name);
	else
		fprintf(out, ",\"%s\":%" PRIu64, name, value);
}

static void print_rate(FILE *out, const char *name, double value)
{
	if (isfinite(value))
		fprintf(out, ",\"%s\":%.3f", name, value);
	else
		fprintf(out, ",\"%s\":null", name);
}

static void print_object(FILE *out, const struct group *g, const struct source_info *info,
			 double when)
{
	fprintf(out, "{\"time\":%.3f,\"pid\":%d,\"path\":", when, (int)info->pid);
	print_string(out, g->path);
	print_field(out, "id", g->row->id);
#define PRINT_FIELD(name) print_field(out, #name, g->row->name);
	SOURCE_FIELDS(PRINT_FIELD)
#undef PRINT_FIELD
	if (g->row->each) {
		print_field(out, "each", g->row->each);
		print_field(out, "fullest", g->row->fullest);
	}
	print_rate(out, "use_percent", g->use / 100);
	print_rate(out, "growth_per_s", g->growth);
	print_rate(out, "faults_per_s", g->faults);
	print_rate(out, "refusals_per_s", g->refusals);
	fprintf(out, "}\n");
}

void batch_json(FILE *out, const struct model *m, const struct source_info *info, double when)
{
	for (size_t i = 0; i < m->lines; i++)
		print_object(out, m->line[i], info, when);
}

/* ---- rounds ---- */

static double clock_s(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int print(const struct model *m, const struct source_info *info, const struct options *o,
		 unsigned long round)
{
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%FT%T", localtime_r(&now, &tm));
	if (o->json)
		batch_json(stdout, m, info, clock_s(CLOCK_REALTIME));
	else {
		if (round)
			fputc('\n', stdout);
		batch_table(stdout, m, info, when);
	}
	return fflush(stdout) ? -errno : 0;
}

/* The end of the process ends the wait. */
static void wait_for(struct source *s, double when)
{
	struct pollfd fd = {.fd = source_fd(s), .events = POLLRDHUP};
	double left;

	while ((left = when - clock_s(CLOCK_MONOTONIC)) > 0)
		if (poll(&fd, 1, (int)(left * 1000) + 1) > 0)
			return;
}

static int fail(struct source *s, int err, unsigned long round)
{
	const struct source_info *info = source_info(s);

	/* What was asked for until the end has been printed. */
	if (err == -EPIPE && round) {
		fprintf(stderr, "memcg top: %s (%d) has ended\n", info->comm, (int)info->pid);
		return 0;
	}
	fprintf(stderr, "memcg top: %s\n", source_why(s));
	return STATUS_OURS;
}

/* Rows belong to the model until the next ones do: two sets in turn. */
static int rounds(struct source *s, const struct options *o, struct model *m, struct rows rows[2])
{
	double when = clock_s(CLOCK_MONOTONIC);

	for (unsigned long round = 0; !o->rounds || round < o->rounds; round++) {
		int err;

		if (round)
			wait_for(s, when += o->delay);
		err = source_rows(s, "/", UINT32_MAX, &rows[round & 1]);
		if (err)
			return fail(s, err, round);
		err = model_update(m, &rows[round & 1]);
		if (!err)
			err = print(m, source_info(s), o, round);
		if (err) {
			fprintf(stderr, "memcg top: %s\n", strerror(-err));
			return STATUS_OURS;
		}
	}
	return 0;
}

int batch_run(struct source *s, const struct options *o)
{
	struct rows rows[2] = {{0}};
	struct model m;
	int status = STATUS_OURS;

	if (!model_init(&m)) {
		m.sort = o->sort;
		m.reversed = o->reversed;
		m.flat = o->flat;
		status = rounds(s, o, &m, rows);
	}
	model_exit(&m);
	rows_free(&rows[0]);
	rows_free(&rows[1]);
	return status;
}
