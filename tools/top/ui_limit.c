/* ui_limit.c - a limit: typed, confirmed, ordered; see ui.h. */
#include "ui.h"

#include "../source/size.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the group has there now; NAN: this file is not in the rows. */
static double limit_now(const struct group *g, const char *file)
{
	static const struct {
		const char *file;
		size_t field;
	} limits[] = {
		{"memory.max", offsetof(struct row, max)},
		{"memory.high", offsetof(struct row, high)},
		{"memory.low", offsetof(struct row, low)},
		{"memory.min", offsetof(struct row, min)},
		{"memory.swap.max", offsetof(struct row, swap_max)},
		{"memory.swap.high", offsetof(struct row, swap_high)},
		{"memory.zswap.max", offsetof(struct row, zswap_max)},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (!strcmp(limits[i].file, file))
			return field_value(
				*(const uint64_t *)((const char *)g->row + limits[i].field));
	return NAN;
}

void ui_limit_ask(struct ui *u, const char *file)
{
	const struct group *g = model_cursor(&u->model);
	char now[NUMBER_TEXT];

	if (!g)
		return;
	/* The cursor may move while one types: rows come and go. */
	snprintf(u->order.path, sizeof(u->order.path), "%s", g->path);
	snprintf(u->order.file, sizeof(u->order.file), "%s", file);
	number_size(limit_now(g, file), now);
	snprintf(u->prompt, sizeof(u->prompt), "%s of %s%s (now %s; 64M, max, or low=64M): ", file,
		 g->row->each > 1 ? "each process below " : "", u->order.path, now);
	ui_ask(u, UI_LIMIT);
}

/* "high=64M" is memory.high whatever was asked for. */
static const char *take_name(struct ui *u)
{
	char *equal = strchr(u->input, '=');

	if (!equal)
		return u->input;
	*equal = '\0';
	snprintf(u->order.file, sizeof(u->order.file), "%s%.40s",
		 strncmp(u->input, "memory.", 7) ? "memory." : "", u->input);
	return equal + 1;
}

static const char *consequence(const struct ui *u, const char *text)
{
	const struct group *g = model_cursor(&u->model);
	uint64_t bytes;

	if (!g || strcmp(g->path, u->order.path) != 0 || !size_from_text(text, &bytes) ||
	    strcmp(u->order.file, "memory.max") != 0)
		return "";
	if (g->row->each > 1)
		return bytes < g->row->fullest ? ", below the usage of some" : "";
	return (double)bytes < field_value(g->row->current) ? ", below its usage" : "";
}

void ui_limit_typed(struct ui *u)
{
	const char *text = take_name(u);
	uint64_t bytes;

	if (!*text)
		return;
	if (!size_from_text(text, &bytes)) {
		ui_say(u, STYLE_BAD, "'%s' is no size: bytes, a number with K, M, G or T, or max",
		       text);
		return;
	}
	snprintf(u->order.text, sizeof(u->order.text), "%s", text);
	snprintf(u->prompt, sizeof(u->prompt), "set %s of %s to %s%s? (y/n) ", u->order.file,
		 u->order.path, text, consequence(u, text));
	ui_ask(u, UI_CONFIRM);
}

void ui_limit_answer(struct ui *u, long key)
{
	u->mode = UI_LIST;
	u->order.wanted = key == 'y' || key == 'Y';
	if (u->order.wanted)
		ui_say(u, STYLE_DIM, "setting %s of %s...", u->order.file, u->order.path);
	else
		ui_say(u, STYLE_PLAIN, "nothing was changed");
}
