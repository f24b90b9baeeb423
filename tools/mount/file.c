/* file.c - open files: one text from its beginning to its end, and events. See fs.h. */
#include "fs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct file {
	struct file *next, **at; /* in fs->open */
	uint64_t id;
	const char *path; /* the kernel keeps a node while it has files open; the copy is ours */
	unsigned slot;
	char *text; /* NULL: nothing was read */
	size_t n;
	bool told; /* an event came, and nothing was read since */
	void *waiter;
};

struct file *fs_open(struct fs *fs, const struct node *node)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->path = strdup(node->path);
	if (!f->path) {
		free(f);
		return NULL;
	}
	f->id = node->id;
	f->slot = node->slot;
	f->next = fs->open;
	f->at = &fs->open;
	if (f->next)
		f->next->at = &f->next;
	fs->open = f;
	return f;
}

static void drop_waiter(struct fs *fs, struct file *f)
{
	if (f->waiter)
		fs->drop(f->waiter);
	f->waiter = NULL;
}

void fs_close(struct fs *fs, struct file *f)
{
	drop_waiter(fs, f);
	*f->at = f->next;
	if (f->next)
		f->next->at = f->at;
	free((char *)f->path);
	free(f->text);
	free(f);
}

/* ---- text ---- */

/* A group that goes between the two looks is gone all the same. */
static int gone(int err)
{
	return err == -ENOENT ? -ENODEV : err;
}

static int take_text(struct fs *fs, struct file *f)
{
	ssize_t n = tree_same(&fs->tree, f->path, f->id);
	char *text;

	if (n)
		return (int)n;
	/* Before the text is made: an event that comes meanwhile is of a newer one. */
	f->told = false;
	n = tree_read(&fs->tree, f->path, names_name(&fs->names, f->slot));
	if (n < 0)
		return gone((int)n);
	text = realloc(f->text, (size_t)n + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, fs->tree.text, (size_t)n);
	f->text = text;
	f->n = (size_t)n;
	return 0;
}

ssize_t fs_read(struct fs *fs, struct file *f, size_t offset, const char **text)
{
	int err = offset && f->text ? 0 : take_text(fs, f);

	if (err)
		return err;
	if (offset > f->n)
		offset = f->n;
	*text = f->text + offset;
	return (ssize_t)(f->n - offset);
}

int fs_write(struct fs *fs, struct file *f, const char *text, size_t n)
{
	int err = memchr(text, '\0', n) ? -EINVAL : tree_same(&fs->tree, f->path, f->id);
	char *whole;

	if (err)
		return err;
	whole = strndup(text, n);
	if (!whole)
		return -ENOMEM;
	err = tree_write(&fs->tree, f->path, names_name(&fs->names, f->slot), whole);
	free(whole);
	return gone(err);
}

/* ---- events ---- */

static bool tells(struct fs *fs, const struct file *f)
{
	struct node *dir = nodes_tell(&fs->nodes, f->path, f->id, 0);
	bool yes = false;

	if (!dir)
		return false;
	if (!fs_files(fs, dir, false))
		for (size_t i = 0; i < dir->nr_files; i++)
			if (!strcmp(dir->files[i].name, names_name(&fs->names, f->slot)))
				yes = dir->files[i].tells;
	nodes_forget(&fs->nodes, dir, 1);
	return yes;
}

int fs_poll(struct fs *fs, struct file *f, void *waiter, unsigned *events)
{
	int err = 0;

	drop_waiter(fs, f);
	f->waiter = waiter;
	*events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	if (tells(fs, f)) {
		err = tree_same(&fs->tree, f->path, f->id);
		if (!err)
			err = tree_watch(&fs->tree, f->path, f->id);
	}
	if (err == -ENODEV) /* that it went is the last event */
		f->told = true;
	if (f->told)
		*events |= POLLPRI | POLLERR;
	return err == -ENODEV ? 0 : err;
}

static void tell(struct fs *fs, struct file *f)
{
	void *waiter = f->waiter;

	f->told = true;
	f->waiter = NULL;
	if (!waiter)
		return;
	fs->wake(waiter);
	fs->drop(waiter);
}

static bool concerns(struct fs *fs, const struct file *f, const struct source_event *e)
{
	return !strcmp(f->path, e->path) &&
	       (!strcmp(e->name, "offline") || !strcmp(e->file, names_name(&fs->names, f->slot)));
}

int fs_events(struct fs *fs)
{
	struct source_event e;
	int got;

	while ((got = tree_event(&fs->tree, &e)) > 0)
		for (struct file *f = fs->open; f; f = f->next)
			if (concerns(fs, f, &e))
				tell(fs, f);
	for (struct file *f = fs->tree.missed ? fs->open : NULL; f; f = f->next)
		tell(fs, f);
	fs->tree.missed = false;
	return got;
}
