/*
 * term.c - see term.h.
 *
 * Colours only where the terminal has them and NO_COLOR (no-color.org) is not set; then styles
 * differ by bold, dim and reverse. The size is asked of the kernel before each drawing:
 * ncurses hears of it by a signal, which screen.c has blocked.
 */
#define NCURSES_WIDECHAR 1
#include <ncurses.h>

#include "term.h"

#include "ui.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static SCREEN *screen;
static bool colours;

static const struct look {
	attr_t plain;	 /* without colours */
	attr_t coloured; /* with them, and */
	short colour;	 /* -1: the terminal's own */
} looks[STYLES] = {
	[STYLE_PLAIN] = {A_NORMAL, A_NORMAL, -1},
	[STYLE_TITLE] = {A_BOLD, A_BOLD, -1},
	[STYLE_HEADING] = {A_REVERSE, A_REVERSE, -1},
	[STYLE_SORTED] = {A_REVERSE | A_BOLD, A_REVERSE | A_BOLD, COLOR_CYAN},
	[STYLE_CURSOR] = {A_REVERSE, A_REVERSE | A_BOLD, -1},
	[STYLE_DIM] = {A_NORMAL, A_DIM, -1},
	[STYLE_USED] = {A_NORMAL, A_NORMAL, COLOR_GREEN},
	[STYLE_RECLAIMABLE] = {A_NORMAL, A_NORMAL, COLOR_BLUE},
	[STYLE_NEAR] = {A_BOLD, A_NORMAL, COLOR_YELLOW},
	[STYLE_MARK] = {A_BOLD, A_BOLD, COLOR_MAGENTA},
	[STYLE_WARN] = {A_BOLD, A_BOLD, COLOR_YELLOW},
	[STYLE_BAD] = {A_BOLD, A_BOLD, COLOR_RED},
	[STYLE_GOOD] = {A_BOLD, A_NORMAL, COLOR_GREEN},
};

static void open_colours(void)
{
	const char *no = getenv("NO_COLOR");

	colours = !(no && *no) && has_colors() && start_color() == OK && use_default_colors() == OK;
	for (short i = 0; colours && i < STYLES; i++)
		init_pair((short)(i + 1), looks[i].colour, -1);
}

int term_open(void)
{
	const char *name = getenv("TERM");

	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		fprintf(stderr,
			"memcg top: the terminal '%s' is not known here; memcg top -b prints lines\n",
			name ? name : "");
		return -ENOTTY;
	}
	set_escdelay(25);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	open_colours();
	return 0;
}

void term_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

bool term_ascii(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

int term_fit(struct grid *g, bool redraw)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col) {
		size.ws_row = (unsigned short)LINES;
		size.ws_col = (unsigned short)COLS;
	}
	if (size.ws_row != LINES || size.ws_col != COLS) {
		resizeterm(size.ws_row, size.ws_col);
		redraw = true;
	}
	if (redraw)
		clearok(curscr, TRUE);
	if (g->cell && g->width == size.ws_col && g->height == size.ws_row)
		return 0;
	return grid_resize(g, size.ws_col, size.ws_row);
}

static void show_cell(int y, int x, const struct cell *c)
{
	const struct look *look = &looks[c->style];
	cchar_t out;

	setcchar(&out, c->glyph.ch, colours ? look->coloured : look->plain,
		 (short)(colours ? c->style + 1 : 0), NULL);
	mvadd_wch(y, x, &out);
}

void term_show(const struct grid *g)
{
	erase();
	for (int y = 0; y < g->height; y++)
		for (int x = 0; x < g->width; x++)
			if (grid_at(g, y, x)->glyph.width)
				show_cell(y, x, grid_at(g, y, x));
	refresh();
}

static long special_key(wint_t key)
{
	static const struct {
		wint_t curses;
		long ours;
	} keys[] = {
		{KEY_UP, UI_UP},	 {KEY_DOWN, UI_DOWN},
		{KEY_LEFT, UI_LEFT},	 {KEY_RIGHT, UI_RIGHT},
		{KEY_PPAGE, UI_PAGE_UP}, {KEY_NPAGE, UI_PAGE_DOWN},
		{KEY_HOME, UI_HOME},	 {KEY_END, UI_END},
		{KEY_ENTER, UI_ENTER},	 {KEY_BACKSPACE, UI_BACKSPACE},
		{KEY_DC, UI_BACKSPACE},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].curses == key)
			return keys[i].ours;
	return 0;
}

long term_key(void)
{
	wint_t key;
	int kind = get_wch(&key);

	if (kind == ERR)
		return -1;
	if (kind == KEY_CODE_YES)
		return special_key(key);
	switch (key) {
	case '\r':
	case '\n':
		return UI_ENTER;
	case 0x1b:
		return UI_ESCAPE;
	case 0x7f:
	case '\b':
		return UI_BACKSPACE;
	default:
		return (long)key;
	}
}
