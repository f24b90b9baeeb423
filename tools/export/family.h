/*
 * family.h - the table of metrics: names, types, units, and which column each sample is.
 *
 * Names are cAdvisor's (container_*) where they mean the same: dashboards and rules made for
 * containers then work for groups. The others are memcg_*. A family with several parts has one
 * sample for each, told apart by a label. The table is in the order of the text.
 *
 * A column that is not known has no sample, and neither has a limit that is `max`: unlimited is not
 * a number, and any number in its stead would be compared with usage some day.
 */
#ifndef MEMCG_EXPORT_FAMILY_H
#define MEMCG_EXPORT_FAMILY_H

#include "fleet.h"
#include "text.h"

enum family_type { FAMILY_GAUGE, FAMILY_COUNTER, FAMILY_UNKNOWN };

struct part {
	const char
		*labels; /* beside those of the process and group, as `kind="anon"`; NULL: none */
	size_t offset;	 /* in struct row, or of_process: in struct member */
	size_t less;	 /* another column to be taken away; 0: none */
};

struct family {
	const char *name; /* without _total, which samples of counters have */
	const char *unit; /* the name's last word; NULL: none */
	const char *help;
	enum family_type type;
	bool of_process;
	unsigned digits; /* behind the point, of what the column counts */
	const struct part *part;
	unsigned nr_parts;
};

extern const struct family families[];
extern const unsigned nr_families;

/* False: there is no sample. base: the struct that the family's columns are of. */
bool family_value(const struct part *part, const void *base, uint64_t *value);

#endif
