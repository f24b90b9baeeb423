/*
 * source.c - what a target names, and the public functions.
 *
 * A PID is looked for in the directory, then among the processes of the runs found there, and
 * in the process's own environment, which says where its run is (MEMCG_SLOT). With nothing named
 * there must be one: a process with a socket below a run that is found counts with that run.
 */
#include "inside.h"

#include "directory.h"
#include "proc.h"
#include "slots.h"
#include "wire.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int source_fail(struct source *s, int err, const char *fmt, ...)
{
	char text[SOURCE_WHY];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(s->why, text, sizeof(s->why));
	source_clean(s->why);
	return err;
}

/* ---- finding ---- */

static bool is_below(const struct entry *e, struct slots *runs, size_t nr_runs)
{
	struct process_view p;

	for (size_t i = 0; i < nr_runs; i++)
		if (slots_find(&runs[i], e->pid, &p))
			return true;
	return false;
}

static size_t open_runs(const struct entry *list, size_t n, struct slots *runs)
{
	size_t opened = 0;

	for (size_t i = 0; i < n; i++)
		if (list[i].kind == SOURCE_RUN && !slots_open(&runs[opened], list[i].path))
			opened++;
	return opened;
}

/* Sockets below runs are left out; a run below another run is one of its own. */
static size_t drop_those_below(struct entry *list, size_t n)
{
	struct slots *runs = calloc(n ? n : 1, sizeof(*runs));
	size_t nr_runs = runs ? open_runs(list, n, runs) : 0, kept = 0;

	for (size_t i = 0; i < n; i++)
		if (list[i].kind == SOURCE_RUN || !is_below(&list[i], runs, nr_runs))
			list[kept++] = list[i];
	while (nr_runs)
		slots_close(&runs[--nr_runs]);
	free(runs);
	return kept;
}

static int find_all(bool others, struct entry **list, size_t *n)
{
	int err = directory_list(others, list, n);

	if (!err)
		*n = drop_those_below(*list, *n);
	return err;
}

int source_find(bool others, struct source_info **list, size_t *n)
{
	struct entry *found;
	size_t nr;
	int err = find_all(others, &found, &nr);

	if (err)
		return err;
	*n = 0;
	*list = calloc(nr ? nr : 1, sizeof(**list));
	for (size_t i = 0; *list && i < nr; i++) {
		struct source_info *info = &(*list)[(*n)++];

		info->kind = found[i].kind;
		info->pid = found[i].pid;
		snprintf(info->where, sizeof(info->where), "%s", found[i].path);
		proc_comm(info->pid, info->comm);
		proc_command(info->pid, info->command, sizeof(info->command));
	}
	free(found);
	return *list ? 0 : -ENOMEM;
}

const char *source_place(char buf[SOURCE_PLACE])
{
	directory_place(buf, SOURCE_PLACE);
	return source_clean(buf);
}

/* ---- opening ---- */

static struct source *open_entry(const struct entry *e, char *why, size_t size)
{
	return e->kind == SOURCE_SOCKET ? socket_open(e->path, e->pid, why, size)
					: run_open(e->path, 0, why, size);
}

/* Of a run it is the program that tells it from others, not the options before it. */
static const char *told_apart(const struct entry *e, const char *command)
{
	const char *program = e->kind == SOURCE_RUN ? strstr(command, " -- ") : NULL;

	return program ? program + 4 : command;
}

static void name_them(const struct entry *list, size_t n, char *why, size_t size)
{
	size_t used = (size_t)snprintf(why, size, "there are several, choose one by its PID:");
	char all[1024], command[64];

	for (size_t i = 0; i < n && used < size; i++) {
		proc_command(list[i].pid, all, sizeof(all));
		snprintf(command, sizeof(command), "%.60s", told_apart(&list[i], all));
		used += (size_t)snprintf(why + used, size - used, "%s %d (%s)", i ? "," : "",
					 (int)list[i].pid, command);
	}
}

static struct source *open_only(char *why, size_t size)
{
	struct source *s = NULL;
	char place[SOURCE_PLACE];
	struct entry *list;
	size_t n;

	if (find_all(false, &list, &n)) {
		snprintf(why, size, "no memory");
		return NULL;
	}
	if (n == 1)
		s = open_entry(&list[0], why, size);
	else if (n)
		name_them(list, n, why, size);
	else
		snprintf(why, size,
			 "no process is there to look at in %s: start one by memcg run, or with "
			 "MEMCG_CONTROL=1 in the environment of a program that has the library",
			 source_place(place));
	free(list);
	return s;
}

/* The run of a process below one that registered itself. */
static struct source *open_below(pid_t pid)
{
	char path[64], why[SOURCE_WHY];
	struct source *s = NULL;
	struct process_view p;
	struct slots slots;

	if (!proc_environment(pid, "MEMCG_SLOT", path, sizeof(path)) || slots_open(&slots, path))
		return NULL;
	if (slots_find(&slots, pid, &p))
		s = run_open(path, pid, why, sizeof(why));
	slots_close(&slots);
	return s;
}

static void nobody(pid_t pid, char *why, size_t size)
{
	if (kill(pid, 0) && errno == ESRCH)
		snprintf(why, size, "there is no process %d", (int)pid);
	else if (kill(pid, 0) && errno == EPERM)
		snprintf(why, size, "process %d belongs to another user", (int)pid);
	else
		snprintf(
			why, size,
			"process %d has no control socket and was not started by memcg run: start it "
			"so, or with MEMCG_CONTROL=1 in its environment",
			(int)pid);
}

static struct source *open_pid(pid_t pid, char *why, size_t size)
{
	struct entry e;
	struct source *s;

	if (directory_find(pid, &e))
		return open_entry(&e, why, size);
	s = open_below(pid);
	if (!s)
		nobody(pid, why, size);
	return s;
}

static struct source *open_path(const char *path, char *why, size_t size)
{
	struct stat st;

	if (lstat(path, &st)) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (!S_ISSOCK(st.st_mode) && !S_ISLNK(st.st_mode)) {
		snprintf(why, size, "%s is no socket, and no link that a memcg run made", path);
		return NULL;
	}
	return S_ISSOCK(st.st_mode) ? socket_open(path, 0, why, size)
				    : run_open(path, 0, why, size);
}

static bool is_pid(const char *target, pid_t *pid)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)*target))
		return false;
	errno = 0;
	n = strtol(target, &end, 10);
	*pid = (pid_t)n;
	return !*end && !errno && n > 0 && n <= INT32_MAX;
}

struct source *source_open_found(const struct source_info *info, char *why, size_t size)
{
	struct entry e = {.pid = info->pid, .kind = info->kind};

	snprintf(e.path, sizeof(e.path), "%s", info->where);
	return open_entry(&e, why, size);
}

struct source *source_open(const char *target, char *why, size_t size)
{
	pid_t pid;

	if (!target)
		return open_only(why, size);
	if (is_pid(target, &pid))
		return open_pid(pid, why, size);
	if (strchr(target, '/'))
		return open_path(target, why, size);
	snprintf(why, size, "'%s' is neither the PID of a process nor a path to its socket",
		 target);
	return NULL;
}

/* ---- the rest is the kind's ---- */

void source_close(struct source *s)
{
	if (s)
		s->ops->close(s);
}

const struct source_info *source_info(const struct source *s)
{
	return &s->info;
}

const char *source_why(const struct source *s)
{
	return s->why;
}

int source_fd(const struct source *s)
{
	return s->ops->fd(s);
}

void source_patience(unsigned ms)
{
	wire_patience = ms;
}

int source_rows(struct source *s, const char *path, unsigned depth, struct rows *rows)
{
	return s->ops->rows(s, path, depth, rows);
}

ssize_t source_read(struct source *s, const char *path, const char *file, char *buf, size_t size)
{
	return s->ops->read(s, path, file, buf, size);
}

int source_files(struct source *s, const char *path, struct source_file **list, size_t *n)
{
	return s->ops->files(s, path, list, n);
}

int source_write(struct source *s, const char *path, const char *file, const char *text)
{
	return s->ops->write(s, path, file, text);
}

int source_mkdir(struct source *s, const char *path)
{
	return s->ops->mkdir(s, path);
}

int source_rmdir(struct source *s, const char *path)
{
	return s->ops->rmdir(s, path);
}

int source_move(struct source *s, const char *path, const char *to, bool dry,
		struct source_move *out)
{
	return s->ops->move(s, path, to, dry, out);
}

int source_watch(struct source *s, const char *path)
{
	return s->ops->watch(s, path);
}

int source_event(struct source *s, struct source_event *e, int timeout_ms)
{
	return s->ops->event(s, e, timeout_ms);
}
