/*
 * text.h - names and numbers as they may stand on a screen.
 *
 * A name is any bytes a program chose. What reaches a terminal is glyphs only: one printable
 * character with at most two combining ones behind it, and the columns it takes. Control bytes,
 * bytes that are no UTF-8, characters that turn the writing direction or take no room, and in a
 * terminal of plain ASCII everything beyond it, are each replaced by one character.
 *
 * Numbers: sizes with three digits and a binary unit; NAN stands for what is not known ("-"),
 * INFINITY for no limit ("max").
 */
#ifndef MEMCG_TOP_TEXT_H
#define MEMCG_TOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

#define GLYPH_CHARS 3

struct glyph {
	wchar_t ch[GLYPH_CHARS + 1]; /* ends with 0 */
	int width;		     /* columns: 1 or 2 */
};

/* Takes the next glyph off *text; false at the end. */
bool text_glyph(const char **text, bool ascii, struct glyph *g);
/* Columns that all of it takes. */
int text_width(const char *text, bool ascii);
/* One character of UTF-8, or one byte that begins none: -1. Never reads beyond the NUL. */
long text_decode(const char **text);
/* Bytes written, no NUL. */
size_t text_encode(long ch, char out[4]);

#define NUMBER_TEXT 24

const char *number_size(double bytes, char out[NUMBER_TEXT]);	/* "1.23M" */
const char *number_growth(double bytes, char out[NUMBER_TEXT]); /* "+1.2M", "0" */
const char *number_count(double n, char out[NUMBER_TEXT]);	/* "12.3k" */
const char *number_rate(double per_s, char out[NUMBER_TEXT]);	/* "0.25", "12.3k" */
const char *number_percent(double hundredths, char out[NUMBER_TEXT]);

#endif
