/*
 * ui.h - what keys do; knows no terminal and asks no process.
 *
 * A key changes the model, the view or the question that is being typed. What somebody else must
 * do is left in `quit`, `refresh`, `redraw` and `order`, for the loop (screen.c) to take. A limit
 * is set in three steps: the value is typed, the change is shown and confirmed by `y`, and what
 * came of it is said in the last line.
 */
#ifndef MEMCG_TOP_UI_H
#define MEMCG_TOP_UI_H

#include "view.h"

/* Keys that are no characters. */
enum ui_key {
	UI_UP = 0x110000,
	UI_DOWN,
	UI_LEFT,
	UI_RIGHT,
	UI_PAGE_UP,
	UI_PAGE_DOWN,
	UI_HOME,
	UI_END,
	UI_ENTER,
	UI_ESCAPE,
	UI_BACKSPACE,
};

enum ui_mode { UI_LIST, UI_SEARCH, UI_SORT, UI_LIMIT, UI_CONFIRM };

#define UI_INPUT 256

struct ui_order {
	bool wanted;
	char path[4096];
	char file[48];
	char text[UI_INPUT];
};

struct ui {
	struct model model;
	struct view view;
	struct ui_order order;
	bool quit, refresh, redraw;

	/* ui.c's own */
	enum ui_mode mode;
	char input[UI_INPUT];
	char prompt[4096 + 512]; /* before the input */
	char question[sizeof((struct ui_order){0}.path) + 1024];
	char searched[UI_INPUT];
};

int ui_init(struct ui *u, const struct source_info *info, double delay);
void ui_exit(struct ui *u);
void ui_key(struct ui *u, long key);
/* New numbers; a message that is about something else stays. */
int ui_rows(struct ui *u, const struct rows *rows);
void ui_say(struct ui *u, enum style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What came of the order: 0, or the error with its reason. */
void ui_done(struct ui *u, int err, const char *why);

/* ui_limit.c: the three steps of a limit. */
void ui_limit_ask(struct ui *u, const char *file);
void ui_limit_typed(struct ui *u);
void ui_limit_answer(struct ui *u, long key);
/* ui.c, for it: a question with nothing typed yet. */
void ui_ask(struct ui *u, enum ui_mode mode);

#endif
