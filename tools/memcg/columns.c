/* columns.c - see columns.h. */
#include "columns.h"

#include "json.h"
#include "memcg_cmd.h"
#include "quote.h"
#include "size.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define NAME_LEAST 12

/* ---- the terminal ---- */

bool out_colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no || !*no) && (!term || strcmp(term, "dumb"));
}

bool out_utf8(void)
{
	static int known = -1;

	if (known < 0) {
		setlocale(LC_CTYPE, "");
		known = !strcmp(nl_langinfo(CODESET), "UTF-8");
	}
	return known;
}

/* 0: no terminal, and nothing is cut. */
static unsigned terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (columns && atoi(columns) > 0)
		return (unsigned)atoi(columns);
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

/* ---- names ---- */

/* The character at *text, in columns; *text is then behind it. What cannot be shown is a '?'. */
static unsigned show_character(const char **text, char out[8])
{
	unsigned n = out_utf8() ? utf8_length(*text) : (unsigned char)**text < 0x80;
	wchar_t wide = L'?';
	int width = 1;

	if (n > 1 && mbtowc(&wide, *text, n) == (int)n)
		width = quote_is_shown((uint32_t)wide) ? wcwidth(wide) : -1;
	if (!n || width < 0 || (n == 1 && ((unsigned char)**text < ' ' || **text == 127))) {
		strcpy(out, "?");
		*text += 1;
		while (((unsigned char)**text & 0xc0) == 0x80 && n > 1)
			++*text;
		return 1;
	}
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += n;
	return (unsigned)width;
}

static unsigned width_of(const char *text)
{
	unsigned width = 0;
	char c[8];

	while (*text)
		width += show_character(&text, c);
	return width;
}

/* Pads to the width, or cuts to it with an ellipsis. */
static void put_name(const char *text, unsigned width)
{
	unsigned all = width_of(text), used = 0, part;
	bool cut = all > width;
	char c[8];

	while (*text) {
		const char *next = text;

		part = show_character(&next, c);
		if (cut && used + part > width - 1)
			break;
		fputs(c, stdout);
		used += part;
		text = next;
	}
	if (cut) {
		fputs(out_utf8() ? "\u2026" : "~", stdout);
		used++;
	}
	printf("%*s", used < width ? (int)(width - used) : 0, "");
}

/* ---- values ---- */

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

static bool is_count(const char *name)
{
	static const char *const counts[] = {
		"low_events",	  "high_events", "max_events", "oom",	  "oom_kill", "refused",
		"sock_throttled", "pgfault",	 "pgmajfault", "pgscan",  "pgsteal",  "pswpin",
		"pswpout",	  "zswpin",	 "zswpout",    "threads", "children", "id",
		"some_total",	  "full_total",	 NULL};

	return is_one_of(name, counts);
}

static bool is_percent(const char *name)
{
	return !strcmp(name, "some_avg10") || !strcmp(name, "full_avg10");
}

const char *columns_value(const char *name, uint64_t value, bool exact, char buf[32])
{
	if (value == SOURCE_UNKNOWN)
		return "-";
	if (value == SOURCE_MAX)
		return "max";
	if (is_percent(name))
		snprintf(buf, 32, "%" PRIu64 ".%02u%%", value / 100, (unsigned)(value % 100));
	else if (exact || is_count(name))
		snprintf(buf, 32, "%" PRIu64, value);
	else
		size_human(value, buf);
	return buf;
}

/* A limit of each of several processes says of how many: no sum is held against it. */
const char *columns_cell(const struct row *row, const char *name, bool exact, char buf[CELL_TEXT])
{
	uint64_t value = *row_field(row, name);
	char text[32];

	if (row->each < 2 || value >= SOURCE_UNKNOWN ||
	    (strcmp(name, "max") != 0 && strcmp(name, "high") != 0))
		return columns_value(name, value, exact, buf);
	snprintf(buf, CELL_TEXT, "%" PRIu64 " x %s", row->each,
		 columns_value(name, value, exact, text));
	return buf;
}

/* ---- choosing ---- */

static const char *const usual[] = {"current", "peak", "high", "max", "refused"};

static int add_column(struct columns *c, const struct look *l, const char *name)
{
	static const struct row none;

	if (!row_field(&none, name))
		return look_usage(l, "--columns: '%s' is not a column", name);
	if (c->nr == COLUMNS_MAX)
		return look_usage(l, "--columns: more than %u columns", COLUMNS_MAX);
	c->names[c->nr++] = name;
	return 0;
}

int columns_choose(struct columns *c, const struct look *l)
{
	char *at, *name;
	int status = 0;

	*c = (struct columns){.nr = 0};
	if (!l->columns) {
		for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
			c->names[c->nr++] = usual[i];
		return 0;
	}
	c->text = at = strdup(l->columns);
	while (at && !status && (name = strsep(&at, ",")))
		status = add_column(c, l, name);
	if (status)
		columns_free(c);
	return status;
}

void columns_free(struct columns *c)
{
	free(c->text);
	c->text = NULL;
}

/* ---- printing ---- */

static void upper(const char *name, char buf[32])
{
	size_t i;

	for (i = 0; name[i] && i < 31; i++)
		buf[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 32) : name[i];
	buf[i] = '\0';
}

static unsigned column_width(const struct columns *c, const struct look *l, unsigned i,
			     const struct line *lines, size_t n)
{
	size_t width = strlen(c->names[i]);
	char buf[CELL_TEXT];

	for (size_t k = 0; k < n; k++) {
		size_t w = strlen(columns_cell(lines[k].row, c->names[i], l->bytes, buf));

		if (w > width)
			width = w;
	}
	return (unsigned)width;
}

static unsigned name_width(const char *title, const struct line *lines, size_t n)
{
	unsigned width = (unsigned)strlen(title);

	for (size_t i = 0; i < n; i++) {
		unsigned w = width_of(lines[i].branches) + width_of(lines[i].name);

		if (w > width)
			width = w;
	}
	return width;
}

/* A group near its max, and what was refused, are what somebody looks for. */
static const char *colour_of(const char *name, const struct row *row)
{
	uint64_t value = *row_field(row, name);

	if (!strcmp(name, "refused") && value && value != SOURCE_UNKNOWN)
		return "\033[31m";
	if (strcmp(name, "current") || value == SOURCE_UNKNOWN)
		return NULL;
	if (row->each)
		value = row->fullest;
	if (row->max < SOURCE_UNKNOWN && value >= row->max - row->max / 10)
		return "\033[31m";
	return row->high < SOURCE_UNKNOWN && value > row->high ? "\033[33m" : NULL;
}

static void put_value(const char *name, const struct row *row, bool exact, unsigned width,
		      bool colours)
{
	char buf[CELL_TEXT];
	const char *text = columns_cell(row, name, exact, buf);
	const char *colour = colours ? colour_of(name, row) : NULL;

	printf("  %*s", (int)(width - strlen(text)), "");
	printf("%s%s%s", colour ? colour : "", text, colour ? "\033[0m" : "");
}

static void put_title(const struct columns *c, const char *title, unsigned name,
		      const unsigned *width, bool colours)
{
	char buf[32];

	printf("%s%-*s", colours ? "\033[1m" : "", (int)name, title);
	for (unsigned i = 0; i < c->nr; i++) {
		upper(c->names[i], buf);
		printf("  %*s", (int)width[i], buf);
	}
	printf("%s\n", colours ? "\033[0m" : "");
}

void columns_print(const struct columns *c, const struct look *l, const char *title,
		   const struct line *lines, size_t n)
{
	unsigned width[COLUMNS_MAX], name = name_width(title, lines, n), all = 0;
	unsigned terminal = terminal_width();
	bool colours = out_colours();
	char *whole;

	for (unsigned i = 0; i < c->nr; i++)
		all += 2 + (width[i] = column_width(c, l, i, lines, n));
	if (terminal && name + all > terminal)
		name = terminal > all + NAME_LEAST ? terminal - all : NAME_LEAST;
	put_title(c, title, name, width, colours);
	for (size_t i = 0; i < n; i++) {
		if (asprintf(&whole, "%s%s", lines[i].branches, lines[i].name) < 0)
			return;
		put_name(whole, name);
		free(whole);
		for (unsigned k = 0; k < c->nr; k++)
			put_value(c->names[k], lines[i].row, l->bytes, width[k], colours);
		fputc('\n', stdout);
	}
}
