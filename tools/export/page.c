/* page.c - see page.h. */
#include "page.h"

#include "label.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void page_begin(struct page *p, struct fleet *fleet, enum page_format format)
{
	*p = (struct page){.fleet = fleet, .format = format};
}

void page_end(struct page *p)
{
	fleet_put(p->fleet);
	text_free(&p->line);
}

/* ---- a line ---- */

static void put_name(struct page *p, const struct family *f, bool of_sample)
{
	text_string(&p->line, f->name);
	/* OpenMetrics has the bare name for the family, the other format that of its samples. */
	if (f->type == FAMILY_COUNTER && (of_sample || p->format == PAGE_PROMETHEUS))
		text_string(&p->line, "_total");
}

static void put_meta(struct page *p, const struct family *f, const char *what, const char *value)
{
	text_string(&p->line, "# ");
	text_string(&p->line, what);
	text_string(&p->line, " ");
	put_name(p, f, false);
	text_string(&p->line, " ");
	text_string(&p->line, value);
	text_string(&p->line, "\n");
}

static const char *type_name(const struct page *p, const struct family *f)
{
	if (f->type == FAMILY_UNKNOWN)
		return p->format == PAGE_OPENMETRICS ? "unknown" : "untyped";
	return f->type == FAMILY_COUNTER ? "counter" : "gauge";
}

/* A family without any sample is not mentioned. */
static void put_head(struct page *p, const struct family *f)
{
	if (p->headed)
		return;
	p->headed = true;
	put_meta(p, f, "HELP", f->help);
	put_meta(p, f, "TYPE", type_name(p, f));
	if (f->unit && p->format == PAGE_OPENMETRICS)
		put_meta(p, f, "UNIT", f->unit);
}

static void put_label(struct page *p, const char *name, const char *value)
{
	text_string(&p->line, name);
	text_string(&p->line, "=\"");
	label_put(&p->line, value);
	text_string(&p->line, "\"");
}

static void put_process(struct page *p, const struct member *m)
{
	text_string(&p->line, "pid=\"");
	if (m->pid)
		text_number(&p->line, (uint64_t)m->pid);
	text_string(&p->line, "\",");
	put_label(p, "comm", m->comm);
}

static void put_sample(struct page *p, const struct family *f, const struct part *part,
		       const struct member *m, const char *path, uint64_t value)
{
	put_name(p, f, true);
	text_string(&p->line, "{");
	put_process(p, m);
	text_string(&p->line, ",");
	put_label(p, f->of_process ? "where" : "group", f->of_process ? m->where : path);
	if (part->labels) {
		text_string(&p->line, ",");
		text_string(&p->line, part->labels);
	}
	text_string(&p->line, "} ");
	text_decimal(&p->line, value, f->digits);
	text_string(&p->line, "\n");
}

/* ---- the next one ---- */

static bool next_family(struct page *p)
{
	p->family++;
	p->member = p->row = p->part = 0;
	p->headed = false;
	return p->family < nr_families;
}

/* To the next place where there may be a sample; false: there is none. */
static bool find_place(struct page *p)
{
	while (p->family < nr_families) {
		const struct family *f = &families[p->family];
		size_t rows = p->member == p->fleet->n ? 0
			      : f->of_process	       ? 1
						       : p->fleet->member[p->member].rows.n;

		if (p->member == p->fleet->n) {
			next_family(p);
		} else if (p->row >= rows) {
			p->member++;
			p->row = 0;
		} else if (p->part == f->nr_parts) {
			p->row++;
			p->part = 0;
		} else {
			return true;
		}
	}
	return false;
}

/* The next sample, with what stands before it. False: there is none. */
static bool next_sample(struct page *p)
{
	while (find_place(p)) {
		const struct family *f = &families[p->family];
		const struct member *m = &p->fleet->member[p->member];
		const struct row *row = f->of_process ? NULL : &m->rows.row[p->row];
		const struct part *part = &f->part[p->part++];
		uint64_t value;

		if (!family_value(part, row ? (const void *)row : m, &value))
			continue;
		put_head(p, f);
		put_sample(p, f, part, m, row ? row->path : NULL, value);
		return true;
	}
	return false;
}

static bool next_line(struct page *p)
{
	p->line.n = p->at = 0;
	if (p->ended)
		return false;
	if (next_sample(p))
		return true;
	p->ended = true;
	if (p->format == PAGE_OPENMETRICS)
		text_string(&p->line, "# EOF\n");
	return p->line.n;
}

long page_fill(struct page *p, char *buf, size_t size)
{
	size_t done = 0;

	while (done < size && (p->at < p->line.n || next_line(p))) {
		size_t n = p->line.n - p->at;

		/* Half a line would be a wrong number. */
		if (p->line.failed)
			return -1;
		if (n > size - done)
			n = size - done;
		memcpy(buf + done, p->line.bytes + p->at, n);
		p->at += n;
		done += n;
	}
	return (long)done;
}

/* ---- which format ---- */

const char *page_type(enum page_format format)
{
	return format == PAGE_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

static bool is_type(const char *item, size_t n, const char *type)
{
	size_t length = strlen(type);

	return n >= length && !strncasecmp(item, type, length) &&
	       (n == length || strchr("; \t", item[length]));
}

/* The weight of an item of the list: `q=` among its parameters, else 1. */
static double weight(const char *item, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++)
		if (strchr("; \t", item[i]) && (item[i + 1] | 0x20) == 'q' && item[i + 2] == '=')
			return strtod(item + i + 3, NULL);
	return 1;
}

enum page_format page_choose(const char *accept)
{
	double open = 0, text = 0;

	while (accept && *accept) {
		size_t n;

		accept += strspn(accept, ", \t");
		n = strcspn(accept, ",");
		if (is_type(accept, n, "application/openmetrics-text")) {
			double q = weight(accept, n);

			open = q > open ? q : open;
		} else if (is_type(accept, n, "text/plain")) {
			double q = weight(accept, n);

			text = q > text ? q : text;
		}
		accept += n;
	}
	return open > 0 && open >= text ? PAGE_OPENMETRICS : PAGE_PROMETHEUS;
}
