/* look.c - see look.h. */
#include "look.h"

#include "memcg_cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (64u << 20)

/* ---- options ---- */

struct look_option {
	char letter;
	const char *name;
	unsigned takes; /* 0: all commands do */
	bool (*set)(struct look *l, const char *value);
	bool has_value;
};

static bool set_target(struct look *l, const char *value)
{
	l->target = value;
	return *value;
}

static bool set_json(struct look *l, const char *value)
{
	(void)value;
	return l->json = true;
}

static bool set_bytes(struct look *l, const char *value)
{
	(void)value;
	return l->bytes = true;
}

static bool set_all(struct look *l, const char *value)
{
	(void)value;
	return l->all = true;
}

static bool set_dry(struct look *l, const char *value)
{
	(void)value;
	return l->dry = true;
}

static bool set_parents(struct look *l, const char *value)
{
	(void)value;
	return l->parents = true;
}

static bool set_columns(struct look *l, const char *value)
{
	l->columns = value;
	return *value;
}

static bool set_html(struct look *l, const char *value)
{
	l->html = value;
	return *value;
}

static bool parse_number(const char *value, unsigned long *n)
{
	char *end;

	errno = 0;
	*n = strtoul(value, &end, 10);
	return value[0] >= '0' && value[0] <= '9' && !*end && !errno;
}

static bool set_depth(struct look *l, const char *value)
{
	unsigned long n;

	if (!parse_number(value, &n) || n >= UINT_MAX)
		return false;
	l->depth = (unsigned)n;
	return true;
}

static bool set_count(struct look *l, const char *value)
{
	unsigned long n;

	if (!parse_number(value, &n) || !n)
		return false;
	l->count = n;
	return true;
}

static bool set_timeout(struct look *l, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds >= 0) || seconds > 1e6)
		return false;
	l->timeout_ms = (int)(seconds * 1000);
	return true;
}

static const struct look_option look_options[] = {
	{'p', "process", 0, set_target, true},
	{'j', "json", LOOK_JSON, set_json, false},
	{'b', "bytes", LOOK_BYTES, set_bytes, false},
	{'a', "all", LOOK_ALL, set_all, false},
	{'d', "depth", LOOK_DEPTH, set_depth, true},
	{'c', "columns", LOOK_COLUMNS, set_columns, true},
	{'n', "dry-run", LOOK_DRY, set_dry, false},
	{'n', "count", LOOK_COUNT, set_count, true},
	{'t', "timeout", LOOK_TIMEOUT, set_timeout, true},
	{0, "parents", LOOK_PARENTS, set_parents, false},
	{0, "html", LOOK_HTML, set_html, true},
};

/* "-p", "-pVALUE", "--process", "--process=VALUE". */
static bool matches(const struct look_option *o, const char *arg, const char **value)
{
	size_t n = strlen(o->name);

	*value = NULL;
	if (arg[1] != '-') {
		if (!o->letter || arg[1] != o->letter || (arg[2] && !o->has_value))
			return false;
		*value = arg[2] ? arg + 2 : NULL;
		return true;
	}
	if (strncmp(arg + 2, o->name, n) || (arg[2 + n] && arg[2 + n] != '='))
		return false;
	*value = arg[2 + n] ? arg + 3 + n : NULL;
	return true;
}

static const struct look_option *find_option(const char *arg, unsigned takes, const char **value)
{
	for (size_t i = 0; i < sizeof(look_options) / sizeof(look_options[0]); i++) {
		const struct look_option *o = &look_options[i];

		if ((!o->takes || (o->takes & takes)) && matches(o, arg, value))
			return o;
	}
	return NULL;
}

int look_usage(const struct look *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain(l->command, "%s; see memcg %s --help", text, l->command);
	return STATUS_USAGE;
}

static int take_option(struct look *l, unsigned takes, int argc, char **argv, int *at)
{
	const char *value, *arg = argv[*at];
	const struct look_option *o = find_option(arg, takes, &value);

	if (!o)
		return look_usage(l, "%s is not an option", arg);
	if (value && !o->has_value)
		return look_usage(l, "--%s takes no value", o->name);
	if (o->has_value && !value) {
		if (++*at == argc)
			return look_usage(l, "%s: its value is missing", arg);
		value = argv[*at];
	}
	if (!o->set(l, value))
		return look_usage(l, "--%s: '%s' is not a value for it", o->name, value);
	return 0;
}

/* Options may stand anywhere before "--"; the rest moves to the front. */
int look_parse(struct look *l, unsigned takes, int argc, char **argv)
{
	int status;

	*l = (struct look){
		.command = argv[0], .depth = UINT_MAX, .timeout_ms = -1, .arg = argv + 1};
	for (int at = 1; at < argc; at++) {
		if (!strcmp(argv[at], "--")) {
			while (++at < argc)
				l->arg[l->nr++] = argv[at];
			break;
		}
		if (argv[at][0] != '-' || !argv[at][1]) {
			l->arg[l->nr++] = argv[at];
			continue;
		}
		status = take_option(l, takes, argc, argv, &at);
		if (status)
			return status;
	}
	return 0;
}

/* ---- the rest ---- */

int look_open(struct look *l)
{
	char why[512];

	l->source = source_open(l->target, why, sizeof(why));
	if (l->source)
		return 0;
	complain(l->command, "%s%s", why, l->target ? "" : " (memcg COMMAND -p PID; memcg ls)");
	return STATUS_OURS;
}

const char *look_path(struct look *l)
{
	if (!l->nr || l->arg[0][0] != '/')
		return "/";
	l->nr--;
	return *l->arg++;
}

/* What to do about it, where the answer alone does not say. */
static const char *advice(const char *command, int err)
{
	static const struct {
		const char *command;
		int err;
		const char *text;
	} known[] = {
		{"mkdir", EEXIST, " (--parents takes what is there)"},
		{"mkdir", ENOENT, " (--parents makes those above it too)"},
		{"rmdir", EBUSY, " (groups below it must go first: memcg tree)"},
		{"set", EINVAL, " (what it takes: memcg-files(5))"},
		{"set", ENOENT, " (what there is: memcg tree, memcg get --all)"},
		{"get", ENOENT, " (what there is: memcg tree, memcg get --all)"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].command, command) && known[i].err == -err)
			return known[i].text;
	return "";
}

int look_refused(const struct look *l, int err)
{
	const char *why = source_why(l->source);

	complain(l->command, "%s%s", *why ? why : strerror(-err), advice(l->command, err));
	return err == -EPIPE || err == -EPROTO || err == -ETIMEDOUT ? STATUS_OURS : STATUS_REFUSED;
}

int look_end(struct look *l, int status)
{
	source_close(l->source);
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	complain(l->command, "cannot write to standard output");
	return status ? status : STATUS_OURS;
}

char *look_read(struct look *l, const char *path, const char *file, int *err)
{
	size_t size = 16384;
	char *text = NULL, *grown;
	ssize_t n;

	do {
		grown = realloc(text, size);
		if (!grown) {
			free(text);
			*err = -ENOMEM;
			return NULL;
		}
		text = grown;
		n = source_read(l->source, path, file, text, size);
		size *= 4;
	} while (n == -ERANGE && size <= TEXT_MAX);
	if (n >= 0)
		return text;
	*err = (int)n;
	free(text);
	return NULL;
}
