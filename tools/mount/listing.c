/* listing.c - what a directory holds: its files, then the groups below it. See fs.h. */
#include "fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(struct listing *l, const char *name, uint64_t number, bool is_dir)
{
	struct listed *grown;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;

		grown = realloc(l->of, room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->of = grown;
		l->room = room;
	}
	l->of[l->n] = (struct listed){strdup(name), number, is_dir};
	return l->of[l->n].name && ++l->n ? 0 : -ENOMEM;
}

static int add_files(struct fs *fs, struct node *dir, struct listing *l)
{
	int err = 0;

	for (size_t i = 0; !err && i < dir->nr_files; i++) {
		unsigned slot = names_slot(&fs->names, dir->files[i].name);

		err = slot ? add(l, dir->files[i].name, node_number(dir->id, slot), false)
			   : -ENOMEM;
	}
	return err;
}

/* The first row is the group itself: it must be the one that was opened. */
static int add_groups(struct fs *fs, const struct node *dir, struct listing *l)
{
	const struct rows *rows;
	int err = tree_children(&fs->tree, dir->path, &rows);

	if (!err && rows->row[0].id != dir->id)
		err = -ENOENT;
	for (size_t i = 1; !err && i < rows->n; i++)
		err = add(l, rows->row[i].name, node_number(rows->row[i].id, 0), true);
	return err;
}

static int fill(struct fs *fs, struct node *dir, struct listing *l)
{
	int err = fs_files(fs, dir, true);

	if (!err)
		err = add(l, ".", node_number(dir->id, 0), true);
	if (!err)
		err = add(l, "..", node_number(dir->id, 0), true);
	if (!err)
		err = add_files(fs, dir, l);
	return err ? err : add_groups(fs, dir, l);
}

struct listing *listing_open(struct fs *fs, struct node *dir, int *err)
{
	struct listing *l = calloc(1, sizeof(*l));

	*err = l ? fill(fs, dir, l) : -ENOMEM;
	if (!*err)
		return l;
	if (l)
		listing_close(l);
	return NULL;
}

void listing_close(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->of[i].name);
	free(l->of);
	free(l);
}
