/* ui.c - keys of the list, and questions; see ui.h. */
#include "ui.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CTRL(c) ((c)&0x1f)

int ui_init(struct ui *u, const struct source_info *info, double delay)
{
	memset(u, 0, sizeof(*u));
	u->view.model = &u->model;
	u->view.info = info;
	u->view.delay = delay;
	return model_init(&u->model);
}

void ui_exit(struct ui *u)
{
	model_exit(&u->model);
}

void ui_say(struct ui *u, enum style style, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->view.status, sizeof(u->view.status), fmt, ap);
	va_end(ap);
	u->view.status_style = style;
}

int ui_rows(struct ui *u, const struct rows *rows)
{
	int err = model_update(&u->model, rows);

	if (err)
		ui_say(u, STYLE_BAD, "no memory for %zu groups", rows->n);
	return err;
}

void ui_done(struct ui *u, int err, const char *why)
{
	const struct ui_order *o = &u->order;

	if (err)
		ui_say(u, STYLE_BAD, "%s of %s is not set: %s", o->file, o->path,
		       *why ? why : strerror(-err));
	else
		ui_say(u, STYLE_GOOD, "%s of %s is %s", o->file, o->path, o->text);
	u->refresh = true;
}

/* ---- questions ---- */

static void show_question(struct ui *u)
{
	snprintf(u->question, sizeof(u->question), "%s%s", u->prompt, u->input);
	u->view.question = u->mode == UI_LIST ? NULL : u->question;
}

void ui_ask(struct ui *u, enum ui_mode mode)
{
	u->mode = mode;
	u->input[0] = '\0';
	show_question(u);
}

static void search(struct ui *u, int step)
{
	if (!*u->searched)
		ui_say(u, STYLE_WARN, "nothing was searched for yet: type / and a name");
	else if (!model_search(&u->model, u->searched, step))
		ui_say(u, STYLE_WARN, "no group has '%s' in its name", u->searched);
}

static void search_typed(struct ui *u)
{
	if (*u->input)
		strcpy(u->searched, u->input);
	search(u, 1);
}

/* Who sorts wants to see what comes first. */
static void arrange_from_top(struct ui *u)
{
	model_arrange(&u->model);
	model_move(&u->model, -(long)u->model.lines);
}

static void sort_by(struct ui *u, const struct column *c)
{
	u->model.sort = c;
	u->model.reversed = false;
	arrange_from_top(u);
}

static void sort_typed(struct ui *u)
{
	const struct column *c = column_find(u->input);

	if (c)
		sort_by(u, c);
	else if (*u->input)
		ui_say(u, STYLE_WARN, "no column is called '%s'", u->input);
}

static void typed(struct ui *u)
{
	enum ui_mode mode = u->mode;

	ui_say(u, STYLE_PLAIN, "%s", "");
	u->mode = UI_LIST;
	if (mode == UI_SEARCH)
		search_typed(u);
	else if (mode == UI_SORT)
		sort_typed(u);
	else
		ui_limit_typed(u);
}

/* A whole character, whatever its bytes. */
static void rub_out(char *input)
{
	size_t n = strlen(input);

	while (n && ((unsigned char)input[--n] & 0xc0) == 0x80)
		continue;
	input[n] = '\0';
}

static void type(struct ui *u, long key)
{
	size_t n = strlen(u->input);

	if (key >= 0x20 && key != 0x7f && key < UI_UP && n + 5 < sizeof(u->input))
		u->input[n + text_encode(key, u->input + n)] = '\0';
}

static void question_key(struct ui *u, long key)
{
	if (!key) /* no key at all: the window has another size */
		return;
	if (u->mode == UI_CONFIRM)
		ui_limit_answer(u, key);
	else if (key == UI_ESCAPE || key == CTRL('g') || key == CTRL('c'))
		u->mode = UI_LIST;
	else if (key == UI_ENTER)
		typed(u);
	else if (key == UI_BACKSPACE && !*u->input)
		u->mode = UI_LIST;
	else if (key == UI_BACKSPACE)
		rub_out(u->input);
	else if (key == CTRL('u'))
		u->input[0] = '\0';
	else
		type(u, key);
	show_question(u);
}

/* ---- the list ---- */

/* The next column to either side among those on the screen's table, shown or not. */
static void sort_beside(struct ui *u, int step)
{
	unsigned i = (unsigned)(u->model.sort - columns);

	sort_by(u, &columns[(i + nr_columns + (unsigned)step) % nr_columns]);
	ui_say(u, STYLE_PLAIN, "sorted by %s", u->model.sort->name);
}

static void toggle_fold(struct ui *u)
{
	const struct group *g = model_cursor(&u->model);

	if (g && g->first)
		model_fold(&u->model, !g->folded);
}

static bool move_key(struct ui *u, long key)
{
	long page = u->view.page > 1 ? u->view.page - 1 : 1;
	long by = 0;

	if (key == UI_UP || key == 'k')
		by = -1;
	else if (key == UI_DOWN || key == 'j')
		by = 1;
	else if (key == UI_PAGE_UP || key == CTRL('b'))
		by = -page;
	else if (key == UI_PAGE_DOWN || key == CTRL('f'))
		by = page;
	else if (key == UI_HOME || key == 'g')
		by = -(long)u->model.lines;
	else if (key == UI_END || key == 'G')
		by = (long)u->model.lines;
	model_move(&u->model, by);
	return by;
}

static bool fold_key(struct ui *u, long key)
{
	if (key == UI_LEFT || key == 'h')
		model_fold(&u->model, true);
	else if (key == UI_RIGHT)
		model_fold(&u->model, false);
	else if (key == ' ')
		toggle_fold(u);
	else if (key == '-' || key == '+')
		model_fold_all(&u->model, key == '-');
	else
		return false;
	return true;
}

static bool order_key(struct ui *u, long key)
{
	if (key == '<' || key == '>')
		sort_beside(u, key == '<' ? -1 : 1);
	else if (key == 'r')
		u->model.reversed = !u->model.reversed;
	else if (key == 't')
		u->model.flat = !u->model.flat;
	else
		return false;
	arrange_from_top(u);
	return true;
}

static bool look_key(struct ui *u, long key)
{
	struct view *v = &u->view;

	if (key == UI_ENTER || key == 'd') {
		v->details = !v->details;
		v->detail_top = 0;
		u->refresh = v->details;
	} else if (key == '?') {
		v->help = true;
	} else if (key == ']') {
		v->detail_top++;
	} else if (key == '[') {
		v->detail_top -= v->detail_top > 0;
	} else {
		return false;
	}
	return true;
}

static bool question_begins(struct ui *u, long key)
{
	if (key == '/' || key == 's') {
		strcpy(u->prompt, key == '/' ? "search: " : "sort by: ");
		ui_ask(u, key == '/' ? UI_SEARCH : UI_SORT);
	} else if (key == 'l' || key == 'L') {
		ui_limit_ask(u, key == 'l' ? "memory.max" : "memory.high");
	} else {
		return false;
	}
	return true;
}

static void list_key(struct ui *u, long key)
{
	u->view.help = false;
	ui_say(u, STYLE_PLAIN, "%s", "");
	if (move_key(u, key) || fold_key(u, key) || order_key(u, key) || look_key(u, key) ||
	    question_begins(u, key))
		return;
	if (key == 'n' || key == 'N')
		search(u, key == 'n' ? 1 : -1);
	else if (key == 'q' || key == CTRL('c'))
		u->quit = true;
	else if (key == 'R')
		u->refresh = true;
	else if (key == CTRL('l'))
		u->redraw = true;
}

void ui_key(struct ui *u, long key)
{
	if (u->mode != UI_LIST)
		question_key(u, key);
	else if (u->view.help)
		u->view.help = false;
	else
		list_key(u, key);
}
