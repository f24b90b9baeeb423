/* text.c - see text.h. */
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <wctype.h>

#define REPLACEMENT 0xfffd

static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
static const long least[] = {0, 0, 0x80, 0x800, 0x10000};

/* Bytes of a character by its first one; 0: none begins so. */
static int lead_length(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

long text_decode(const char **text)
{
	const unsigned char *s = (const unsigned char *)*text;
	int length = lead_length(*s);
	long ch = length ? *s & lead_mask[length] : -1;

	for (int i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			length = 0;
			break;
		}
		ch = ch << 6 | (s[i] & 0x3f);
	}
	*text += length ? length : 1;
	if (!length || ch < least[length] || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff))
		return -1;
	return ch;
}

size_t text_encode(long ch, char out[4])
{
	if (ch < 0x80) {
		out[0] = (char)ch;
		return 1;
	}
	if (ch < 0x800) {
		out[0] = (char)(0xc0 | ch >> 6);
		out[1] = (char)(0x80 | (ch & 0x3f));
		return 2;
	}
	if (ch < 0x10000) {
		out[0] = (char)(0xe0 | ch >> 12);
		out[1] = (char)(0x80 | (ch >> 6 & 0x3f));
		out[2] = (char)(0x80 | (ch & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | ch >> 18);
	out[1] = (char)(0x80 | (ch >> 12 & 0x3f));
	out[2] = (char)(0x80 | (ch >> 6 & 0x3f));
	out[3] = (char)(0x80 | (ch & 0x3f));
	return 4;
}

/* Shown by no terminal, or with an effect on what stands beside it. */
static bool is_format(long ch)
{
	return ch == 0xad || (ch >= 0x200b && ch <= 0x200f) || (ch >= 0x2028 && ch <= 0x202e) ||
	       (ch >= 0x2060 && ch <= 0x206f) || (ch >= 0xfe00 && ch <= 0xfe0f) || ch == 0xfeff ||
	       ch == 0x61c || ch == 0x180e || (ch >= 0xfff0 && ch <= 0xfffb) ||
	       (ch >= 0xe0000 && ch <= 0xe0fff);
}

/* Columns of what may be shown as it is; -1: it may not. */
static int shown_width(long ch, bool ascii)
{
	if (ch < 0x20 || ch == 0x7f)
		return -1;
	if (ch < 0x7f)
		return 1;
	if (ascii || ch < 0xa0 || is_format(ch))
		return -1;
	return wcwidth((wchar_t)ch);
}

static void take_combining(const char **text, bool ascii, struct glyph *g)
{
	for (int n = 1; **text;) {
		const char *next = *text;
		long ch = text_decode(&next);

		if (ch < 0 || shown_width(ch, ascii) != 0)
			return;
		/* More of them than a cell holds are dropped: they would pile up beyond the line.
		 */
		if (n < GLYPH_CHARS)
			g->ch[n++] = (wchar_t)ch;
		*text = next;
	}
}

bool text_glyph(const char **text, bool ascii, struct glyph *g)
{
	long ch;

	if (!**text)
		return false;
	memset(g, 0, sizeof(*g));
	ch = text_decode(text);
	g->width = ch < 0 ? -1 : shown_width(ch, ascii);
	if (g->width < 1) {
		g->ch[0] = ascii ? L'?' : REPLACEMENT;
		g->width = 1;
		return true;
	}
	g->ch[0] = (wchar_t)ch;
	if (!ascii)
		take_combining(text, ascii, g);
	return true;
}

int text_width(const char *text, bool ascii)
{
	struct glyph g;
	int width = 0;

	while (text_glyph(&text, ascii, &g))
		width += g.width;
	return width;
}

/* ---- numbers ---- */

static const char *special(double n, char out[NUMBER_TEXT])
{
	if (isnan(n))
		return strcpy(out, "-");
	return isinf(n) ? strcpy(out, "max") : NULL;
}

/* At most five characters and the unit: three digits, or four before the next unit comes. */
static void scaled(double n, double step, const char *units, const char *sign, char *out)
{
	unsigned unit = 0;

	while (n >= 999.5 && units[unit + 1]) {
		n /= step;
		unit++;
	}
	snprintf(out, NUMBER_TEXT, "%s%.*f%.1s", sign,
		 unit == 0 || n >= 99.95 ? 0
		 : n >= 9.995		 ? 1
					 : 2,
		 n, unit ? &units[unit] : "");
}

const char *number_size(double bytes, char out[NUMBER_TEXT])
{
	if (!special(bytes, out))
		scaled(bytes, 1024, " KMGTPE", "", out);
	return out;
}

const char *number_growth(double bytes, char out[NUMBER_TEXT])
{
	if (!special(bytes, out))
		scaled(fabs(bytes), 1024, " KMGTPE",
		       bytes >= 0.5    ? "+"
		       : bytes <= -0.5 ? "-"
				       : "",
		       out);
	return out;
}

const char *number_count(double n, char out[NUMBER_TEXT])
{
	if (special(n, out))
		return out;
	if (n < 99999.5)
		snprintf(out, NUMBER_TEXT, "%.0f", n);
	else
		scaled(n, 1000, " kMGTPE", "", out);
	return out;
}

const char *number_rate(double per_s, char out[NUMBER_TEXT])
{
	if (special(per_s, out))
		return out;
	if (per_s > 0 && per_s < 9.95)
		snprintf(out, NUMBER_TEXT, "%.1f", per_s);
	else
		number_count(per_s, out);
	return out;
}

const char *number_percent(double hundredths, char out[NUMBER_TEXT])
{
	if (!special(hundredths, out))
		snprintf(out, NUMBER_TEXT, hundredths >= 9995 ? "%.0f" : "%.1f", hundredths / 100);
	return out;
}
