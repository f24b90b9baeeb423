/* fs.c - names: groups and their files. See fs.h. */
#include "fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fs_init(struct fs *fs, struct source *s, void (*log)(const char *))
{
	struct group root;
	int err;

	*fs = (struct fs){0};
	err = tree_init(&fs->tree, s, log);
	if (err)
		return err;
	err = tree_group(&fs->tree, "/", &root);
	if (!err)
		err = nodes_init(&fs->nodes, root.id);
	if (err)
		tree_exit(&fs->tree);
	return err;
}

void fs_exit(struct fs *fs)
{
	while (fs->open)
		fs_close(fs, fs->open);
	nodes_exit(&fs->nodes);
	free(fs->names.name);
	tree_exit(&fs->tree);
}

char *fs_join(const char *path, const char *name)
{
	size_t above = strcmp(path, "/") ? strlen(path) : 0, length = strlen(name);
	char *whole = malloc(above + 1 + length + 1);

	if (!whole)
		return NULL;
	memcpy(whole, path, above);
	whole[above] = '/';
	memcpy(whole + above + 1, name, length + 1);
	return whole;
}

/* ---- attributes ---- */

static void attr_common(const struct fs *fs, const struct node *node, struct stat *st)
{
	*st = (struct stat){
		.st_ino = node_number(node->id, node->slot),
		.st_uid = fs->tree.uid,
		.st_gid = fs->tree.gid,
		.st_blksize = 4096,
		.st_atim = fs->tree.since,
		.st_mtim = fs->tree.since,
		.st_ctim = fs->tree.since,
	};
}

static void attr_dir(const struct fs *fs, const struct node *node, const struct group *g,
		     struct stat *st)
{
	attr_common(fs, node, st);
	st->st_mode = S_IFDIR | S_IRWXU;
	/* 1 says to find(1) that the number is not known. */
	st->st_nlink = g->children == SOURCE_UNKNOWN ? 1 : 2 + (nlink_t)g->children;
}

static void attr_file(const struct fs *fs, const struct node *node, const struct source_file *file,
		      struct stat *st)
{
	attr_common(fs, node, st);
	st->st_mode = S_IFREG | (file->readable ? S_IRUSR : 0) | (file->writable ? S_IWUSR : 0);
	st->st_nlink = 1;
}

/* ---- files ---- */

int fs_files(struct fs *fs, struct node *dir, bool fresh)
{
	struct source_file *list;
	size_t n;
	int err;

	if (dir->files && !fresh)
		return 0;
	err = tree_files(&fs->tree, dir->path, &list, &n);
	if (err)
		return err;
	free(dir->files);
	dir->files = list;
	dir->nr_files = n;
	return 0;
}

static const struct source_file *find_file(const struct node *dir, const char *name)
{
	for (size_t i = 0; i < dir->nr_files; i++)
		if (!strcmp(dir->files[i].name, name))
			return &dir->files[i];
	return NULL;
}

static int tell_file(struct fs *fs, const struct node *dir, const struct source_file *file,
		     struct node **out, struct stat *st)
{
	unsigned slot = names_slot(&fs->names, file->name);

	*out = slot ? nodes_tell(&fs->nodes, dir->path, dir->id, slot) : NULL;
	if (!*out)
		return -ENOMEM;
	attr_file(fs, *out, file, st);
	return 0;
}

static int attr_of_file(struct fs *fs, const struct node *node, struct stat *st)
{
	const char *name = names_name(&fs->names, node->slot);
	struct node *dir = nodes_tell(&fs->nodes, node->path, node->id, 0);
	const struct source_file *file;
	int err = dir ? fs_files(fs, dir, false) : -ENOMEM;

	if (!err) {
		file = find_file(dir, name);
		if (file)
			attr_file(fs, node, file, st);
		else
			err = -ENOENT;
	}
	if (dir)
		nodes_forget(&fs->nodes, dir, 1);
	return err;
}

/* ---- groups ---- */

static int tell_group(struct fs *fs, const char *path, struct node **out, struct stat *st)
{
	struct group g;
	int err = tree_group(&fs->tree, path, &g);

	if (err)
		return err;
	*out = nodes_tell(&fs->nodes, path, g.id, 0);
	if (!*out)
		return -ENOMEM;
	attr_dir(fs, *out, &g, st);
	return 0;
}

/* Of a group that is gone, whoever has its path now. */
static int check(struct fs *fs, const struct node *dir)
{
	int err = tree_same(&fs->tree, dir->path, dir->id);

	return err == -ENODEV ? -ENOENT : err;
}

int fs_attr(struct fs *fs, const struct node *node, struct stat *st)
{
	struct group g;
	int err;

	if (node->slot)
		return attr_of_file(fs, node, st);
	err = tree_group(&fs->tree, node->path, &g);
	if (!err && g.id != node->id)
		err = -ENOENT;
	if (!err)
		attr_dir(fs, node, &g, st);
	return err;
}

static int lookup_group(struct fs *fs, const struct node *dir, const char *name, struct node **out,
			struct stat *st)
{
	char *path = fs_join(dir->path, name);
	int err = path ? tell_group(fs, path, out, st) : -ENOMEM;

	free(path);
	/* What no group can be called is not there either. */
	return err == -EINVAL || err == -E2BIG ? -ENOENT : err;
}

static int lookup_file(struct fs *fs, struct node *dir, const char *name, bool fresh,
		       struct node **out, struct stat *st)
{
	const struct source_file *file;
	int err = fs_files(fs, dir, fresh);

	if (err)
		return err;
	file = find_file(dir, name);
	return file ? tell_file(fs, dir, file, out, st) : -ENOENT;
}

int fs_lookup(struct fs *fs, struct node *dir, const char *name, struct node **out, struct stat *st)
{
	int err = check(fs, dir);

	if (err)
		return err;
	err = lookup_file(fs, dir, name, false, out, st);
	if (err == -ENOENT)
		err = lookup_group(fs, dir, name, out, st);
	/* A process of a run has more files once it answers for itself. */
	if (err == -ENOENT)
		err = lookup_file(fs, dir, name, true, out, st);
	return err;
}

int fs_mkdir(struct fs *fs, const struct node *dir, const char *name, struct node **out,
	     struct stat *st)
{
	char *path = fs_join(dir->path, name);
	int err = path ? check(fs, dir) : -ENOMEM;

	if (!err)
		err = tree_mkdir(&fs->tree, path);
	if (!err)
		err = tell_group(fs, path, out, st);
	free(path);
	return err;
}

int fs_rmdir(struct fs *fs, const struct node *dir, const char *name)
{
	char *path = fs_join(dir->path, name);
	int err = path ? check(fs, dir) : -ENOMEM;

	if (!err)
		err = tree_rmdir(&fs->tree, path);
	free(path);
	return err;
}
