/*
 * view_detail.c - one group's files, and the help; see view.h.
 *
 * The text is that of files one after another, each under a line "= FILE". Lines of a name and a
 * number become entries "name number", sizes with their unit; of memory.stat, most of which is 0,
 * only the others. Any other line is an entry as it is. Entries go down, then right.
 */
#include "view.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_WIDTH 30
#define MAX_ENTRIES 512

struct entry {
	char text[128];
	char value[NUMBER_TEXT]; /* or three of pressure */
	bool file;
};

/* Lines of memory.stat that are numbers of something else than bytes. */
static bool is_count(const char *file, const char *name)
{
	static const char *const begin[] = {"pg",     "workingset", "pswp",  "zswp",  "numa",
					    "move_",  "thp_",	    "refus", "oom",   "forced",
					    "charge", "uncharge",   "swpin", "swpout"};

	if (strcmp(file, "memory.stat") != 0)
		return true;
	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		if (!strncmp(name, begin[i], strlen(begin[i])))
			return true;
	return false;
}

static bool parse_number(const char *line, const char *file, struct entry *e)
{
	const char *blank = strchr(line, ' ');
	char *end;
	unsigned long long n;

	if (!blank || !isdigit((unsigned char)blank[1]))
		return false;
	n = strtoull(blank + 1, &end, 10);
	if (*end)
		return false;
	snprintf(e->text, sizeof(e->text), "%.*s", (int)(blank - line), line);
	if (is_count(file, e->text))
		number_count((double)n, e->value);
	else
		number_size((double)n, e->value);
	return true;
}

/* "some avg10=0.12 avg60=0.03 avg300=0.00 total=4711", as much of it as an entry holds. */
static bool parse_pressure(const char *line, struct entry *e)
{
	char kind[8], avg[3][8];

	if (sscanf(line, "%7s avg10=%7[0-9.] avg60=%7[0-9.] avg300=%7[0-9.]", kind, avg[0], avg[1],
		   avg[2]) != 4)
		return false;
	snprintf(e->text, sizeof(e->text), "%s", kind);
	snprintf(e->value, sizeof(e->value), "%s %s %s", avg[0], avg[1], avg[2]);
	return true;
}

static bool parse_line(const char *line, char *file, size_t size, struct entry *e)
{
	memset(e, 0, sizeof(*e));
	if (!strncmp(line, "= ", 2)) {
		snprintf(file, size, "%s", line + 2);
		snprintf(e->text, sizeof(e->text), "%s", line + 2);
		e->file = true;
		return true;
	}
	if (parse_number(line, file, e))
		return strcmp(file, "memory.stat") != 0 || strcmp(e->value, "0") != 0;
	if (parse_pressure(line, e))
		return true;
	snprintf(e->text, sizeof(e->text), "%s", line);
	return *line;
}

static unsigned parse_all(const char *text, struct entry *entries)
{
	char file[128] = "";
	unsigned n = 0;

	while (*text && n < MAX_ENTRIES) {
		size_t length = strcspn(text, "\n");
		char line[128];

		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		n += parse_line(line, file, sizeof(file), &entries[n]);
		text += length + (text[length] == '\n');
	}
	return n;
}

static void draw_entry(struct grid *g, int y, int x, int width, const struct entry *e)
{
	int room = width - 2;

	if (e->file)
		grid_put_short(g, y, x, room, STYLE_HEADING, e->text);
	else if (!e->value[0])
		grid_put_short(g, y, x, room, STYLE_PLAIN, e->text);
	else {
		int number = text_width(e->value, g->ascii);

		grid_put_short(g, y, x, room - number - 1, STYLE_DIM, e->text);
		grid_put_right(g, y, x, room, STYLE_PLAIN, e->value);
	}
}

static void draw_entries(const struct view *v, struct grid *g, int y, int rows,
			 const struct entry *entries, unsigned n)
{
	int across = g->width / ENTRY_WIDTH > 0 ? g->width / ENTRY_WIDTH : 1;
	unsigned columns_all = (n + (unsigned)rows - 1) / (unsigned)rows, left = v->detail_top;

	if (left + (unsigned)across > columns_all)
		left = columns_all > (unsigned)across ? columns_all - (unsigned)across : 0;
	for (int c = 0; c < across; c++)
		for (int r = 0; r < rows; r++) {
			unsigned i = (left + (unsigned)c) * (unsigned)rows + (unsigned)r;

			if (i < n)
				draw_entry(g, y + r, c * (g->width / across), g->width / across,
					   &entries[i]);
		}
}

void view_detail(const struct view *v, struct grid *g, int y, int rows)
{
	static struct entry entries[MAX_ENTRIES];
	const struct group *group = model_cursor(v->model);
	int x;

	grid_fill(g, y, 0, g->width, STYLE_DIM, g->ascii ? "-" : "─");
	if (!group)
		return;
	x = 3 + grid_put_short(g, y, 3, g->width - 4, STYLE_TITLE, group->path);
	grid_put(g, y, 2, 1, STYLE_PLAIN, " ");
	grid_put(g, y, x, 1, STYLE_PLAIN, " ");
	if (strcmp(v->detail_path, group->path) != 0)
		grid_put(g, y + 1, 0, g->width, STYLE_DIM, "reading...");
	else if (rows > 1)
		draw_entries(v, g, y + 1, rows - 1, entries, parse_all(v->detail, entries));
}

/* ---- help ---- */

static const char *const help[][2] = {
	{"up down j k", "move"},
	{"pgup pgdn home end", "move far (also ^B ^F g G)"},
	{"left right h", "fold, unfold; from a leaf to its parent"},
	{"space", "fold or unfold"},
	{"- +", "fold all, unfold all"},
	{"< >", "sort by the column to the left, right"},
	{"s NAME", "sort by any column: current, faults, anon, ..."},
	{"r", "reverse the order"},
	{"t", "tree, or flat: all groups in one order"},
	{"/ n N", "search a name, next, last"},
	{"enter d", "details of the group; [ ] look further in them"},
	{"l L", "set memory.max, memory.high of the group"},
	{"R", "read again now"},
	{"^L", "draw again"},
	{"q", "quit"},
	{"", ""},
	{"bar", "used, then what reclaim could give back, of"},
	{"[ ] ( )", "memory.max; memory.high or a limit above"},
};

void view_help(struct grid *g)
{
	int rows = (int)(sizeof(help) / sizeof(help[0]));
	int y = 1;

	for (int i = 1; i < g->height - 1; i++)
		grid_fill(g, i, 0, g->width, STYLE_PLAIN, " ");
	for (int i = 0; i < rows && y < g->height - 1; i++, y++) {
		int name = g->width < 60 ? 13 : 20;

		grid_put_short(g, y, 1, name, STYLE_TITLE, help[i][0]);
		grid_put_short(g, y, name + 2, g->width - name - 2, STYLE_PLAIN, help[i][1]);
	}
}
