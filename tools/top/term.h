/*
 * term.h - the terminal: all that knows ncurses. The screen is as it was before when it is closed.
 */
#ifndef MEMCG_TOP_TERM_H
#define MEMCG_TOP_TERM_H

#include "grid.h"

/* 0; -ENOTTY and the reason on standard error: no such terminal. One at a time. */
int term_open(void);
void term_close(void);
bool term_ascii(void); /* it shows no more than ASCII */
/* Fits the grid to the window; redraw: what stands there may be somebody else's. */
int term_fit(struct grid *g, bool redraw);
void term_show(const struct grid *g);
/* A character, an enum ui_key, or -1: none has been typed. */
long term_key(void);

#endif
