/* print.c - see print.h. Lines are made on the stack; what does not fit is cut. */
#include "ctl/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_MIN 16
#define NAME_MAX 48 /* longer ones push their line's columns to the right */

void print_text(struct print *p, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		p->write(p->arg, line, MIN((size_t)n, sizeof(line) - 1));
}

const char *print_size(u64 bytes, char buf[PRINT_SIZE])
{
	static const char unit[] = "KMGTPE";
	unsigned i = 0, tenths;
	u64 one = 1024;

	if (bytes == MEMCG_UNLIMITED) {
		snprintf(buf, PRINT_SIZE, "max");
		return buf;
	}
	if (bytes < 1024) {
		snprintf(buf, PRINT_SIZE, "%lu", (unsigned long)bytes);
		return buf;
	}
	while (i < 5 && bytes / one >= 1024) {
		one *= 1024;
		i++;
	}
	tenths = (unsigned)(bytes % one / (one / 1024) * 10 / 1024);
	if (tenths && bytes / one < 100)
		snprintf(buf, PRINT_SIZE, "%lu.%u%c", (unsigned long)(bytes / one), tenths,
			 unit[i]);
	else
		snprintf(buf, PRINT_SIZE, "%lu%c", (unsigned long)(bytes / one), unit[i]);
	return buf;
}

/* --- the tree --------------------------------------------------------------- */

static int name_width(struct walk *w, u32 top, u32 end)
{
	u32 i, width = NAME_MIN;

	for (i = top; i < end; i++)
		width = MAX(width,
			    (w->group[i].depth - w->group[top].depth) * 2 + w->group[i].name_len);
	return (int)MIN(width, (u32)NAME_MAX);
}

/* By the counters: what is left when children, and the root's own lines, are taken off. */
static u64 own_bytes(const struct walk *w, u32 i)
{
	const struct walk_group *g = &w->group[i];
	u64 others = g->below + (i ? 0 : w->metadata);

	return g->usage > others ? g->usage - others : 0;
}

static void print_group(struct print *p, struct walk *w, u32 i, u32 depth, int width)
{
	const struct walk_group *g = &w->group[i];
	char name[256], current[PRINT_SIZE], peak[PRINT_SIZE], max[PRINT_SIZE];
	int indent = (int)MIN(depth * 2, (u32)NAME_MAX);
	u64 usage = g->usage + (i ? 0 : w->cached + w->env->kept);

	print_size(usage, current);
	/* As memory.peak: what the root answers for without a charge raises no counter's peak. */
	print_size(MAX(g->peak, usage), peak);
	print_size(g->max, max);
	print_text(p, "%*s%-*s %9s %9s %9s %9lu %9lu %15lu\n", indent, "", MAX(width - indent, 0),
		   walk_name(w, i, name), current, peak, max, (unsigned long)g->refusals,
		   (unsigned long)g->max_hits, (unsigned long)own_bytes(w, i));
}

void print_tree(struct print *p, struct walk *w, u32 top)
{
	u32 end = walk_end(w, top), i;
	int width = name_width(w, top, end);

	print_text(p, "%-*s %9s %9s %9s %9s %9s %15s\n", width, "group", "current", "peak", "max",
		   "refusals", "at max", "own bytes");
	for (i = top; i < end; i++)
		print_group(p, w, i, w->group[i].depth - w->group[top].depth, width);
}

/* --- the lines ---------------------------------------------------------------- */

static void print_line(struct print *p, const char *what, u64 bytes)
{
	char human[PRINT_SIZE];

	print_text(p, "%-14s %15lu %9s\n", what, (unsigned long)bytes, print_size(bytes, human));
}

static void print_if(struct print *p, const char *what, u64 bytes)
{
	if (bytes)
		print_line(p, what, bytes);
}

/* In use and nobody's: bytes of objects; pages that hold nothing else. */
static void print_unaccounted(struct print *p, const struct recount_result *r)
{
	char human[PRINT_SIZE];

	print_text(p, "%-14s %15lu %9s   %lu pages\n", "unaccounted", (unsigned long)r->unaccounted,
		   print_size(r->unaccounted, human), (unsigned long)r->unaccounted_pages);
}

/* What pools have in memory. */
static void print_pools(struct print *p, const struct recount_result *r)
{
	u64 bytes = (r->net_out + r->net_free) << PAGE_SHIFT;
	char human[PRINT_SIZE];

	if (bytes)
		print_text(p, "%-14s %15lu %9s   %lu pages out, %lu free\n", "pools",
			   (unsigned long)bytes, print_size(bytes, human),
			   (unsigned long)r->net_out, (unsigned long)r->net_free);
}

void print_sums(struct print *p, const struct walk *w)
{
	const struct recount_result *r = &w->sum;

	print_line(p, "allocated", r->owned - r->item[STAT_MAPS] - r->item[STAT_EXTERNAL]);
	print_line(p, "  in slabs", r->slab);
	print_line(p, "  large", r->item[STAT_LARGE]);
	print_if(p, "  buffers", r->item[STAT_BUFFER]);
	print_if(p, "  page tables", r->item[STAT_TABLE]);
	print_if(p, "  stacks", r->item[STAT_STACK]);
	print_if(p, "  sock", r->item[STAT_SOCK]);
	print_line(p, "cached", r->cached + r->stacked);
	print_line(p, "metadata", r->metadata);
	print_line(p, "charged maps", r->item[STAT_MAPS]);
	print_if(p, "external", r->item[STAT_EXTERNAL]);
	print_line(p, "stock", r->stock);
	print_unaccounted(p, r);
	print_pools(p, r);
	print_if(p, "balloon", r->balloon);
	print_if(p, "out of use", r->bad);
	print_text(p,
		   "slabs: %lu own, %lu shared, %lu unaccounted, %lu with exceptions, %lu hollow\n",
		   (unsigned long)r->slabs_own, (unsigned long)r->slabs_shared,
		   (unsigned long)r->slabs_bare, (unsigned long)r->slabs_exceptions,
		   (unsigned long)r->slabs_hollow);
}

void print_verdict(struct print *p, const struct recount_result *r)
{
	if (r->differences)
		print_text(p, "recount: %lu difference%s (%lu bytes in %lu groups)\n",
			   (unsigned long)r->differences, r->differences == 1 ? "" : "s",
			   (unsigned long)r->owned, (unsigned long)r->groups);
	else
		print_text(p, "recount: closed (%lu bytes in %lu groups)\n",
			   (unsigned long)r->owned, (unsigned long)r->groups);
}
