/*
 * tree.h - the groups of a source as `memcg mount` needs them: each call is one look or change, by
 * path, with an errno that a shell can show.
 *
 * A group is its path and its id: another may have been made at the path since, and is not the one
 * that was opened (tree_same). Between that look and what is done then, the group can go and
 * another come; that race is tolerated, and so a look is good for a millisecond: it is a question
 * to the process, and the kernel looks directory by directory down to a file.
 *
 * A source can break while its program lives: it was stopped for longer than an answer is waited
 * for, or we did not take its events. Then it is opened again, and what was watched is watched
 * again; `missed` says that events may have been lost. A hang-up where nobody listens any more is
 * the end. One thread.
 */
#ifndef MEMCG_MOUNT_TREE_H
#define MEMCG_MOUNT_TREE_H

#include "source/source.h"

#include <sys/stat.h>
#include <time.h>

struct watched;

struct tree {
	struct source *source;
	char where[256];
	pid_t pid;
	uid_t uid; /* the socket's owner: every file is his */
	gid_t gid;
	struct timespec since;
	void (*log)(const char *text); /* why a change was refused */
	struct rows rows;
	char *text; /* of the last tree_read */
	size_t room;
	/* The last look, what it saw, and when: nothing, where the path is too long. */
	char seen[4096];
	uint64_t seen_id;
	int64_t seen_at, trust; /* ns */
	struct watched *watched;
	int broke; /* why the source did */
	bool missed, ended;
};

struct group {
	uint64_t id, children;
};

/* Takes the source. 0 or -errno; then it is closed. */
int tree_init(struct tree *t, struct source *s, void (*log)(const char *));
void tree_exit(struct tree *t);

int tree_group(struct tree *t, const char *path, struct group *out);
/* 0: the group at the path is still that one. -ENODEV: it is gone, as cgroup says of open files. */
int tree_same(struct tree *t, const char *path, uint64_t id);
/* The group and those directly below it, until the next call. */
int tree_children(struct tree *t, const char *path, const struct rows **out);
int tree_files(struct tree *t, const char *path, struct source_file **list, size_t *n);
/* The length of the text, which is t->text until the next call. */
ssize_t tree_read(struct tree *t, const char *path, const char *file);
int tree_write(struct tree *t, const char *path, const char *file, const char *text);
int tree_mkdir(struct tree *t, const char *path);
int tree_rmdir(struct tree *t, const char *path);

/* Events of the group come from then on; a second call for the same group does nothing. */
int tree_watch(struct tree *t, const char *path, uint64_t id);
/* 1: *e is one; 0: none now; -ENOTCONN: the program has ended. Does not wait. */
int tree_event(struct tree *t, struct source_event *e);

#endif
