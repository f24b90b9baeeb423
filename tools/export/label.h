/*
 * label.h - values of labels: names that programs choose, in a text that has a syntax.
 *
 * A name may hold quotes, backslashes and bytes that are no UTF-8. The first two are escaped as
 * both formats ask; the last become `?` when names are taken in, before names are compared: two
 * that can no longer be told apart would be one sample twice.
 */
#ifndef MEMCG_EXPORT_LABEL_H
#define MEMCG_EXPORT_LABEL_H

#include "text.h"

/* Makes it UTF-8, in place and no longer than it was. */
void label_clean(char *value);

/* Escaped, without the quotes around it. */
void label_put(struct text *t, const char *value);

#endif
