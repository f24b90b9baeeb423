/*
 * file_fail.c - memory.fail as text: the options of sys/fault.h between blanks, or "off". What a
 * rule does: group/fail.h.
 */
#include <errno.h>
#include <string.h>

#include "ctl/files.h"
#include "ctl/parse.h"
#include "group/fail.h"

#define OPTION_MAX 40 /* longer than any: "seed=" and 20 digits */

static bool take_option(const char *word, size_t n, struct fault_rule *rule)
{
	char text[OPTION_MAX];
	const char *at = text;

	if (n >= sizeof(text))
		return false;
	memcpy(text, word, n);
	text[n] = '\0';
	return fault_option_parse(&at, rule) && !*at;
}

int store_fail(struct memcg *cg, const char *buf, size_t len)
{
	struct fault_rule rule = {0};
	unsigned options = 0;
	const char *word;
	size_t n;

	if (parse_is(buf, len, "off"))
		return fail_set(cg, NULL);
	for (; parse_word(&buf, &len, &word, &n); options++)
		if (!take_option(word, n, &rule))
			return -EINVAL;
	return options ? fail_set(cg, &rule) : -EINVAL;
}

int show_fail(struct memcg *cg, struct text *t)
{
	struct fail_counts counts;
	struct fault_rule rule;

	if (!fail_get(cg, &rule, &counts)) {
		text_say(t, "off\n");
		return 0;
	}
	text_say(t, "nth=%lu every=%lu p=%luppm seed=%lu\n", (unsigned long)rule.nth,
		 (unsigned long)rule.every, (unsigned long)rule.ppm, (unsigned long)rule.seed);
	text_line(t, "seen", counts.seen);
	text_line(t, "failed", counts.failed);
	return 0;
}
