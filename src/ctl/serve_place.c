/*
 * serve_place.c - the name that is listened on.
 *
 * 1. The default is PID.sock in a directory of this user's that is made for it, 0700. It is opened
 *    once, without following its last part, and looked at through that descriptor; everything
 *    after that goes through it. So nobody who may write to what is above it can have us make,
 *    answer for, or remove anything elsewhere. A path of the program's is taken as it is: where
 *    that leads is the program's choice; only its last part is ours.
 * 2. bind() makes the name or fails: it follows nothing and replaces nothing. What a process that
 *    was killed left there is removed first: a socket of this user's that nobody listens on. Two
 *    processes that find it at the same moment, which have one path, may each remove what the
 *    other has just made: tolerated, one of them is not found then.
 * 3. The name is removed by who made it while it still is that file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/conf.h"
#include "ctl/serve.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/id.h"
#include "sys/io.h"
#include "sys/unix.h"

#define BACKLOG 64

/* What a client can name: sun_path. */
#define PATH_LONGEST 107

_Static_assert(sizeof(((struct serve_place *)0)->name) == SYS_UNIX_NAME, "a name fits an address");

/* --- the directory -------------------------------------------------------------------- */

static int open_made(const char *dir)
{
	int err = sys_dir_make(dir, 0700);

	return err ? err : sys_dir_open(dir, true);
}

/* A path cut short would be another one, so it is held against its length first. */
static int default_dir(struct serve_place *p)
{
	char dir[sizeof(p->path)];

	if (*conf.runtime_dir)
		snprintf(dir, sizeof(dir), "%s/memcg", conf.runtime_dir);
	else
		snprintf(dir, sizeof(dir), "/tmp/memcg-%u", sys_user_id());
	if (strlen(dir) > PATH_LONGEST)
		return -ENAMETOOLONG;
	snprintf(p->name, sizeof(p->name), "%u.sock", sys_process_id());
	snprintf(p->path, sizeof(p->path), "%.*s/%s", PATH_LONGEST, dir, p->name);
	return open_made(dir);
}

static int given_dir(struct serve_place *p, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t name = slash ? strlen(slash + 1) : 0;

	if (!slash || !name || !strcmp(slash, "/.") || !strcmp(slash, "/.."))
		return -EINVAL;
	if (strlen(path) > PATH_LONGEST || name >= sizeof(p->name))
		return -ENAMETOOLONG;
	memcpy(p->name, slash + 1, name + 1);
	snprintf(p->path, sizeof(p->path), "%.*s", (int)(slash - path + 1), path);
	return sys_dir_open(p->path, false);
}

static int open_dir(struct serve_place *p, const char *path)
{
	int dir = path ? given_dir(p, path) : default_dir(p);

	if (dir >= 0 && path)
		snprintf(p->path, sizeof(p->path), "%.*s", PATH_LONGEST, path);
	if (dir >= 0 && strlen(p->path) > PATH_LONGEST) {
		sys_close(dir);
		return -ENAMETOOLONG;
	}
	return dir;
}

/* --- the name --------------------------------------------------------------------------- */

/* True: there is a socket of this user's, and nobody behind it. */
static bool is_stale(const struct serve_place *p)
{
	struct sys_dir_entry entry;
	int fd, err;

	if (sys_dir_look(p->dir, p->name, &entry) || !entry.socket || entry.owner != sys_user_id())
		return false;
	fd = sys_unix_socket();
	if (fd < 0)
		return false;
	err = sys_unix_connect(fd, p->dir, p->name);
	sys_close(fd);
	return err == -ECONNREFUSED;
}

static int bind_name(const struct serve_place *p)
{
	int err = sys_unix_bind(p->listen, p->dir, p->name);

	if (err != -EADDRINUSE || !is_stale(p))
		return err;
	sys_dir_remove(p->dir, p->name);
	return sys_unix_bind(p->listen, p->dir, p->name);
}

/* Which file it is, from its first moment on: nobody is told of the socket before. */
static int note_name(struct serve_place *p)
{
	struct sys_dir_entry entry;
	int err = sys_dir_look(p->dir, p->name, &entry);

	p->device = entry.device;
	p->inode = entry.inode;
	return err;
}

static int listen_on(struct serve_place *p)
{
	int err = bind_name(p);

	if (err)
		return err;
	err = note_name(p);
	if (!err)
		err = sys_unix_listen(p->listen, BACKLOG);
	if (err)
		serve_place_unlink(p);
	return err;
}

int serve_place_open(struct serve_place *p, const char *path)
{
	int err;

	p->listen = -1;
	p->dir = open_dir(p, path);
	if (p->dir < 0)
		return p->dir;
	p->dir = sys_fd_high(p->dir);
	serve_own_note(&p->dir_is, p->dir);
	err = p->listen = sys_unix_socket();
	if (err >= 0) {
		p->listen = sys_fd_high(p->listen);
		serve_own_note(&p->listen_is, p->listen);
		err = listen_on(p);
	}
	if (err)
		serve_place_close(p);
	return err;
}

/* Also when the program has closed the descriptor of the directory and has another file there. */
void serve_place_unlink(struct serve_place *p)
{
	struct sys_dir_entry entry;

	if (!sys_dir_look(p->dir, p->name, &entry) && entry.device == p->device &&
	    entry.inode == p->inode)
		sys_dir_remove(p->dir, p->name);
}

void serve_place_close(struct serve_place *p)
{
	if (p->listen >= 0)
		sys_close(p->listen);
	if (p->dir >= 0)
		sys_close(p->dir);
	p->listen = p->dir = -1;
}
