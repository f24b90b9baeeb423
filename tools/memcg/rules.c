/* rules.c - see rules.h. */
#include "rules.h"

#include "memcg_cmd.h"
#include "size.h"

#include <errno.h>
#include <fcntl.h>
#include <memcg/base.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE_ROOM 1024
#define BLANKS	  " \t\r\n"

struct reading {
	const char *file;
	unsigned line;
	struct rules *rules;
	unsigned lines[RULES_MAX]; /* where each rule stands */
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct reading *r, const char *fmt,
							...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain("run", "--rules: %s:%u: %s", r->file, r->line, text);
	return false;
}

/* ---- a line --------------------------------------------------------------------- */

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return true;
	return false;
}

/* As glob.c reads sets. */
static bool set_is_open(const char *p)
{
	while ((p = strchr(p, '['))) {
		p += p[1] == '!' ? 2 : 1;
		p = *p ? strchr(p + 1, ']') : NULL;
		if (!p)
			return true;
	}
	return false;
}

static bool parse_pattern(const struct reading *r, const char *text, struct rule *rule)
{
	if (!strcmp(text, "-"))
		return true;
	if (strlen(text) >= sizeof(rule->pattern))
		return wrong(r, "the pattern is longer than %zu bytes", sizeof(rule->pattern) - 1);
	if (set_is_open(text))
		return wrong(r, "'%s': the [ is not closed", text);
	for (uint64_t i = 0; i < r->rules->nr; i++)
		if (!strcmp(r->rules->rule[i].pattern, text))
			return wrong(r, "'%s' stands in line %u already, which takes all its names",
				     text, r->lines[i]);
	strcpy(rule->pattern, text);
	return true;
}

static const char *bad_path(const char *path)
{
	if (*path != '/')
		return "does not begin with /";
	if (!path[1])
		return "is the root, whose limits are --max and --high";
	for (const char *at = path; *at; at += strcspn(at, "/")) {
		size_t n = strcspn(++at, "/");

		if (!n)
			return "has an empty name in it";
		if ((n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return "has . or .. in it";
	}
	return has_control(path) ? "has a control character in it" : NULL;
}

static bool parse_group(const struct reading *r, const char *text, struct rule *rule)
{
	const char *why;

	if (!text)
		return wrong(r, "there is no group behind the pattern");
	if (strlen(text) >= sizeof(rule->group))
		return wrong(r, "the path of the group is longer than %zu bytes",
			     sizeof(rule->group) - 1);
	why = bad_path(text);
	if (why)
		return wrong(r, "the group '%s' %s", text, why);
	strcpy(rule->group, text);
	return true;
}

static uint64_t *limit_of(struct rule *rule, const char *word)
{
	if (!strncmp(word, "memory.max=", 11))
		return &rule->max;
	if (!strncmp(word, "memory.high=", 12))
		return &rule->high;
	if (!strncmp(word, "memory.low=", 11))
		return &rule->low;
	return NULL;
}

static bool parse_limit(const struct reading *r, char *word, struct rule *rule)
{
	uint64_t *limit = limit_of(rule, word), before;

	if (!limit)
		return wrong(r, "'%s' is no limit (want memory.max=, memory.high= or memory.low=)",
			     word);
	before = *limit;
	if (!size_from_text(strchr(word, '=') + 1, limit))
		return wrong(r,
			     "%s: not a size (want bytes, or a number with K, M, G or T, or max)",
			     word);
	if (before != MEMCG_UNLIMITED && before && before != *limit)
		return wrong(r, "%s: the line has said otherwise before", word);
	return true;
}

static bool disagree(uint64_t a, uint64_t b, uint64_t unset)
{
	return a != unset && b != unset && a != b;
}

/* Two lines may name one group; what they say of it must be the same. */
static bool agrees(const struct reading *r, const struct rule *rule)
{
	for (uint64_t i = 0; i < r->rules->nr; i++) {
		const struct rule *other = &r->rules->rule[i];

		if (strcmp(other->group, rule->group))
			continue;
		if (disagree(other->max, rule->max, MEMCG_UNLIMITED) ||
		    disagree(other->high, rule->high, MEMCG_UNLIMITED) ||
		    disagree(other->low, rule->low, 0))
			return wrong(r, "line %u says another limit of %s", r->lines[i],
				     rule->group);
	}
	return true;
}

static bool parse_line(struct reading *r, char *text)
{
	struct rule rule = {.max = MEMCG_UNLIMITED, .high = MEMCG_UNLIMITED};
	char *word, *rest;

	text[strcspn(text, "#")] = '\0';
	word = strtok_r(text, BLANKS, &rest);
	if (!word)
		return true;
	if (r->rules->nr == RULES_MAX)
		return wrong(r, "more than %u rules", RULES_MAX);
	if (!parse_pattern(r, word, &rule) || !parse_group(r, strtok_r(NULL, BLANKS, &rest), &rule))
		return false;
	while ((word = strtok_r(NULL, BLANKS, &rest)))
		if (!parse_limit(r, word, &rule))
			return false;
	if (!agrees(r, &rule))
		return false;
	r->lines[r->rules->nr] = r->line;
	r->rules->rule[r->rules->nr++] = rule;
	return true;
}

static bool parse_file(struct reading *r, FILE *from)
{
	char text[LINE_ROOM];

	while (fgets(text, sizeof(text), from)) {
		r->line++;
		if (!strchr(text, '\n') && !feof(from))
			return wrong(r, "longer than %d bytes, or with a NUL in it", LINE_ROOM - 2);
		if (!parse_line(r, text))
			return false;
	}
	if (!ferror(from) && !r->rules->nr)
		return wrong(r, "there is no rule in the file");
	return true;
}

/* ---- the file -------------------------------------------------------------------- */

static int refused(const char *file, int err)
{
	complain("run", "--rules: '%s' cannot be read: %s", file, strerror(err));
	return STATUS_OURS;
}

static int read_rules(const char *file, struct rules *rules)
{
	struct reading r = {.file = file, .rules = rules};
	FILE *from = fopen(file, "re");
	bool good;
	int err;

	if (!from)
		return refused(file, errno);
	errno = 0;
	good = parse_file(&r, from);
	err = ferror(from) ? errno : 0;
	fclose(from);
	if (err)
		return refused(file, err);
	return good ? 0 : STATUS_USAGE;
}

/* Sealed: no process can change what the others go by. */
static int put_away(const struct rules *rules, int *fd)
{
	size_t size = rules_size(rules->nr);

	*fd = memfd_create("memcg-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd >= 0 && write(*fd, rules, size) == (ssize_t)size &&
	    !fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return 0;
	complain("run", "no shared memory for the rules (memfd): %s", strerror(errno));
	return STATUS_OURS;
}

int rules_load(const char *file, int *fd)
{
	struct rules *rules = calloc(1, rules_size(RULES_MAX));
	int status;

	if (!rules)
		return refused(file, ENOMEM);
	rules->magic = RULES_MAGIC;
	status = read_rules(file, rules);
	if (!status)
		status = put_away(rules, fd);
	free(rules);
	return status;
}
