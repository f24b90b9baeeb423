/*
 * web_chart.c - lines that need no script: one chart of all processes together, and a small one
 * for each group. They show the highest value of each point; a sum over processes takes their
 * values at the point's end, because peaks of several are not of one moment.
 */
#include "quote.h"
#include "size.h"
#include "web.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH	960
#define HEIGHT	280
#define LEFT	70
#define BOTTOM	24
#define TOP	12
#define RIGHT	10
#define SPARK_W 120
#define SPARK_H 22

/* ---- scale ---- */

struct scale {
	uint64_t top;  /* bytes at the upper edge */
	uint64_t tick; /* between two lines */
	uint32_t points;
};

/* Four to eight lines, at powers of two: what people know of memory. */
static struct scale scale_for(uint64_t highest, uint32_t points)
{
	struct scale s = {.tick = 1024, .points = points};

	while (s.tick < highest / 4 && s.tick < UINT64_C(1) << 60)
		s.tick *= 2;
	s.top = (highest / s.tick + 1) * s.tick;
	return s;
}

/* Where a point begins; the one before it ends there. */
static double x_of(const struct scale *s, uint32_t point)
{
	return LEFT + (double)(WIDTH - LEFT - RIGHT) * point / s->points;
}

static double y_of(const struct scale *s, uint64_t bytes)
{
	return HEIGHT - BOTTOM - (double)(HEIGHT - BOTTOM - TOP) * (double)bytes / (double)s->top;
}

/* ---- the whole ---- */

struct whole {
	uint64_t *usage, *resident; /* of each point */
	uint64_t limit;		    /* ACCOUNT_NONE: none, or of several processes */
	uint64_t highest;
};

static void add_up(uint64_t *sum, const struct series *s, bool spikes)
{
	for (uint32_t i = 0; s && i < s->n; i++)
		sum[s->first + i] += spikes ? s->cell[i].max : s->cell[i].last;
}

static bool whole_of(const struct account *a, struct whole *w)
{
	size_t recorded = 0;

	*w = (struct whole){.limit = ACCOUNT_NONE};
	w->usage = calloc(a->time->points, sizeof(*w->usage));
	w->resident = calloc(a->time->points, sizeof(*w->resident));
	if (!w->usage || !w->resident)
		return false;
	for (size_t i = 0; i < a->nr_processes; i++) {
		add_up(w->usage, a->processes[i].groups[0].series, a->nr_processes == 1);
		add_up(w->resident, a->processes[i].resident, false);
		recorded += !!a->processes[i].groups[0].series;
	}
	if (recorded == 1 && a->nr_processes == 1)
		w->limit = a->processes[0].groups[0].max;
	for (uint32_t i = 0; i < a->time->points; i++) {
		w->highest = w->usage[i] > w->highest ? w->usage[i] : w->highest;
		w->highest = w->resident[i] > w->highest ? w->resident[i] : w->highest;
	}
	return true;
}

/* A limit far above what was used would press everything to the ground. */
static bool shows_limit(const struct whole *w)
{
	return w->limit != ACCOUNT_NONE && w->limit / 3 <= w->highest;
}

static void grid(FILE *to, const struct scale *s, uint64_t elapsed)
{
	char text[SIZE_TEXT];

	for (uint64_t v = 0; v <= s->top; v += s->tick) {
		fprintf(to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y_of(s, v),
			WIDTH - RIGHT);
		fprintf(to,
			"<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			LEFT - 6, y_of(s, v) + 4, size_human(v, text));
	}
	for (int i = 0; i <= 4; i++) {
		fprintf(to, "<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"%s\">",
			LEFT + (WIDTH - LEFT - RIGHT) * i / 4, HEIGHT - 6,
			i == 4 ? "end" : "middle");
		web_time(to, elapsed * (unsigned)i / 4);
		fputs("</text>\n", to);
	}
}

/* Where nobody lives there is no line, instead of a fall to 0. */
static void line(FILE *to, const char *class, const struct scale *s, const uint64_t *v)
{
	fprintf(to, "<path class=\"%s\" d=\"", class);
	for (uint32_t i = 0; i < s->points; i++) {
		if (v[i] && !(i && v[i - 1]))
			fprintf(to, "M%.1f %.1f", x_of(s, i), y_of(s, v[i]));
		if (v[i])
			fprintf(to, "L%.1f %.1f", x_of(s, i + 1), y_of(s, v[i]));
	}
	fputs("\"/>\n", to);
}

static void area(FILE *to, const struct scale *s, const uint64_t *v)
{
	fprintf(to, "<path class=\"usage-area\" d=\"M%.1f %.1fL%.1f %.1f", x_of(s, 0), y_of(s, 0),
		x_of(s, 0), y_of(s, v[0]));
	for (uint32_t i = 0; i < s->points; i++)
		fprintf(to, "L%.1f %.1f", x_of(s, i + 1), y_of(s, v[i]));
	fprintf(to, "L%.1f %.1fZ\"/>\n", x_of(s, s->points), y_of(s, 0));
}

static void draw(FILE *to, const struct account *a, const struct whole *w)
{
	bool limit = shows_limit(w);
	uint64_t highest = limit && w->limit > w->highest ? w->limit : w->highest;
	struct scale s = scale_for(highest, a->time->points);

	fprintf(to,
		"<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Memory over time: usage%s and "
		"resident memory of all processes\">\n",
		WIDTH, HEIGHT, limit ? ", limit" : "");
	grid(to, &s, a->elapsed);
	area(to, &s, w->usage);
	line(to, "usage", &s, w->usage);
	line(to, "resident", &s, w->resident);
	if (limit)
		fprintf(to, "<path class=\"limit\" d=\"M%d %.1fH%d\"/>\n", LEFT, y_of(&s, w->limit),
			WIDTH - RIGHT);
	fputs("</svg>\n<p class=\"legend\"><span><span class=\"key usage\"></span>usage</span>"
	      "<span><span class=\"key resident\"></span>resident</span>",
	      to);
	fputs(limit ? "<span><span class=\"key limit\"></span>limit</span></p>\n" : "</p>\n", to);
}

void web_chart(FILE *to, const struct account *a)
{
	struct whole w;

	if (!a->time)
		return;
	if (whole_of(a, &w) && w.highest)
		draw(to, a, &w);
	else
		fputs("<p>It ended before there was anything to see.</p>\n", to);
	free(w.usage);
	free(w.resident);
}

/* ---- in a table ---- */

static uint64_t highest_of(const struct series *s)
{
	uint64_t highest = 1;

	for (uint32_t i = 0; i < s->n; i++)
		highest = s->cell[i].max > highest ? s->cell[i].max : highest;
	return highest;
}

/* The highest of the points that share a column. */
static uint64_t column(const struct timeline *t, const struct series *s, unsigned x)
{
	uint32_t from = x * t->points / SPARK_W, to = (x + 1) * t->points / SPARK_W;
	uint64_t highest = 0;

	for (uint32_t i = from; i < to || i == from; i++) {
		const struct cell *c = series_at(s, i);

		if (c && c->max > highest)
			highest = c->max;
	}
	return highest;
}

void web_spark(FILE *to, const struct timeline *t, const struct series *s)
{
	double scale;

	if (!t || !s || !s->n)
		return;
	scale = (SPARK_H - 2) / (double)highest_of(s);
	fprintf(to,
		"<svg class=\"spark\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		"aria-hidden=\"true\"><path d=\"M0 %d",
		SPARK_W, SPARK_H, SPARK_W, SPARK_H, SPARK_H);
	for (unsigned x = 0; x < SPARK_W; x++)
		fprintf(to, "L%u %.1f", x, SPARK_H - (double)column(t, s, x) * scale);
	fprintf(to, "L%d %dZ\"/></svg>", SPARK_W - 1, SPARK_H);
}
