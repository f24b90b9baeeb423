/*
 * directory.h - where processes that listen, and runs, are found.
 *
 * $XDG_RUNTIME_DIR/memcg, or /tmp/memcg-UID where that is not set. In it PID.sock is a process with
 * a control socket, PID.run a symbolic link that a `memcg run` made: where its file in memory is
 * and, behind a blank, in which namespace of PIDs, "/proc/PID/fd/N pid:[INODE]". Mode 0700, of the
 * user whose processes they are, no symbolic link: others could put something else there, so it is
 * not looked into then. A link in place of a socket is not followed. Who was killed leaves its
 * entry behind; it is removed by who looks when its process is known to be over, never because it
 * could not be reached.
 */
#ifndef MEMCG_SOURCE_DIRECTORY_H
#define MEMCG_SOURCE_DIRECTORY_H

#include "source.h"

struct entry {
	pid_t pid;
	enum source_kind kind;
	char path[256];
};

/*
 * The user's own; stale entries are left out and removed. *list to be freed. 0 or -errno.
 * `others`, and the user is root: other users' too, where those who name no place have them
 * (/tmp/memcg-UID) and those with a session (/run/user/UID/memcg).
 */
int directory_list(bool others, struct entry **list, size_t *n);

/* Where that looks. */
void directory_place(char *buf, size_t size);

/* Of one process, whosever it is; socket before run. */
bool directory_find(pid_t pid, struct entry *entry);

/*
 * `memcg run`: puts a link to `file` there. 0, with its name in `link`; -errno: it will not be
 * found by others, and that is all.
 */
int directory_register(const char *file, char *link, size_t size);

/* Whether somebody listens at a socket's path; -ECONNREFUSED: nobody any more. */
int socket_try(const char *path);

#endif
