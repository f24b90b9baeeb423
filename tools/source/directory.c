/* directory.c - see directory.h. */
#include "directory.h"

#include "proc.h"
#include "slots.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PLACES	 3
#define PATH_LEN 96

/*
 * What the environment says comes first, and is all that is listed: a process that is named may
 * have had another environment.
 */
static unsigned places_of(uid_t uid, char places[PLACES][PATH_LEN])
{
	const char *runtime = uid == geteuid() ? getenv("XDG_RUNTIME_DIR") : NULL;
	unsigned n = 0;

	if (runtime && runtime[0] == '/' &&
	    snprintf(places[0], PATH_LEN, "%s/memcg", runtime) < PATH_LEN)
		n++;
	snprintf(places[n++], PATH_LEN, "/tmp/memcg-%u", (unsigned)uid);
	snprintf(places[n++], PATH_LEN, "/run/user/%u/memcg", (unsigned)uid);
	if (n == PLACES && !strcmp(places[0], places[2]))
		n--;
	return n;
}

static bool trusted(int fd, uid_t uid)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == uid && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* -1: not there, or somebody else's. */
static int open_place(const char *place, uid_t uid)
{
	int fd = open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && !trusted(fd, uid)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- entries ---- */

int socket_try(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd, err = 0;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* One that is busy has a full queue (EAGAIN): somebody is there. */
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EAGAIN)
		err = -errno;
	close(fd);
	return err;
}

/* "1234.sock" or "1234.run". */
static bool parse_name(const char *name, struct entry *e)
{
	char *end;
	long pid;

	if (!isdigit((unsigned char)name[0]))
		return false;
	pid = strtol(name, &end, 10);
	if (pid <= 0 || pid > INT32_MAX)
		return false;
	e->pid = (pid_t)pid;
	e->kind = strcmp(end, ".sock") ? SOURCE_RUN : SOURCE_SOCKET;
	return !strcmp(end, ".sock") || !strcmp(end, ".run");
}

/* ---- who is gone ---- */

/*
 * Nobody finds somebody for many reasons: another PID namespace, no descriptor left, a process that
 * is just beginning to listen. An entry is taken away only on proof that its process is over, and
 * what cannot be proved stays: it does no harm.
 */

/* The number is free here. It says nothing of an entry that was made in another namespace. */
static bool has_ended(pid_t pid)
{
	return kill(pid, 0) && errno == ESRCH;
}

/* "pid:[4026531836]": one name for each namespace of PIDs. */
static bool own_namespace(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/ns/pid", buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* A run's link says behind its file in which namespace that is a file. */
static bool link_is_from_here(int fd, const char *name)
{
	char link[128], here[64], *blank;
	ssize_t n = readlinkat(fd, name, link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	blank = strchr(link, ' ');
	return blank && own_namespace(here, sizeof(here)) && !strcmp(blank + 1, here);
}

/*
 * That nobody listens is known in every namespace. The name may be there before its process
 * listens, so that one must be over too.
 */
static bool is_stale(int fd, const char *name, const struct entry *e)
{
	if (!has_ended(e->pid))
		return false;
	return e->kind == SOURCE_SOCKET ? socket_try(e->path) == -ECONNREFUSED
					: link_is_from_here(fd, name);
}

/* ---- entries, looked at ---- */

/* Sockets and links only as they were made: a link in a socket's place leads to another's. */
static bool is_of_kind(int fd, const char *name, enum source_kind kind)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return false;
	return kind == SOURCE_SOCKET ? S_ISSOCK(st.st_mode) : S_ISLNK(st.st_mode);
}

/* What cannot be tried is there: whoever opens it hears why. */
static bool is_there(const struct entry *e)
{
	int err = e->kind == SOURCE_RUN ? slots_are_at(e->path, e->pid) : socket_try(e->path);

	return err != -ECONNREFUSED && err != -ENOENT;
}

static bool consider(const char *place, int fd, const char *name, struct entry *e)
{
	if (!parse_name(name, e) ||
	    snprintf(e->path, sizeof(e->path), "%s/%s", place, name) >= (int)sizeof(e->path) ||
	    !is_of_kind(fd, name, e->kind))
		return false;
	if (is_there(e))
		return true;
	if (is_stale(fd, name, e))
		unlinkat(fd, name, 0);
	return false;
}

static bool append(struct entry **list, size_t *n, const struct entry *e)
{
	struct entry *grown = *list;

	if (!(*n & (*n - 1))) /* 0, or a power of two: full */
		grown = realloc(*list, (*n ? *n * 2 : 1) * sizeof(*grown));
	if (!grown)
		return false;
	*list = grown;
	grown[(*n)++] = *e;
	return true;
}

static int list_place(const char *place, uid_t uid, struct entry **list, size_t *n)
{
	int fd = open_place(place, uid);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *found;
	struct entry e;
	int err = 0;

	if (!dir)
		return 0;
	while (!err && (found = readdir(dir)))
		if (consider(place, fd, found->d_name, &e) && !append(list, n, &e))
			err = -ENOMEM;
	closedir(dir);
	return err;
}

static bool parse_uid(const char *text, uid_t *uid)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)text[0]))
		return false;
	n = strtoul(text, &end, 10);
	*uid = (uid_t)n;
	return !*end && n < UINT32_MAX;
}

/* Of each other user: directories "BEFORE" UID "BEHIND" there, if they are theirs. */
static int list_users(const char *where, const char *before, const char *behind,
		      struct entry **list, size_t *n)
{
	DIR *dir = opendir(where);
	struct dirent *found;
	char place[PATH_LEN];
	int err = 0;
	uid_t uid;

	while (dir && !err && (found = readdir(dir)))
		if (!strncmp(found->d_name, before, strlen(before)) &&
		    parse_uid(found->d_name + strlen(before), &uid) && uid != geteuid() &&
		    snprintf(place, sizeof(place), "%s/%s%.16s", where, found->d_name, behind) <
			    (int)sizeof(place))
			err = list_place(place, uid, list, n);
	if (dir)
		closedir(dir);
	return err;
}

static int list_others(struct entry **list, size_t *n)
{
	int err = list_users("/tmp", "memcg-", "", list, n);

	return err ? err : list_users("/run/user", "", "/memcg", list, n);
}

static int by_pid(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

int directory_list(bool others, struct entry **list, size_t *n)
{
	char places[PLACES][PATH_LEN];
	int err;

	places_of(geteuid(), places);
	*list = NULL;
	*n = 0;
	err = list_place(places[0], geteuid(), list, n);
	if (!err && others && !geteuid())
		err = list_others(list, n);
	if (err) {
		free(*list);
		*list = NULL;
		*n = 0;
	} else if (*n) {
		qsort(*list, *n, sizeof(**list), by_pid);
	}
	return err;
}

void directory_place(char *buf, size_t size)
{
	char places[PLACES][PATH_LEN];

	places_of(geteuid(), places);
	snprintf(buf, size, "%s", places[0]);
}

static bool find_in(const char *place, uid_t uid, pid_t pid, struct entry *e)
{
	static const char *const suffixes[] = {"sock", "run"};
	int fd = open_place(place, uid);
	char name[32];
	bool found = false;

	if (fd < 0)
		return false;
	for (unsigned i = 0; i < 2 && !found; i++) {
		snprintf(name, sizeof(name), "%d.%s", (int)pid, suffixes[i]);
		found = !faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) &&
			consider(place, fd, name, e);
	}
	close(fd);
	return found;
}

bool directory_find(pid_t pid, struct entry *e)
{
	char places[PLACES][PATH_LEN];
	uid_t uid;
	unsigned nr;

	if (!proc_owner(pid, &uid))
		return false;
	nr = places_of(uid, places);
	for (unsigned i = 0; i < nr; i++)
		if (find_in(places[i], uid, pid, e))
			return true;
	return false;
}

/* ---- a run's own ---- */

static int make_place(const char *place)
{
	int fd;

	if (mkdir(place, 0700) && errno != EEXIST)
		return -errno;
	fd = open_place(place, geteuid());
	return fd < 0 ? -EPERM : fd;
}

int directory_register(const char *file, char *link, size_t size)
{
	char places[PLACES][PATH_LEN], name[32], here[64], text[160];
	int fd, err = 0;

	places_of(geteuid(), places);
	fd = make_place(places[0]);
	if (fd < 0)
		return fd;
	own_namespace(here, sizeof(here));
	snprintf(text, sizeof(text), "%s %s", file, here);
	snprintf(name, sizeof(name), "%d.run", (int)getpid());
	unlinkat(fd, name, 0); /* of an earlier process with this pid */
	if ((size_t)snprintf(link, size, "%s/%s", places[0], name) >= size)
		err = -ENAMETOOLONG;
	else if (symlinkat(text, fd, name))
		err = -errno;
	close(fd);
	return err;
}
