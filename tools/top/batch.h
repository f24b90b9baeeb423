/*
 * batch.h - groups as lines, for pipes and files: a table at each refresh, or JSON.
 *
 * A table begins with a comment, "# TIME COMM PID", and its headings; the group's path comes last,
 * so that the columns before it stand straight. Sizes have units, as on the screen. JSON is an
 * object a line: time, pid, path, all fields of a row as numbers (null: not known, "max": no
 * limit) and the rates.
 */
#ifndef MEMCG_TOP_BATCH_H
#define MEMCG_TOP_BATCH_H

#include "model.h"
#include "options.h"

#include <stdio.h>

/* The status to end with. The source stays the caller's. */
int batch_run(struct source *s, const struct options *o);

void batch_table(FILE *out, const struct model *m, const struct source_info *info,
		 const char *when);
void batch_json(FILE *out, const struct model *m, const struct source_info *info, double when);

#endif
