/*
 * quote.h - text of others inside a page: names of groups and commands may hold any bytes.
 *
 * What goes out is valid UTF-8 whatever came in: bytes that are none become U+FFFD. As HTML,
 * control characters show as their pictures (U+2400 and on) and nothing is markup. In plain lines,
 * which may end in a terminal, each that could do something there is a '?'. As JSON it
 * stands within a <script> of the page, which ends at the first "</script" or changes its state
 * at "<!--" wherever they stand: so <, > and & are escapes there.
 */
#ifndef MEMCG_TOOL_QUOTE_H
#define MEMCG_TOOL_QUOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void quote_html(FILE *to, const char *text); /* also for attributes between double quotes */
void quote_json(FILE *to, const char *text); /* with its quotes */
/* In place; returns text, which never grows. */
char *quote_plain(char *text);
/* Whether a terminal shows it, and does nothing else: no control, nothing that turns lines round.
 */
bool quote_is_shown(uint32_t c);

/* One character off *text, which is not at its end; U+FFFD for a byte that begins none. */
uint32_t utf8_next(const char **text);

#endif
