/*
 * settings.c - what the environment says to the preload (the library reads its own fields in
 * ctl/conf.c), and hiding it from the program's children.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload.h"

#define OURS "libmemcg-preload.so"

static enum slot_group_by group_by(const char *text)
{
	if (!strcmp(text, "thread"))
		return SLOT_GROUP_THREAD;
	if (!strcmp(text, "thread-name"))
		return SLOT_GROUP_NAME;
	if (!strcmp(text, "object"))
		return SLOT_GROUP_OBJECT;
	if (*text && strcmp(text, "none"))
		say("MEMCG_GROUP_BY: '%s' is none of none, thread, thread-name and object; taken as "
		    "none",
		    text);
	return SLOT_GROUP_NONE;
}

/* Copies, because programs that set their title overwrite the environment. */
void settings_read(struct settings *s)
{
	const char *slot = secure_getenv("MEMCG_SLOT"), *report = secure_getenv("MEMCG_REPORT");
	const char *max = secure_getenv("MEMCG_MAX");
	const char *by = secure_getenv("MEMCG_GROUP_BY");
	const char *rules = secure_getenv("MEMCG_RULES");
	const char *alone = secure_getenv("MEMCG_NO_CHILDREN");
	const char *control = secure_getenv("MEMCG_CONTROL");

	snprintf(s->slot, sizeof(s->slot), "%s", slot ? slot : "");
	snprintf(s->report, sizeof(s->report), "%s", report ? report : "");
	snprintf(s->max, sizeof(s->max), "%s", max ? max : "");
	snprintf(s->rules, sizeof(s->rules), "%s", rules ? rules : "");
	s->group_by = group_by(by ? by : "");
	s->control = control && !strcmp(control, "1");
	s->no_children = alone && strcmp(alone, "") && strcmp(alone, "0");
}

static bool is_ours(const char *entry, size_t len)
{
	size_t n = sizeof(OURS) - 1;

	return len >= n && !memcmp(entry + len - n, OURS, n) &&
	       (len == n || entry[len - n - 1] == '/');
}

/* Takes our entry out of the list, in its place. False: nothing is left of it. */
static bool strip_preload(char *list)
{
	char *to = list, *from = list;

	while (*from) {
		size_t len = strcspn(from, ": "), skip = len + strspn(from + len, ": ");

		if (!is_ours(from, len)) {
			memmove(to, from, skip);
			to += skip;
		}
		from += skip;
	}
	while (to > list && strchr(": ", to[-1]))
		to--;
	*to = '\0';
	return to > list;
}

static bool stays(char *variable)
{
	if (!strncmp(variable, "LD_PRELOAD=", 11))
		return strip_preload(variable + 11);
	return strncmp(variable, "MEMCG_", 6);
}

/* Before the program's constructors, in the array the loader made: nothing is allocated. */
void settings_hide(void)
{
	char **to = environ, **from = environ;

	for (; from && *from; from++)
		if (stays(*from))
			*to++ = *from;
	if (to)
		*to = NULL;
}
