/* tree.c - see tree.h. */
#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_FIRST 65536u
#define TEXT_MOST  (64u << 20)
#define TRUST_NS   1000000

struct watched {
	struct watched *next;
	uint64_t id;
	char path[];
};

/* ---- the source, and when it breaks ---- */

static void find_owner(struct tree *t)
{
	struct stat st;

	/* /proc/PID/fd/N is a link to the run's file. */
	if (stat(t->where, &st)) {
		t->uid = geteuid();
		t->gid = getegid();
		return;
	}
	t->uid = st.st_uid;
	t->gid = st.st_gid;
}

/* A daemon has another working directory: the socket must be found from there too. */
static void find_place(struct tree *t)
{
	const struct source_info *info = source_info(t->source);
	char *whole = info->kind == SOURCE_SOCKET ? realpath(info->where, NULL) : NULL;

	t->pid = info->pid;
	snprintf(t->where, sizeof(t->where), "%s", whole ? whole : info->where);
	free(whole);
}

int tree_init(struct tree *t, struct source *s, void (*log)(const char *))
{
	*t = (struct tree){.source = s,
			   .log = log,
			   .trust = TRUST_NS,
			   .room = TEXT_FIRST,
			   .text = malloc(TEXT_FIRST)};
	if (!t->text) {
		source_close(s);
		return -ENOMEM;
	}
	find_place(t);
	find_owner(t);
	clock_gettime(CLOCK_REALTIME, &t->since);
	return 0;
}

static void forget_watched(struct tree *t, struct watched **at)
{
	struct watched *w = *at;

	(void)t;
	*at = w->next;
	free(w);
}

void tree_exit(struct tree *t)
{
	while (t->watched)
		forget_watched(t, &t->watched);
	source_close(t->source);
	rows_free(&t->rows);
	free(t->text);
}

static bool is_broken(const struct tree *t)
{
	return source_info(t->source)->kind == SOURCE_SOCKET && source_fd(t->source) < 0;
}

static void watch_again(struct tree *t)
{
	struct watched **at = &t->watched;

	while (*at) {
		if (source_watch(t->source, (*at)->path))
			forget_watched(t, at);
		else
			at = &(*at)->next;
	}
	t->missed = true;
}

/* Who listens there now may be another program, where the user chose the path. */
static bool revive(struct tree *t)
{
	char why[1024];
	struct source *s = source_open(t->where, why, sizeof(why));

	if (s && source_info(s)->pid == t->pid) {
		source_close(t->source);
		t->source = s;
		watch_again(t);
		return true;
	}
	source_close(s);
	/* One that is stopped may go on. */
	t->ended = t->broke != -ETIMEDOUT;
	return false;
}

static bool is_ready(struct tree *t)
{
	return !t->ended && (!is_broken(t) || revive(t));
}

/* What a shell should say. */
static int result(struct tree *t, int err)
{
	if (err >= 0)
		return err;
	if (is_broken(t))
		t->broke = err;
	if (err == -EPIPE)
		return -ENOTCONN;
	return err == -EPROTO ? -EIO : err;
}

static int changed(struct tree *t, int err)
{
	if (err && t->log)
		t->log(source_why(t->source));
	return result(t, err);
}

/* ---- looking ---- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void forget_look(struct tree *t)
{
	t->seen[0] = '\0';
}

/* The time is that of the question: the answer is older than its coming. */
static void remember_look(struct tree *t, const char *path, uint64_t id, int64_t at)
{
	size_t length = strlen(path) + 1;

	forget_look(t);
	if (length > sizeof(t->seen))
		return;
	memcpy(t->seen, path, length);
	t->seen_id = id;
	t->seen_at = at;
}

static bool is_seen(const struct tree *t, const char *path, uint64_t id)
{
	return t->seen_id == id && !strcmp(t->seen, path) && now_ns() - t->seen_at < t->trust;
}

int tree_group(struct tree *t, const char *path, struct group *out)
{
	int64_t at = now_ns();
	int err = is_ready(t) ? result(t, source_rows(t->source, path, 0, &t->rows)) : -ENOTCONN;

	forget_look(t);
	if (err)
		return err;
	*out = (struct group){t->rows.row[0].id, t->rows.row[0].children};
	remember_look(t, path, out->id, at);
	return 0;
}

int tree_same(struct tree *t, const char *path, uint64_t id)
{
	struct group g;
	int err;

	if (is_seen(t, path, id))
		return 0;
	err = tree_group(t, path, &g);
	if (err == -ENOENT || (!err && g.id != id))
		return -ENODEV;
	return err;
}

int tree_children(struct tree *t, const char *path, const struct rows **out)
{
	*out = &t->rows;
	return is_ready(t) ? result(t, source_rows(t->source, path, 1, &t->rows)) : -ENOTCONN;
}

int tree_files(struct tree *t, const char *path, struct source_file **list, size_t *n)
{
	return is_ready(t) ? result(t, source_files(t->source, path, list, n)) : -ENOTCONN;
}

static bool grow(struct tree *t)
{
	char *text = t->room < TEXT_MOST ? realloc(t->text, t->room * 4) : NULL;

	if (!text)
		return false;
	t->text = text;
	t->room *= 4;
	return true;
}

ssize_t tree_read(struct tree *t, const char *path, const char *file)
{
	ssize_t n;

	if (!is_ready(t))
		return -ENOTCONN;
	do
		n = source_read(t->source, path, file, t->text, t->room);
	while (n == -ERANGE && grow(t));
	if (n < 0)
		return result(t, n == -ERANGE ? -EFBIG : (int)n);
	return n;
}

/* ---- changing ---- */

int tree_write(struct tree *t, const char *path, const char *file, const char *text)
{
	if (!is_ready(t))
		return -ENOTCONN;
	return changed(t, source_write(t->source, path, file, text));
}

int tree_mkdir(struct tree *t, const char *path)
{
	return is_ready(t) ? changed(t, source_mkdir(t->source, path)) : -ENOTCONN;
}

int tree_rmdir(struct tree *t, const char *path)
{
	forget_look(t);
	return is_ready(t) ? changed(t, source_rmdir(t->source, path)) : -ENOTCONN;
}

/* ---- events ---- */

static struct watched **find_watched(struct tree *t, const char *path)
{
	struct watched **at = &t->watched;

	while (*at && strcmp((*at)->path, path))
		at = &(*at)->next;
	return at;
}

static int add_watched(struct tree *t, const char *path, uint64_t id)
{
	struct watched *w = malloc(sizeof(*w) + strlen(path) + 1);

	if (!w)
		return -ENOMEM;
	w->id = id;
	strcpy(w->path, path);
	w->next = t->watched;
	t->watched = w;
	return 0;
}

int tree_watch(struct tree *t, const char *path, uint64_t id)
{
	struct watched **at = find_watched(t, path);
	int err;

	if (*at && (*at)->id == id)
		return 0;
	if (*at) /* that group is gone, and the watch with it */
		forget_watched(t, at);
	if (!is_ready(t))
		return -ENOTCONN;
	err = result(t, source_watch(t->source, path));
	return err ? err : add_watched(t, path, id);
}

static void see_end(struct tree *t, const struct source_event *e)
{
	struct watched **at = find_watched(t, e->path);

	if (!strcmp(e->name, "offline") && *at)
		forget_watched(t, at);
}

int tree_event(struct tree *t, struct source_event *e)
{
	int got;

	if (t->ended)
		return -ENOTCONN;
	/* After a silence the next request tries again: nobody is to wait for it here. */
	if (is_broken(t))
		return t->broke == -ETIMEDOUT || revive(t) || !t->ended ? 0 : -ENOTCONN;
	got = source_event(t->source, e, 0);
	if (got > 0)
		see_end(t, e);
	if (got >= 0)
		return got;
	result(t, got);
	if (!is_broken(t)) /* of a run there is nothing to open again */
		t->ended = got == -EPIPE;
	return t->ended || (is_broken(t) && !revive(t) && t->ended) ? -ENOTCONN : 0;
}
