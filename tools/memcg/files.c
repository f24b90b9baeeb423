/*
 * files.c - memcg get and memcg set: files of a group.
 *
 * One file is printed as it is, as cat would. Several are printed as cgget(1) does: the name before
 * each, further lines of it behind a tab. Short names are those of memory.*: `max` is memory.max.
 */
#include "json.h"
#include "look.h"
#include "memcg_cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char get_help[] =
	"usage: memcg get [-p TARGET] [-j] [PATH] [FILE ...]\n"
	"\n"
	"Files of the group at PATH (/ where none is given), as memcg-files(5) has them. FILE is a\n"
	"name like memory.max, or max for short. Without one: all that are a single line.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n"
	"  -a, --all              without FILE: all that can be read\n"
	"  -j, --json             an object: numbers, \"max\", objects for lines of name and number\n";

const char set_help[] =
	"usage: memcg set [-p TARGET] [PATH] FILE VALUE\n"
	"       memcg set [-p TARGET] [PATH] FILE=VALUE ...\n"
	"\n"
	"Writes files of the group at PATH (/ where none is given): memory.max 64M, or max=64M for\n"
	"short. The first that is refused ends it. A VALUE that begins with - stands behind --.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n";

/* "max" is memory.max; names of the run's own have no dot and no longer form. */
static const char *full_name(const char *name, char buf[64])
{
	if (!strncmp(name, "memory.", 7) || !strncmp(name, "cgroup.", 7) || !strcmp(name, "comm") ||
	    !strcmp(name, "command"))
		return name;
	snprintf(buf, 64, "memory.%s", name);
	return buf;
}

/* ---- get ---- */

static bool is_number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && (!*end || (*end == '\n' && !end[1])) && !errno;
}

/* Every line a name, a blank, a number. */
static bool is_table(const char *text)
{
	uint64_t value;
	char word[32];
	int n;

	if (!*text)
		return false;
	for (; *text; text += n) {
		n = 0;
		if (sscanf(text, "%*[^ \n] %31[0-9]%n", word, &n) != 1 || text[n] != '\n' ||
		    !is_number(word, &value))
			return false;
		n++;
	}
	return true;
}

static void json_table(struct json *j, const char *file, char *text)
{
	char *line, *number;

	json_open(j, file, '{');
	while ((line = strsep(&text, "\n")) && *line) {
		number = strrchr(line, ' ');
		*number = '\0';
		json_number(j, line, strtoull(number + 1, NULL, 10));
	}
	json_close(j, '}');
}

static void json_file(struct json *j, const char *file, char *text)
{
	uint64_t value;

	if (is_number(text, &value)) {
		json_number(j, file, value);
	} else if (is_table(text)) {
		json_table(j, file, text);
	} else {
		size_t n = strlen(text);

		if (n && text[n - 1] == '\n')
			text[n - 1] = '\0';
		json_string(j, file, text);
	}
}

/* Control characters but newlines and tabs are nothing a file has: a terminal would obey them. */
static void put_text(const char *text, const char *after_newline)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		fputc((c < ' ' && c != '\n' && c != '\t') || c == 127 ? '?' : c, stdout);
		if (c == '\n' && text[1])
			fputs(after_newline, stdout);
	}
}

static void put_named(const char *file, const char *text)
{
	size_t n = strlen(text);

	printf("%s: ", file);
	put_text(text, "\t");
	if (!n || text[n - 1] != '\n')
		fputc('\n', stdout);
}

struct getting {
	struct look *look;
	const char *path;
	struct json json;
	bool alone;	   /* one file was asked for */
	bool single_lines; /* others are passed over */
};

static int get_file(struct getting *g, const char *file)
{
	int err;
	char *text = look_read(g->look, g->path, file, &err), *newline;

	if (!text)
		return err;
	newline = strchr(text, '\n');
	if (g->single_lines && (!newline || newline[1]))
		;
	else if (g->look->json)
		json_file(&g->json, file, text);
	else if (g->alone)
		put_text(text, "");
	else
		put_named(file, text);
	free(text);
	return 0;
}

static int get_named(struct getting *g)
{
	int err = 0;
	char buf[64];

	for (int i = 0; !err && i < g->look->nr; i++)
		err = get_file(g, full_name(g->look->arg[i], buf));
	return err;
}

static bool takes_long(const char *file)
{
	return !strcmp(file, "memory.owners") || !strcmp(file, "memory.report");
}

static int get_all(struct getting *g)
{
	struct source_file *list;
	size_t n;
	int err = source_files(g->look->source, g->path, &list, &n);

	if (err)
		return err;
	g->single_lines = !g->look->all;
	for (size_t i = 0; !err && i < n; i++)
		if (list[i].readable && (g->look->all || !takes_long(list[i].name)))
			err = get_file(g, list[i].name);
	free(list);
	return err;
}

static int get(struct look *l)
{
	struct getting g = {.look = l, .path = look_path(l)};
	int err;

	g.alone = l->nr == 1;
	json_begin(&g.json, stdout);
	if (l->json)
		json_open(&g.json, NULL, '{');
	err = l->nr ? get_named(&g) : get_all(&g);
	if (l->json) {
		json_close(&g.json, '}');
		json_end(&g.json);
	}
	return err ? look_refused(l, err) : 0;
}

int cmd_get(int argc, char **argv)
{
	struct look l;
	int status = look_parse(&l, LOOK_JSON | LOOK_ALL, argc, argv);

	if (status)
		return status;
	status = look_open(&l);
	return look_end(&l, status ? status : get(&l));
}

/* ---- set ---- */

static int set_one(struct look *l, const char *path, const char *name, const char *value)
{
	char buf[64];
	int err = source_write(l->source, path, full_name(name, buf), value);

	return err ? look_refused(l, err) : 0;
}

static int set_pairs(struct look *l, const char *path)
{
	int status = 0;

	for (int i = 0; i < l->nr; i++)
		if (!strchr(l->arg[i], '='))
			return look_usage(l, "'%s' is not FILE=VALUE", l->arg[i]);
	for (int i = 0; !status && i < l->nr; i++) {
		char *equals = strchr(l->arg[i], '=');

		*equals = '\0';
		status = set_one(l, path, l->arg[i], equals + 1);
	}
	return status;
}

/* A first argument without '=' is the name of a file, and what follows is its text. */
static int set(struct look *l, const char *path)
{
	if (strchr(l->arg[0], '='))
		return set_pairs(l, path);
	return set_one(l, path, l->arg[0], l->arg[1]);
}

int cmd_set(int argc, char **argv)
{
	const char *path;
	struct look l;
	int status = look_parse(&l, 0, argc, argv);

	if (status)
		return status;
	path = look_path(&l);
	if (!l.nr)
		return look_usage(&l, "nothing to set: FILE=VALUE is missing");
	if (!strchr(l.arg[0], '=') && l.nr != 2)
		return look_usage(&l, "'%s': want FILE=VALUE, or FILE and VALUE", l.arg[0]);
	status = look_open(&l);
	return look_end(&l, status ? status : set(&l, path));
}
