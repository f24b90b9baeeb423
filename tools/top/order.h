/* order.h - siblings in order, and the lines that come of it; for model.c. */
#ifndef MEMCG_TOP_ORDER_H
#define MEMCG_TOP_ORDER_H

#include "model.h"

/* Sorts, makes the lines, and puts the cursor on `cursor`, or on what it is folded into; NULL: it
 * stays at its line. */
void order_arrange(struct model *m, struct group *cursor);

#endif
