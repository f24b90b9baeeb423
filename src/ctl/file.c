/*
 * file.c - the files of a group: names, formats and parsing of cgroup v2, one
 * table. A refused write changes nothing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/file.h"
#include "group/stat_lines.h"
#include "group/stock.h"

/* Text being made; past the end it only counts. */
struct text {
	char *buf;
	size_t size, len;
};

static __printf_(2, 3) void say(struct text *t, const char *fmt, ...)
{
	size_t room = t->len < t->size ? t->size - t->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? t->buf + t->len : NULL, room, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

static void say_limit(struct text *t, u64 v)
{
	if (v == MEMCG_UNLIMITED)
		say(t, "max\n");
	else
		say(t, "%lu\n", (unsigned long)v);
}

/* --- parsing ------------------------------------------------------------------ */

/* As the kernel strips: white space at both ends. Embedded NULs end nothing: they are refused. */
static int trim(const char *buf, size_t len, char *out, size_t size)
{
	while (len && strchr(" \t\n\v\f\r", buf[0]) && buf[0])
		buf++, len--;
	while (len && strchr(" \t\n\v\f\r", buf[len - 1]) && buf[len - 1])
		len--;
	if (!len || len >= size || memchr(buf, '\0', len))
		return -EINVAL;
	memcpy(out, buf, len);
	out[len] = '\0';
	return 0;
}

static int digits(const char **at, u64 *v)
{
	const char *s = *at;

	for (*v = 0; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(*v, 10ul, v) ||
		    __builtin_add_overflow(*v, (u64)(*s - '0'), v))
			return -EINVAL;
	if (s == *at)
		return -EINVAL;
	*at = s;
	return 0;
}

static unsigned suffix_shift(char c)
{
	static const char suffixes[] = "KMGTPE";
	const char *at = c ? strchr(suffixes, c & ~0x20) : NULL;

	return at ? 10u * (unsigned)(at - suffixes + 1) : 0;
}

int size_parse(const char *text, size_t len, u64 *bytes)
{
	char buf[64];
	const char *at = buf;
	unsigned shift;
	u64 v;

	if (trim(text, len, buf, sizeof(buf)) < 0)
		return -EINVAL;
	if (!strcmp(buf, "max")) {
		*bytes = MEMCG_UNLIMITED;
		return 0;
	}
	if (digits(&at, &v) < 0)
		return -EINVAL;
	shift = suffix_shift(*at);
	if (shift)
		at++;
	if (*at || (shift && v >> (64 - shift)))
		return -EINVAL;
	*bytes = v << shift;
	return 0;
}

static int count_parse(const char *text, size_t len, u32 *n)
{
	char buf[32];
	const char *at = buf;
	u64 v;

	if (trim(text, len, buf, sizeof(buf)) < 0)
		return -EINVAL;
	if (!strcmp(buf, "max")) {
		*n = GROUP_NO_MAX;
		return 0;
	}
	if (digits(&at, &v) < 0 || *at || v > INT32_MAX)
		return -EINVAL;
	*n = (u32)v;
	return 0;
}

/* --- showing and storing -------------------------------------------------------- */

static void show_current(struct memcg *cg, struct text *t)
{
	say(t, "%lu\n", (unsigned long)group_current(cg));
}

static void show_peak(struct memcg *cg, struct text *t)
{
	say(t, "%lu\n", (unsigned long)memcg_peak(cg));
}

static void show_min(struct memcg *cg, struct text *t)
{
	say_limit(t, atomic_load(&cg->counter.min));
}

static void show_low(struct memcg *cg, struct text *t)
{
	say_limit(t, atomic_load(&cg->counter.low));
}

static void show_high(struct memcg *cg, struct text *t)
{
	say_limit(t, atomic_load(&cg->counter.high));
}

static void show_max(struct memcg *cg, struct text *t)
{
	say_limit(t, atomic_load(&cg->counter.max));
}

static int store_limit(struct memcg *cg, unsigned which, const char *buf, size_t len)
{
	u64 bytes;

	if (size_parse(buf, len, &bytes) < 0)
		return -EINVAL;
	return memcg_set_limit(cg, which, bytes);
}

static int store_min(struct memcg *cg, const char *buf, size_t len)
{
	return store_limit(cg, MEMCG_MIN, buf, len);
}

static int store_low(struct memcg *cg, const char *buf, size_t len)
{
	return store_limit(cg, MEMCG_LOW, buf, len);
}

static int store_high(struct memcg *cg, const char *buf, size_t len)
{
	return store_limit(cg, MEMCG_HIGH, buf, len);
}

static int store_max(struct memcg *cg, const char *buf, size_t len)
{
	return store_limit(cg, MEMCG_MAX, buf, len);
}

static int store_reclaim(struct memcg *cg, const char *buf, size_t len)
{
	u64 bytes;

	if (size_parse(buf, len, &bytes) < 0 || bytes == MEMCG_UNLIMITED)
		return -EINVAL;
	return memcg_reclaim(cg, bytes);
}

static void say_events(const u64 *events, struct text *t)
{
	static const char *const name[] = {"low", "high",     "max",
					   "oom", "oom_kill", "oom_group_kill"};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(name); i++)
		say(t, "%s %lu\n", name[i], (unsigned long)atomic_load(&events[i]));
}

static void show_events(struct memcg *cg, struct text *t)
{
	say_events(cg->events, t);
}

static void show_events_local(struct memcg *cg, struct text *t)
{
	say_events(cg->events_local, t);
}

/* The struct is its lines in order, behind current: stat.c asserts it. */
static void show_stat(struct memcg *cg, struct text *t)
{
#define NAME(line) #line,
	static const char *const name[] = {STAT_LINES(NAME)};
#undef NAME
	struct memcg_stat s;
	const u64 *value = (const u64 *)&s + 1;
	size_t i;

	memcg_stat(cg, &s, sizeof(s));
	for (i = 0; i < ARRAY_SIZE(name); i++)
		say(t, "%s %lu\n", name[i], (unsigned long)value[i]);
}

static void show_slack(struct memcg *cg, struct text *t)
{
	say(t, "%lu\n", (unsigned long)stock_sum(cg));
}

static void show_cgroup_stat(struct memcg *cg, struct text *t)
{
	say(t, "nr_descendants %u\nnr_dying_descendants %lu\n", group_descendants(cg),
	    cg == root_group ? (unsigned long)group_dying() : 0ul);
}

static void say_count(struct text *t, u32 n)
{
	if (n == GROUP_NO_MAX)
		say(t, "max\n");
	else
		say(t, "%u\n", n);
}

static void show_max_descendants(struct memcg *cg, struct text *t)
{
	say_count(t, atomic_load(&cg->max_descendants));
}

static void show_max_depth(struct memcg *cg, struct text *t)
{
	say_count(t, atomic_load(&cg->max_depth));
}

static int store_count(u32 *where, const char *buf, size_t len)
{
	u32 n;

	if (count_parse(buf, len, &n) < 0)
		return -EINVAL;
	atomic_store(where, n);
	return 0;
}

static int store_max_descendants(struct memcg *cg, const char *buf, size_t len)
{
	return store_count(&cg->max_descendants, buf, len);
}

static int store_max_depth(struct memcg *cg, const char *buf, size_t len)
{
	return store_count(&cg->max_depth, buf, len);
}

u32 *file_accounting_off;

static void show_accounting(struct memcg *cg, struct text *t)
{
	(void)cg;
	say(t, "%d\n", file_accounting_off && atomic_load(file_accounting_off) ? 0 : 1);
}

static int store_accounting(struct memcg *cg, const char *buf, size_t len)
{
	u32 on;

	if (cg != root_group || !file_accounting_off)
		return -EACCES;
	if (count_parse(buf, len, &on) < 0 || on > 1)
		return -EINVAL;
	atomic_store(file_accounting_off, !on);
	return 0;
}

/* --- the table --------------------------------------------------------------------- */

static const struct file {
	const char *name;
	void (*show)(struct memcg *cg, struct text *t);		     /* NULL: write only */
	int (*store)(struct memcg *cg, const char *buf, size_t len); /* NULL: read only */
} files[] = {
	{"memory.current", show_current, NULL},
	{"memory.peak", show_peak, NULL},
	{"memory.min", show_min, store_min},
	{"memory.low", show_low, store_low},
	{"memory.high", show_high, store_high},
	{"memory.max", show_max, store_max},
	{"memory.reclaim", NULL, store_reclaim},
	{"memory.events", show_events, NULL},
	{"memory.events.local", show_events_local, NULL},
	{"memory.stat", show_stat, NULL},
	{"memory.slack", show_slack, NULL},
	{"memory.accounting", show_accounting, store_accounting},
	{"cgroup.stat", show_cgroup_stat, NULL},
	{"cgroup.max.descendants", show_max_descendants, store_max_descendants},
	{"cgroup.max.depth", show_max_depth, store_max_depth},
};

static const struct file *file_find(const char *name)
{
	size_t i;

	for (i = 0; name && i < ARRAY_SIZE(files); i++)
		if (!strcmp(files[i].name, name))
			return &files[i];
	return NULL;
}

ssize_t memcg_read(struct memcg *cg, const char *file, char *buf, size_t size)
{
	const struct file *f = file_find(file);
	struct text t = {.buf = buf, .size = size};

	if (!f)
		return -ENOENT;
	if (!f->show)
		return -EACCES;
	if (!buf)
		return -EINVAL;
	f->show(cg ? cg : group_active(), &t);
	return t.len < size ? (ssize_t)t.len : -ERANGE;
}

int memcg_write(struct memcg *cg, const char *file, const void *buf, size_t len)
{
	const struct file *f = file_find(file);

	if (!f)
		return -ENOENT;
	if (!f->store)
		return -EACCES;
	if (!buf)
		return -EINVAL;
	return f->store(cg ? cg : group_active(), buf, len);
}
