/*
 * file_owners.c - what a group itself pays for, counted from the memory: memory.owners and
 * memory.report. Both walk all of the process's memory (walk.h), and are exact when nothing is in
 * motion; the walk needs no lock, and what it meets half done it counts one way or the other.
 */
#include <errno.h>

#include "ctl/files.h"
#include "ctl/print.h"
#include "ctl/recount.h"
#include "ctl/report.h"
#include "slab/class.h"

/* --- memory.owners -------------------------------------------------------------- */

struct sum {
	u64 objects, bytes;
};

struct owners {
	struct walk_env env; /* first: found() gets from one to the other */
	u32 place;	     /* of the group */
	struct sum slab[CLASS_NR];
	struct sum other[WALK_STOCK + 1]; /* by kind */
};

static struct sum *sum_of(struct owners *o, const struct walk_find *f)
{
	if (f->kind == PAGE_SLAB)
		return f->size <= CLASS_MAX_SIZE ? &o->slab[class_of(f->size)] : NULL;
	return f->kind <= WALK_STOCK ? &o->other[f->kind] : NULL;
}

static void found(struct walk *w, u32 handle, const struct walk_find *f)
{
	struct owners *o = container_of(w->env, struct owners, env);
	struct sum *sum = sum_of(o, f);

	if (!sum || walk_paying_group(w, handle) != o->place + 1)
		return;
	sum->objects += f->objects;
	sum->bytes += f->bytes;
}

static int count_owners(struct owners *o, struct walk *w, const struct memcg *cg)
{
	int err = walk_tree(w);

	if (err)
		return err;
	o->place = walk_place(w, (u64)cg);
	return o->place == w->groups ? -ENODEV : walk_recount(w);
}

static void say_sum(struct text *t, const struct sum *sum, struct sum *total)
{
	total->objects += sum->objects;
	total->bytes += sum->bytes;
	text_say(t, " objects=%lu bytes=%lu\n", (unsigned long)sum->objects,
		 (unsigned long)sum->bytes);
}

static void say_owners(struct text *t, const struct owners *o)
{
	static const char *const name[WALK_STOCK + 1] = {
		[PAGE_LARGE] = "large", [PAGE_BUFFER] = "buffer", [PAGE_TABLE] = "table",
		[PAGE_STACK] = "stack", [PAGE_ANON] = "anon",	  [PAGE_FILE] = "file",
		[PAGE_SHMEM] = "shmem", [PAGE_NET] = "sock",	  [WALK_EXTERNAL] = "external",
		[WALK_MAPS] = "maps",	[WALK_STOCK] = "stock",
	};
	struct sum total = {0};
	unsigned i;

	for (i = 0; i < CLASS_NR; i++)
		if (o->slab[i].bytes) {
			text_say(t, "slab.%u", class_size[i]);
			say_sum(t, &o->slab[i], &total);
		}
	for (i = 0; i <= WALK_STOCK; i++)
		if (name[i] && o->other[i].bytes) {
			text_say(t, "%s", name[i]);
			say_sum(t, &o->other[i], &total);
		}
	text_say(t, "total");
	say_sum(t, &total, &(struct sum){0});
}

int show_owners(struct memcg *cg, struct text *t)
{
	struct owners o = {0};
	struct walk w;
	int err;

	recount_env(&o.env);
	o.env.found = found;
	err = walk_open(&w, &o.env, &memcg__layout);
	if (!err)
		err = count_owners(&o, &w, cg);
	walk_close(&w);
	if (!err)
		say_owners(t, &o);
	return err;
}

/* --- memory.report -------------------------------------------------------------- */

static void write_text(void *arg, const char *text, size_t n)
{
	text_add(arg, text, n);
}

int show_report(struct memcg *cg, struct text *t)
{
	struct print p = {.write = write_text, .arg = t};

	return report_group(cg, &p);
}
