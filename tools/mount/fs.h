/*
 * fs.h - the file system of `memcg mount`, without FUSE: what each request means for groups.
 *
 * Directories are groups, files are what memcg-files(5) has. As in cgroup v2 groups are made and
 * removed by mkdir and rmdir, nothing is renamed, no other file is made, sizes are 0 and a text is
 * as long as it is read. All belongs to the socket's owner, with no rights for others.
 *
 * An open file keeps the text it read at its beginning: who reads in pieces sees one text, who
 * reads from the beginning again sees a new one. It is of the group that was opened, or -ENODEV,
 * whoever has the path now.
 *
 * poll(2) says POLLPRI | POLLERR once an event came for the file and it was not read since, as
 * kernfs does. Groups are watched from the first poll on, because watching takes descriptors there.
 *
 * What is done here is done while others wait: one thread, one source.
 */
#ifndef MEMCG_MOUNT_FS_H
#define MEMCG_MOUNT_FS_H

#include "node.h"
#include "tree.h"

#include <sys/stat.h>

struct file;

struct fs {
	struct tree tree;
	struct nodes nodes;
	struct names names;
	struct file *open;
	/* Tells who waits in poll: FUSE's handles, `waiter` below. Each is dropped once. */
	void (*wake)(void *waiter);
	void (*drop)(void *waiter);
};

/* Takes the source. */
int fs_init(struct fs *fs, struct source *s, void (*log)(const char *));
void fs_exit(struct fs *fs);

/* ---- names (fs.c): *out is told of once more, nodes_forget undoes it ---- */

int fs_lookup(struct fs *fs, struct node *dir, const char *name, struct node **out,
	      struct stat *st);
int fs_attr(struct fs *fs, const struct node *node, struct stat *st);
int fs_mkdir(struct fs *fs, const struct node *dir, const char *name, struct node **out,
	     struct stat *st);
int fs_rmdir(struct fs *fs, const struct node *dir, const char *name);

/* The path of what is in a group: to be freed. */
char *fs_join(const char *path, const char *name);
/* What the group has, asked for again where fresh. */
int fs_files(struct fs *fs, struct node *dir, bool fresh);

/* ---- what a directory holds (listing.c), as of when it was opened ---- */

struct listed {
	char *name;
	uint64_t number;
	bool is_dir;
};

struct listing {
	struct listed *of;
	size_t n, room;
};

struct listing *listing_open(struct fs *fs, struct node *dir, int *err);
void listing_close(struct listing *l);

/* ---- open files (file.c) ---- */

struct file *fs_open(struct fs *fs, const struct node *node);
void fs_close(struct fs *fs, struct file *f);
/* *text: what is there from offset on, until the next call; its length, or -errno. */
ssize_t fs_read(struct fs *fs, struct file *f, size_t offset, const char **text);
int fs_write(struct fs *fs, struct file *f, const char *text, size_t n);
/* *events as of poll(2). The waiter, if not NULL, is woken by the next event, and dropped. */
int fs_poll(struct fs *fs, struct file *f, void *waiter, unsigned *events);
/* Takes all events that have come. -ENOTCONN: the program has ended. */
int fs_events(struct fs *fs);

#endif
