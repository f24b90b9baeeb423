/*
 * list.c - memcg ls and memcg tree.
 *
 * `ls` with neither a process nor a path lists the processes there are; with one of them the groups
 * directly below. Both show what `columns.h` can of `rows`.
 */
#include "columns.h"
#include "json.h"
#include "look.h"
#include "memcg_cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TAKES (LOOK_JSON | LOOK_BYTES | LOOK_COLUMNS)

const char ls_help[] =
	"usage: memcg ls [-p TARGET] [OPTIONS] [PATH]\n"
	"\n"
	"Without TARGET and PATH: the processes and runs that can be looked at. Else the groups\n"
	"directly below PATH (/ where none is given).\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n"
	"  -c, --columns A,B,...  current,peak,high,max,refused where none are named\n"
	"                         (all there are: memcg(1))\n"
	"  -b, --bytes            exact numbers\n"
	"  -j, --json             all there is to know, for programs\n";

const char tree_help[] =
	"usage: memcg tree [-p TARGET] [OPTIONS] [PATH]\n"
	"\n"
	"The group at PATH (/ where none is given) and all below it.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n"
	"  -d, --depth N          no more than N levels below PATH\n"
	"  -c, --columns A,B,...  current,peak,high,max,refused where none are named\n"
	"  -b, --bytes            exact numbers\n"
	"  -j, --json             all there is to know, for programs\n";

/* ---- JSON ---- */

static void json_row(struct json *j, const struct row *row)
{
	json_open(j, NULL, '{');
	json_string(j, "path", row->path);
	json_number(j, "id", row->id);
#define FIELD(name) json_field(j, #name, row->name);
	SOURCE_FIELDS(FIELD)
#undef FIELD
	if (row->each) {
		json_number(j, "each", row->each);
		json_number(j, "fullest", row->fullest);
	}
	json_close(j, '}');
}

static void json_rows(const struct rows *rows, size_t first)
{
	struct json j;

	json_begin(&j, stdout);
	json_open(&j, NULL, '[');
	for (size_t i = first; i < rows->n; i++)
		json_row(&j, &rows->row[i]);
	json_close(&j, ']');
	json_end(&j);
}

/* ---- names ---- */

/* A process of a run is known by its number to this command, by its name to people. */
static char *shown_name(struct look *l, const struct row *row)
{
	const struct source_info *info = source_info(l->source);
	char comm[32], *name;

	if (info->kind == SOURCE_RUN && isdigit((unsigned char)row->path[1]) &&
	    !strchr(row->path + 1, '/') &&
	    source_read(l->source, row->path, "comm", comm, sizeof(comm)) > 0) {
		comm[strcspn(comm, "\n")] = '\0';
		return asprintf(&name, "%s %s", row->name, comm) < 0 ? NULL : name;
	}
	return strdup(row->name);
}

static bool is_last(const struct rows *rows, size_t i)
{
	for (size_t k = i + 1; k < rows->n && rows->row[k].depth >= rows->row[i].depth; k++)
		if (rows->row[k].parent == rows->row[i].parent)
			return false;
	return true;
}

/* `last` says of each level whether its group is the last below its parent. */
static char *branches_of(const bool *last, unsigned depth)
{
	bool utf8 = out_utf8();
	const char *through = utf8 ? "\u2502  " : "|  ", *end = utf8 ? "\u2514\u2500 " : "`- ";
	const char *fork = utf8 ? "\u251c\u2500 " : "|- ";
	char *text = calloc(depth + 1, 12);

	for (unsigned i = 1; text && i < depth; i++)
		strcat(text, last[i] ? "   " : through);
	if (text && depth)
		strcat(text, last[depth] ? end : fork);
	return text;
}

/* ---- lines ---- */

static void free_lines(struct line *lines, size_t n)
{
	for (size_t i = 0; lines && i < n; i++) {
		free(lines[i].branches);
		free(lines[i].name);
	}
	free(lines);
}

static unsigned deepest(const struct rows *rows)
{
	unsigned depth = 0;

	for (size_t i = 0; i < rows->n; i++)
		if (rows->row[i].depth > depth)
			depth = rows->row[i].depth;
	return depth;
}

static bool fill_line(struct look *l, struct line *line, const struct rows *rows, size_t i,
		      bool *last, bool tree)
{
	const struct row *row = &rows->row[i];

	line->row = row;
	if (tree)
		last[row->depth] = is_last(rows, i);
	line->branches = tree ? branches_of(last, row->depth) : strdup("");
	line->name = i || !tree ? shown_name(l, row) : strdup(row->path);
	return line->branches && line->name;
}

static int print_rows(struct look *l, const struct columns *c, const struct rows *rows,
		      size_t first, bool tree)
{
	struct line *lines = calloc(rows->n + 1, sizeof(*lines));
	bool *last = calloc(deepest(rows) + 1, sizeof(*last)), ok = lines && last;

	for (size_t i = first; ok && i < rows->n; i++)
		ok = fill_line(l, &lines[i - first], rows, i, last, tree);
	if (ok)
		columns_print(c, l, "GROUP", lines, rows->n - first);
	else
		complain(l->command, "no memory");
	free_lines(lines, rows->n);
	free(last);
	return ok ? 0 : STATUS_OURS;
}

static int show(struct look *l, const struct columns *c, unsigned depth, size_t first, bool tree)
{
	struct rows rows = {0};
	int err = source_rows(l->source, look_path(l), depth, &rows), status = 0;

	if (err)
		status = look_refused(l, err);
	else if (l->json)
		json_rows(&rows, first);
	else
		status = print_rows(l, c, &rows, first, tree);
	rows_free(&rows);
	return status;
}

/* ---- processes ---- */

#define LS_PATIENCE_MS \
	1000 /* for each: one that is stopped must not keep the others from being shown */

struct found {
	struct source_info *info;
	struct rows rows; /* its root; none: it does not answer */
	char why[256];
};

static void look_at(struct found *f)
{
	struct source *s = source_open_found(f->info, f->why, sizeof(f->why));

	if (!s)
		return;
	if (source_rows(s, "/", 0, &f->rows))
		snprintf(f->why, sizeof(f->why), "%s", source_why(s));
	source_close(s);
}

static void json_process(struct json *j, const struct found *f)
{
	const struct row *row = f->rows.row;

	json_open(j, NULL, '{');
	json_number(j, "pid", (uint64_t)f->info->pid);
	json_string(j, "kind", f->info->kind == SOURCE_RUN ? "run" : "process");
	json_string(j, "comm", f->info->comm);
	json_string(j, "command", f->info->command);
	json_string(j, "where", f->info->where);
	if (f->rows.n) {
		json_field(j, "current", row->current);
		json_field(j, "peak", row->peak);
		json_field(j, "high", row->high);
		json_field(j, "max", row->max);
		json_field(j, "refused", row->refused);
		json_field(j, "children", row->children);
		if (row->each) {
			json_number(j, "each", row->each);
			json_number(j, "fullest", row->fullest);
		}
	} else {
		json_string(j, "error", f->why);
	}
	json_close(j, '}');
}

static void json_processes(const struct found *f, size_t n)
{
	struct json j;

	json_begin(&j, stdout);
	json_open(&j, NULL, '[');
	for (size_t i = 0; i < n; i++)
		json_process(&j, &f[i]);
	json_close(&j, ']');
	json_end(&j);
}

static const struct row unanswered = {
#define UNKNOWN(name) .name = SOURCE_UNKNOWN,
	SOURCE_FIELDS(UNKNOWN)
#undef UNKNOWN
};

/* Without the directories of the first word. */
static const char *base_name(const char *command)
{
	const char *end = command + strcspn(command, " ");

	while (end > command && end[-1] != '/')
		end--;
	return end;
}

/* The command is cut: whoever wants all of it asks for --json. */
static bool process_line(struct line *line, const struct found *f)
{
	const char *command = f->info->command[0] ? f->info->command : f->info->comm;

	if (f->info->kind ==
	    SOURCE_RUN) /* its own place is of no use, and the program stands last */
		command = base_name(command);
	line->row = f->rows.n ? f->rows.row : &unanswered;
	line->branches = strdup("");
	if (asprintf(&line->name, "%d %.96s%s", (int)f->info->pid, command,
		     f->rows.n ? "" : " (does not answer)") < 0)
		line->name = NULL;
	return line->branches && line->name;
}

static int print_processes(const struct look *l, const struct columns *c, const struct found *f,
			   size_t n)
{
	struct line *lines = calloc(n + 1, sizeof(*lines));
	char place[SOURCE_PLACE];

	bool ok = lines;

	for (size_t i = 0; ok && i < n; i++)
		ok = process_line(&lines[i], &f[i]);
	/* The reasons go first, apart from what is asked for. */
	for (size_t i = 0; i < n; i++)
		if (!f[i].rows.n)
			complain(l->command, "%d: %s", (int)f[i].info->pid, f[i].why);
	if (!ok)
		complain(l->command, "no memory");
	else if (n)
		columns_print(c, l, "PROCESS", lines, n);
	else
		complain(l->command,
			 "no process is there to look at in %s: start one by memcg run, or with "
			 "MEMCG_CONTROL=1 in the environment of a program that has the library",
			 source_place(place));
	free_lines(lines, n);
	return ok ? 0 : STATUS_OURS;
}

static int list_processes(const struct look *l, const struct columns *c)
{
	struct source_info *list;
	struct found *found;
	size_t n;
	int status = 0, err = source_find(true, &list, &n);

	source_patience(LS_PATIENCE_MS);
	found = err ? NULL : calloc(n + 1, sizeof(*found));
	if (!found) {
		complain(l->command, "no memory");
		return STATUS_OURS;
	}
	for (size_t i = 0; i < n; i++) {
		found[i].info = &list[i];
		look_at(&found[i]);
	}
	if (l->json)
		json_processes(found, n);
	else
		status = print_processes(l, c, found, n);
	for (size_t i = 0; i < n; i++)
		rows_free(&found[i].rows);
	free(found);
	free(list);
	return status;
}

/* ---- the commands ---- */

static int too_many(const struct look *l)
{
	return look_usage(l, "'%s' is one argument too many (a path begins with /)", l->arg[0]);
}

static int start(struct look *l, struct columns *c, unsigned takes, int argc, char **argv)
{
	int status = look_parse(l, takes, argc, argv);

	if (!status && (l->nr > 1 || (l->nr && l->arg[0][0] != '/'))) {
		l->arg += l->arg[0][0] == '/';
		status = too_many(l);
	}
	return status ? status : columns_choose(c, l);
}

int cmd_ls(int argc, char **argv)
{
	struct columns c;
	struct look l;
	int status = start(&l, &c, TAKES, argc, argv);

	if (status)
		return status;
	if (!l.target && !l.nr)
		status = list_processes(&l, &c);
	else if (!(status = look_open(&l)))
		status = show(&l, &c, 1, 1, false);
	columns_free(&c);
	return look_end(&l, status);
}

int cmd_tree(int argc, char **argv)
{
	struct columns c;
	struct look l;
	int status = start(&l, &c, TAKES | LOOK_DEPTH, argc, argv);

	if (status)
		return status;
	status = look_open(&l);
	if (!status)
		status = show(&l, &c, l.depth, 0, true);
	columns_free(&c);
	return look_end(&l, status);
}
