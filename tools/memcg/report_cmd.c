/*
 * report_cmd.c - memcg report: what a process that runs has to say, as text or as a page.
 *
 * The text is the process's own memory.report. A `memcg run` has only what its processes have
 * published; of that the text is a table of its groups. The page is made of one look at all rows.
 */
#include "account_live.h"
#include "columns.h"
#include "look.h"
#include "memcg_cmd.h"
#include "web.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char report_help[] =
	"usage: memcg report [-p TARGET] [--html FILE] [PATH]\n"
	"\n"
	"Prints the report of a process that runs: what each group of it has, and whether the\n"
	"counters agree with the memory. PATH is the group to begin with (/). Of a memcg run\n"
	"without --control: what its processes have told, as a table.\n"
	"\n"
	"  -p, --process TARGET  a PID or a socket's path; without, the only process there is\n"
	"  --html FILE           write a page for a browser to FILE (-: standard output)\n";

/* ---- text ---- */

static void print_cell(const struct row *row, const char *name)
{
	char text[CELL_TEXT];

	printf(" %14s", columns_cell(row, name, true, text));
}

static void print_rows(const struct rows *rows)
{
	printf("%-28s %14s %14s %14s %14s\n", "group", "current", "peak", "limit", "refusals");
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = &rows->row[i];

		printf("%-28s", r->path);
		print_cell(r, "current");
		print_cell(r, "peak");
		print_cell(r, "max");
		print_cell(r, "refused");
		putchar('\n');
	}
}

/* A run has no such file. */
static bool has_none(int err)
{
	return err == -ENOENT || err == -EOPNOTSUPP;
}

static int print_report(struct look *l, const char *path)
{
	struct rows rows = {0};
	int err;
	char *text = look_read(l, path, "memory.report", &err);

	if (text) {
		fputs(text, stdout);
		free(text);
		return 0;
	}
	if (has_none(err)) {
		err = source_rows(l->source, path, UINT32_MAX, &rows);
		if (!err)
			print_rows(&rows);
		rows_free(&rows);
	}
	return err ? look_refused(l, err) : 0;
}

/* ---- the page ---- */

/* Status; what could not be written is told by its errno. */
static int put_page(const struct look *l, const struct account *a)
{
	bool here = !strcmp(l->html, "-");
	FILE *to = here ? stdout : fopen(l->html, "we");
	int err = to ? web_write(to, a) : -errno;

	if (to && !here && fclose(to) && !err)
		err = -errno;
	if (!err)
		return 0;
	complain(l->command, "--html: '%s' cannot be written: %s", l->html, strerror(-err));
	return STATUS_OURS;
}

/* The number of groups that were destroyed and are not free of memory; NULL: none. */
static const char *dying(const char *stat)
{
	static const char name[] = "nr_dying_descendants ";
	const char *line = stat ? strstr(stat, name) : NULL;

	return line && line[strlen(name)] != '0' ? line : NULL;
}

static int make_page(struct look *l, const char *path, const struct rows *rows)
{
	struct account account;
	int err, status;
	char *text = look_read(l, path, "memory.report", &err);
	char *owners = look_read(l, path, "memory.owners", &err);
	char *stat = look_read(l, path, "cgroup.stat", &err);

	err = account_live(&account, source_info(l->source), rows, text, owners);
	if (err) {
		complain(l->command, "%s", strerror(-err));
		status = STATUS_OURS;
	} else {
		account.leftovers = dying(stat);
		status = put_page(l, &account);
	}
	account_free(&account);
	free(text);
	free(owners);
	free(stat);
	return status;
}

static int page(struct look *l, const char *path)
{
	struct rows rows = {0};
	int err = source_rows(l->source, path, UINT32_MAX, &rows), status;

	status = err ? look_refused(l, err) : make_page(l, path, &rows);
	rows_free(&rows);
	return status;
}

int cmd_report(int argc, char **argv)
{
	const char *path;
	struct look l;
	int status = look_parse(&l, LOOK_HTML, argc, argv);

	if (status)
		return status;
	path = look_path(&l);
	if (l.nr)
		return look_usage(&l, "'%s' is no path of a group: those begin with /", l.arg[0]);
	status = look_open(&l);
	if (!status)
		status = l.html ? page(&l, path) : print_report(&l, path);
	return look_end(&l, status);
}
