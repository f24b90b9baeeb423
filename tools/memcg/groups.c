/*
 * groups.c - memcg mkdir, rmdir and move.
 *
 * Several paths are made or removed in their order; one that is refused ends nothing, as with
 * mkdir(1), and shows in the status.
 */
#include "columns.h"
#include "json.h"
#include "look.h"
#include "memcg_cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char mkdir_help[] =
	"usage: memcg mkdir [-p TARGET] [--parents] PATH ...\n"
	"\n"
	"Makes groups. Nobody is in one that is made from outside until the program enters it.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n"
	"      --parents          those above it too, and no error where it is there already\n";

const char rmdir_help[] =
	"usage: memcg rmdir [-p TARGET] PATH ...\n"
	"\n"
	"Takes groups offline, at once, whatever they own: that is their parent's then. A group with\n"
	"others below it is busy.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n";

const char move_help[] =
	"usage: memcg move [-p TARGET] [-n] [-j] PATH TO\n"
	"\n"
	"Moves the managed memory that PATH pays for to the group TO, and says how much went.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n"
	"  -n, --dry-run          only say what would go\n"
	"  -b, --bytes            exact numbers\n"
	"  -j, --json             for programs\n";

/* ---- mkdir and rmdir ---- */

static int make_all(struct look *l, char *path)
{
	int err = 0;

	for (char *slash = path; !err && (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		err = source_mkdir(l->source, path);
		*slash = '/';
		/* What is above may be a process, which is there and cannot be made. */
		if (err == -EEXIST || err == -ENOENT || err == -EINVAL)
			err = 0;
	}
	if (!err)
		err = source_mkdir(l->source, path);
	return err == -EEXIST ? 0 : err;
}

static int make(struct look *l, char *path)
{
	return l->parents ? make_all(l, path) : source_mkdir(l->source, path);
}

static int take_away(struct look *l, char *path)
{
	return source_rmdir(l->source, path);
}

static int check_paths(const struct look *l)
{
	if (!l->nr)
		return look_usage(l, "no group is named");
	for (int i = 0; i < l->nr; i++)
		if (l->arg[i][0] != '/' || !l->arg[i][1])
			return look_usage(l, "'%s' is not the path of a group (want /NAME)",
					  l->arg[i]);
	return 0;
}

static int each(unsigned takes, int argc, char **argv, int (*one)(struct look *l, char *path))
{
	struct look l;
	int status = look_parse(&l, takes, argc, argv), err;

	if (!status)
		status = check_paths(&l);
	if (status)
		return status;
	status = look_open(&l);
	for (int i = 0; l.source && i < l.nr; i++) {
		err = one(&l, l.arg[i]);
		if (err)
			status = look_refused(&l, err);
	}
	return look_end(&l, status);
}

int cmd_mkdir(int argc, char **argv)
{
	return each(LOOK_PARENTS, argc, argv, make);
}

int cmd_rmdir(int argc, char **argv)
{
	return each(0, argc, argv, take_away);
}

/* ---- move ---- */

struct part {
	const char *name;
	uint64_t bytes;
	const char *says;
};

static void print_move(const struct look *l, const struct source_move *m)
{
	const struct part parts[] = {
		{"moved", m->moved, l->dry ? "would go" : "went"},
		{"mapped_elsewhere", m->mapped_elsewhere, "stays: others have it mapped too"},
		{"busy", m->busy, "stays: in use at this moment"},
		{"not_ours", m->not_ours, "stays: paid for by another group"},
		{"refused", m->refused, "does not fit below a max of the target"},
	};
	struct json j;
	char buf[32];

	json_begin(&j, stdout);
	if (l->json)
		json_open(&j, NULL, '{');
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (l->json)
			json_number(&j, parts[i].name, parts[i].bytes);
		else if (parts[i].bytes || !i)
			printf("%-16s %12s  %s\n", parts[i].name,
			       columns_value("current", parts[i].bytes, l->bytes, buf),
			       parts[i].says);
	}
	if (l->json) {
		json_number(&j, "nsec", m->nsec);
		json_close(&j, '}');
		json_end(&j);
	}
}

int cmd_move(int argc, char **argv)
{
	struct source_move m;
	struct look l;
	int status = look_parse(&l, LOOK_DRY | LOOK_JSON | LOOK_BYTES, argc, argv), err;

	if (status)
		return status;
	if (l.nr != 2 || l.arg[0][0] != '/' || l.arg[1][0] != '/')
		return look_usage(&l, "want two paths of groups: from, and to");
	status = look_open(&l);
	if (status)
		return status;
	err = source_move(l.source, l.arg[0], l.arg[1], l.dry, &m);
	if (err)
		status = look_refused(&l, err);
	else
		print_move(&l, &m);
	return look_end(&l, status);
}
