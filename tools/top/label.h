/*
 * label.h - below a `memcg run` the groups under / are processes, and a number says little: with
 * each goes the name of its program, which the source has as file `comm`. Costs no question to a
 * process.
 */
#ifndef MEMCG_TOP_LABEL_H
#define MEMCG_TOP_LABEL_H

#include "model.h"

struct labels {
	char (*text)[GROUP_LABEL]; /* by row; NULL: none */
	size_t n, room;
};

/* Of rows just read; none where the source is no `memcg run` or there is no memory. */
void labels_read(struct source *s, const struct rows *rows, struct labels *l);
void labels_give(const struct labels *l, struct model *m);
void labels_free(struct labels *l);

#endif
