/* stat.c - memcg stat: one group, what it has by kind, and what happened to it. */
#include "columns.h"
#include "json.h"
#include "look.h"
#include "memcg_cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char stat_help[] =
	"usage: memcg stat [-p TARGET] [OPTIONS] [PATH]\n"
	"\n"
	"Usage and limits of the group at PATH (/ where none is given), then its memory.stat,\n"
	"memory.events and memory.pressure: lines that are not 0.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n"
	"  -a, --all              lines that are 0 too\n"
	"  -b, --bytes            exact numbers\n"
	"  -j, --json             all of it, for programs\n";

static const char *const heads[] = {"current", "peak", "min", "low", "high", "max", "swap_current"};

static const char *const files[] = {"memory.stat", "memory.events", "memory.pressure"};

/* Lines of memory.stat that count what happened; the others are bytes. */
static bool is_count(const char *line)
{
	static const char *const prefixes[] = {
		"pg",	   "workingset_", "pswp",	 "swpin", "swpout",
		"zswpin",  "zswpout",	  "zswpwb",	 "thp_",  "numa_",
		"charge_", "move_charge", "zswap_incomp"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(line, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* ---- for people ---- */

static void put_line(const char *name, const char *value)
{
	printf("  %-26s %14s\n", name, value);
}

static void print_heads(const struct look *l, const struct row *row)
{
	char buf[32];

	printf("%s\n", row->path);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint64_t value = *row_field(row, heads[i]);

		if (value != SOURCE_UNKNOWN)
			put_line(heads[i], columns_value(heads[i], value, l->bytes, buf));
	}
}

static void print_number(const struct look *l, const char *file, char *line)
{
	char *blank = strrchr(line, ' '), *end, buf[32];
	bool count = strcmp(file, "memory.stat") || is_count(line);
	uint64_t value;

	if (!blank)
		return;
	value = strtoull(blank + 1, &end, 10);
	*blank = '\0';
	put_line(line, columns_value(count ? "id" : "current", value, l->bytes, buf));
}

static bool ends_with(const char *line, const char *end)
{
	size_t n = strlen(line), m = strlen(end);

	return n >= m && !strcmp(line + n - m, end);
}

static void print_file(const struct look *l, const char *file, char *text)
{
	bool titled = false, pressure = !strcmp(file, "memory.pressure");
	char *line;

	while ((line = strsep(&text, "\n")) && *line) {
		if (!l->all && ends_with(line, pressure ? "total=0" : " 0"))
			continue;
		if (!titled)
			printf("%s\n", file);
		titled = true;
		if (pressure)
			printf("  %s\n", line);
		else
			print_number(l, file, line);
	}
}

/* ---- for programs ---- */

static void json_file(struct json *j, const char *file, char *text)
{
	char *line, *blank;

	if (!strcmp(file, "memory.pressure")) {
		json_string(j, file, text);
		return;
	}
	json_open(j, file, '{');
	while ((line = strsep(&text, "\n")) && *line) {
		blank = strrchr(line, ' ');
		if (!blank)
			continue;
		*blank = '\0';
		json_number(j, line, strtoull(blank + 1, NULL, 10));
	}
	json_close(j, '}');
}

static int show(struct look *l, const char *path, struct json *j, const struct row *row)
{
	if (l->json) {
		json_string(j, "path", row->path);
		for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
			json_field(j, heads[i], *row_field(row, heads[i]));
	} else {
		print_heads(l, row);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int err;
		char *text = look_read(l, path, files[i], &err);

		if (!text && (err == -EOPNOTSUPP || err == -ENOENT))
			continue; /* of a run's group less is known */
		if (!text)
			return err;
		if (l->json)
			json_file(j, files[i], text);
		else
			print_file(l, files[i], text);
		free(text);
	}
	return 0;
}

static int stat_group(struct look *l)
{
	const char *path = look_path(l);
	struct rows rows = {0};
	struct json j;
	int err = source_rows(l->source, path, 0, &rows);

	if (!err) {
		json_begin(&j, stdout);
		if (l->json)
			json_open(&j, NULL, '{');
		err = show(l, path, &j, &rows.row[0]);
		if (l->json) {
			json_close(&j, '}');
			json_end(&j);
		}
	}
	rows_free(&rows);
	return err ? look_refused(l, err) : 0;
}

int cmd_stat(int argc, char **argv)
{
	struct look l;
	int status = look_parse(&l, LOOK_JSON | LOOK_BYTES | LOOK_ALL, argc, argv);

	if (status)
		return status;
	if (l.nr > 1 || (l.nr && l.arg[0][0] != '/'))
		return look_usage(&l, "'%s' is not the path of a group, or one too many",
				  l.arg[l.nr - 1]);
	status = look_open(&l);
	return look_end(&l, status ? status : stat_group(&l));
}
