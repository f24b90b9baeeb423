/* run.c - a `memcg run` as a source: what paths lead to. See run.h. */
#include "run.h"

#include "directory.h"
#include "proc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- paths ---- */

void run_process_path(const struct run *r, pid_t pid, char *buf, size_t size)
{
	if (r->only)
		snprintf(buf, size, "/");
	else
		snprintf(buf, size, "/%d", (int)pid);
}

/* "/1234/rest": the pid, and *rest at "/rest" or "/". 0: no such path. */
static pid_t parse_pid(const char *path, const char **rest)
{
	char *end;
	long pid;

	if (path[0] != '/' || !isdigit((unsigned char)path[1]))
		return 0;
	pid = strtol(path + 1, &end, 10);
	if (pid <= 0 || pid > INT32_MAX || (*end && *end != '/'))
		return 0;
	*rest = end[0] && end[1] ? end : "/";
	return (pid_t)pid;
}

static const struct slot_row *find_row(const struct slot_view *v, const char *name)
{
	for (uint64_t i = 0; i < v->nr_rows; i++)
		if (!strcmp(slots_row_name(&v->rows[i]), name))
			return &v->rows[i];
	return NULL;
}

static int no_group(struct run *r, const char *path)
{
	return source_fail(&r->base, -ENOENT, "%s: there is no such group", path);
}

int run_place(struct run *r, const char *path, struct place *out)
{
	const char *rest = path;
	pid_t pid = r->only;

	out->kind = PLACE_RUN;
	out->row = NULL;
	out->peer = NULL;
	if (!slots_run_lives(&r->slots))
		return source_fail(&r->base, -EPIPE, "memcg run %d has ended", (int)r->slots.pid);
	if (!pid) {
		if (!strcmp(path, "/"))
			return 0;
		pid = parse_pid(path, &rest);
	}
	if (!pid || !slots_find(&r->slots, pid, &out->process)) {
		if (r->only)
			return source_fail(&r->base, -EPIPE, "process %d has ended", (int)pid);
		return source_fail(&r->base, -ENOENT, "%s: memcg run %d has no such process%s",
				   path, (int)r->slots.pid,
				   pid ? ""
				       : " (groups are below /PID; made, removed and moved when "
					 "it was started with --control)");
	}
	out->kind = PLACE_PROCESS;
	out->rest = rest;
	out->peer = run_peer(r, pid, out->process.start);
	if (out->peer || !strcmp(rest, "/"))
		return 0;
	out->kind = PLACE_GROUP;
	out->row = rest[0] == '/' ? find_row(&out->process.view, rest + 1) : NULL;
	return out->row ? 0 : no_group(r, path);
}

void run_totals(struct run *r, struct run_totals *out)
{
	struct process_view p;
	uint32_t at = 0;

	*out = (struct run_totals){0};
	while (slots_next(&r->slots, &at, &p)) {
		out->current += p.view.current;
		out->peak += p.view.peak;
		out->refused += p.view.refusals;
		out->cached += p.view.cached;
		out->metadata += p.view.metadata;
		out->maps += p.view.maps;
		out->processes++;
		if (p.view.current > out->fullest)
			out->fullest = p.view.current;
	}
}

/* ---- processes that answer for themselves ---- */

static struct source *open_peer(pid_t pid)
{
	struct entry e;
	char why[SOURCE_WHY];

	if (!directory_find(pid, &e) || e.kind != SOURCE_SOCKET)
		return NULL;
	return socket_open(e.path, pid, why, sizeof(why));
}

static void forget_peer(struct run *r, unsigned i)
{
	source_close(r->peers[i].source);
	r->peers[i] = r->peers[--r->nr_peers];
}

/* A socket that broke is opened again at the next look: the process may live on. */
static struct source *kept_peer(struct run *r, pid_t pid, uint64_t start)
{
	for (unsigned i = 0; i < r->nr_peers; i++) {
		if (r->peers[i].pid != pid)
			continue;
		if (r->peers[i].start == start && source_fd(r->peers[i].source) >= 0)
			return r->peers[i].source;
		forget_peer(r, i);
		break;
	}
	return NULL;
}

struct source *run_peer(struct run *r, pid_t pid, uint64_t start)
{
	struct source *s = kept_peer(r, pid, start);

	if (s || r->nr_peers == RUN_PEERS)
		return s;
	s = open_peer(pid);
	if (s)
		r->peers[r->nr_peers++] = (struct peer){pid, start, s};
	return s;
}

void run_peers_close(struct run *r)
{
	while (r->nr_peers)
		forget_peer(r, r->nr_peers - 1);
}

/* ---- changing groups: only who has a socket can ---- */

static int hand_back(struct run *r, const struct place *at, int result)
{
	if (result < 0)
		source_fail(&r->base, result, "%s", source_why(at->peer));
	return result;
}

static int needs_control(struct run *r, const char *path, const struct place *at)
{
	if (at->kind == PLACE_RUN)
		return source_fail(&r->base, -EOPNOTSUPP,
				   "%s: groups belong to processes: /PID/NAME, see memcg tree; and "
				   "memcg run --control is needed",
				   path);
	return source_fail(&r->base, -EOPNOTSUPP,
			   "%s: groups of an unmodified program can be made, removed and moved "
			   "when it was started by memcg run --control",
			   path);
}

/* The group above one that is to be made. */
static bool parent_of(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (!slash || length >= size)
		return false;
	memcpy(buf, path, length);
	buf[length] = '\0';
	if (!length)
		strcpy(buf, "/");
	return true;
}

static int run_mkdir(struct source *s, const char *path)
{
	struct run *r = (struct run *)s;
	char parent[4096];
	struct place at;
	const char *rest;
	int err;

	if (!parent_of(path, parent, sizeof(parent)))
		return source_fail(s, -EINVAL, "%s: a path begins with /", path);
	err = run_place(r, parent, &at);
	if (err)
		return err;
	if (!at.peer)
		return needs_control(r, path, &at);
	rest = r->only ? path : strchr(path + 1, '/');
	return hand_back(r, &at, source_mkdir(at.peer, rest));
}

/* A group that has no row in its slot may be there all the same: what it takes comes first. */
static int changeable(struct run *r, const char *path, struct place *at)
{
	int err = run_place(r, path, at);

	if (!at->peer && (!err || (err == -ENOENT && at->kind == PLACE_GROUP)))
		return needs_control(r, path, at);
	return err;
}

static int run_rmdir(struct source *s, const char *path)
{
	struct run *r = (struct run *)s;
	struct place at;
	int err = changeable(r, path, &at);

	return err ? err : hand_back(r, &at, source_rmdir(at.peer, at.rest));
}

static int run_move(struct source *s, const char *path, const char *to, bool dry,
		    struct source_move *out)
{
	struct run *r = (struct run *)s;
	struct place from, target;
	int err = changeable(r, path, &from);

	if (!err)
		err = changeable(r, to, &target);
	if (err)
		return err;
	if (from.peer != target.peer)
		return source_fail(s, -EXDEV, "%s and %s are groups of two processes", path, to);
	return hand_back(r, &from, source_move(from.peer, from.rest, target.rest, dry, out));
}

/* ---- the table ---- */

static void run_close(struct source *s)
{
	struct run *r = (struct run *)s;

	run_peers_close(r);
	while (r->nr_watches)
		free(r->watches[--r->nr_watches].path);
	slots_close(&r->slots);
	free(r);
}

static int run_fd(const struct source *s)
{
	(void)s;
	return -1;
}

static const struct source_ops run_ops = {
	.close = run_close,
	.fd = run_fd,
	.rows = run_rows,
	.read = run_read,
	.files = run_files,
	.write = run_write,
	.mkdir = run_mkdir,
	.rmdir = run_rmdir,
	.move = run_move,
	.watch = run_watch,
	.event = run_event,
};

static void introduce(struct run *r)
{
	struct source_info *info = &r->base.info;
	struct process_view p;

	info->kind = SOURCE_RUN;
	info->pid = r->only ? r->only : r->slots.pid;
	snprintf(info->where, sizeof(info->where), "%s", r->slots.path);
	if (r->only && slots_find(&r->slots, r->only, &p)) {
		memcpy(info->comm, p.comm, sizeof(info->comm));
		snprintf(info->command, sizeof(info->command), "%s", p.command);
		return;
	}
	proc_comm(info->pid, info->comm);
	proc_command(info->pid, info->command, sizeof(info->command));
}

static void say_why(int err, const char *path, char *why, size_t size)
{
	if (err == -EPROTO)
		snprintf(why, size, "%s: that memcg run is of another version of libmemcg", path);
	else if (err == -ENOENT)
		snprintf(why, size, "%s: there is no memcg run any more", path);
	else
		snprintf(why, size, "%s: %s", path, strerror(-err));
}

struct source *run_open(const char *path, pid_t only, char *why, size_t size)
{
	struct run *r = calloc(1, sizeof(*r));
	int err = r ? slots_open(&r->slots, path) : -ENOMEM;

	if (err) {
		say_why(err, path, why, size);
		free(r);
		return NULL;
	}
	r->base.ops = &run_ops;
	r->only = only;
	introduce(r);
	return &r->base;
}
