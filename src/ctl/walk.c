/* walk.c - reading the tables of handles and groups, and the comparison. Theory in walk.h. */
#include "ctl/walk.h"
#include "group/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SLAB_BYTES   (SLAB_PAGES_MAX * PAGE_SIZE)
#define SLOTS_MAX    (SLAB_PAGES_MAX * (unsigned)PAGE_SIZE / 16)
#define DESC_BYTES   (CHUNK_PAGES * sizeof(struct page))
#define HANDLE_BATCH (DESC_BYTES / sizeof(struct handle)) /* the table is opened in such steps */

static bool read_at(struct walk *w, u64 from, void *to, size_t n)
{
	return w->env->read(w->env->arg, from, to, n);
}

/* The word or struct a pointer of the layout leads to. */
#define READ_AT(w, pointer, to) read_at(w, (u64)(pointer), to, sizeof(*(to)))

void walk_say(struct walk *w, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	w->sum.differences++;
	if (!w->env->say)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	w->env->say(w->env->say_arg, line);
}

bool walk_read_region(struct walk *w, u64 from, void *to, size_t n)
{
	u64 base = w->region.base, opened = (u64)w->region.chunks * CHUNK_SIZE;

	return from >= base && from - base < opened && n <= opened - (from - base) &&
	       read_at(w, from, to, n);
}

/* --- opening ------------------------------------------------------------ */

static bool region_sane(const struct region *r)
{
	return IS_ALIGNED(r->base, PAGE_SIZE) && r->chunks <= r->chunks_max &&
	       r->span / CHUNK_SIZE >= r->chunks_max;
}

/* How many entries have been used: the first that does not hold its own index ends the table. */
static u32 count_handles(struct walk *w)
{
	struct handle *batch = (struct handle *)w->desc;
	u32 n, i;

	for (n = 0; n < UINT32_MAX - HANDLE_BATCH; n += HANDLE_BATCH) {
		if (!read_at(w, w->table + n * sizeof(*batch), batch, DESC_BYTES))
			return n;
		for (i = 0; i < HANDLE_BATCH; i++)
			if (n + i >= HANDLE_ROOT && batch[i].index != n + i)
				return n + i;
	}
	return n;
}

static int read_handles(struct walk *w)
{
	struct handle *batch = (struct handle *)w->desc;
	u32 n, i, got;

	w->handles = w->env->handles ? w->env->handles : count_handles(w);
	if (w->handles <= HANDLE_ROOT)
		return -ENODEV;
	w->handle = w->env->map(w->handles * sizeof(*w->handle));
	if (!w->handle)
		return -ENOMEM;
	for (n = 0; n < w->handles; n += got) {
		got = (u32)MIN(HANDLE_BATCH, (size_t)(w->handles - n));
		if (!read_at(w, w->table + n * sizeof(*batch), batch, got * sizeof(*batch)))
			return -EFAULT;
		for (i = 0; i < got; i++) {
			w->handle[n + i].refs = batch[i].refs;
			w->handle[n + i].word = batch[i].word;
			w->handle[n + i].index = batch[i].index;
		}
	}
	return 0;
}

static bool map_buffers(struct walk *w)
{
	w->desc = w->env->map(DESC_BYTES);
	w->slab = w->env->map(SLAB_BYTES);
	w->entry = w->env->map(SLOTS_MAX * sizeof(*w->entry));
	w->free = w->env->map(SLOTS_MAX / 8);
	return w->desc && w->slab && w->entry && w->free;
}

int walk_open(struct walk *w, const struct walk_env *env, const struct layout *at)
{
	struct memcg *root;

	memset(w, 0, sizeof(*w));
	w->env = env;
	w->at = *at;
	w->chunk = UINT32_MAX;
	if (!READ_AT(w, at->region, &w->region) || !READ_AT(w, at->handles, &w->table) ||
	    !READ_AT(w, at->root, &root))
		return -EFAULT;
	if (!w->region.base || !w->table || !root)
		return -ENODEV;
	if (!region_sane(&w->region))
		return -EFAULT;
	if (!map_buffers(w))
		return -ENOMEM;
	return read_handles(w);
}

static void unmap(struct walk *w, void *p, size_t n)
{
	if (p)
		w->env->unmap(p, n);
}

void walk_close(struct walk *w)
{
	unmap(w, w->desc, DESC_BYTES);
	unmap(w, w->slab, SLAB_BYTES);
	unmap(w, w->entry, SLOTS_MAX * sizeof(*w->entry));
	unmap(w, w->free, SLOTS_MAX / 8);
	unmap(w, w->handle, w->handles * sizeof(*w->handle));
	unmap(w, w->group, w->groups_max * sizeof(*w->group));
}

/* --- the tree ------------------------------------------------------------- */

u32 walk_handle_at(const struct walk *w, u64 address)
{
	u64 off = address - w->table;

	if (address < w->table || off % sizeof(struct handle) ||
	    off / sizeof(struct handle) >= w->handles || off / sizeof(struct handle) < HANDLE_ROOT)
		return 0;
	return (u32)(off / sizeof(struct handle));
}

/* Of a group that has none, nothing was counted. */
static bool read_record(struct walk *w, const struct memcg *cg, struct group_record *out)
{
	*out = (struct group_record){0};
	return !cg->record || walk_read_region(w, (u64)cg->record, out, sizeof(*out));
}

static void group_fill(struct walk_group *g, const struct memcg *cg,
		       const struct group_record *record, u64 address, u32 parent)
{
	*g = (struct walk_group){
		.address = address,
		.first_child = (u64)cg->children.next,
		.next = (u64)cg->sibling.next,
		.parent = parent,
		.name_len = cg->name_len,
		.usage = cg->counter.usage,
		.peak = cg->counter.peak,
		.max = cg->counter.max,
		.refusals = record->events[EV_REFUSED],
		.max_hits = record->events[EV_MAX],
	};
}

/* The place of the group just added, or -1: it cannot be what it should be. */
static s64 group_add(struct walk *w, u64 address, u32 parent)
{
	struct walk_group *g = &w->group[w->groups];
	struct group_record record;
	struct memcg cg;
	u32 i = w->groups;

	if (i >= w->groups_max || !walk_read_region(w, address, &cg, sizeof(cg)))
		return -1;
	if (!read_record(w, &cg, &record))
		return -1;
	group_fill(g, &cg, &record, address, parent);
	g->handle = walk_handle_at(w, (u64)cg.handle);
	if (!g->handle || w->handle[g->handle].group ||
	    (i && (u64)cg.parent != w->group[parent].address))
		return -1;
	g->depth = i ? w->group[parent].depth + 1 : 0;
	w->handle[g->handle].group = i + 1;
	w->groups++;
	if (i)
		w->group[parent].below += g->usage;
	if (w->handle[g->handle].word != address)
		walk_say(w, "handle %u: its group %#lx does not stand in its word (%#lx)",
			 g->handle, (unsigned long)address,
			 (unsigned long)w->handle[g->handle].word);
	return i;
}

/* The link after group i in pre-order, whose owner is *parent; 0: there is none. */
static u64 next_link(const struct walk *w, u32 i, u32 *parent)
{
	const struct walk_group *g = &w->group[i];

	if (g->first_child != g->address + offsetof(struct memcg, children)) {
		*parent = i;
		return g->first_child;
	}
	for (; i; i = g->parent) {
		g = &w->group[i];
		*parent = g->parent;
		if (g->next != w->group[g->parent].address + offsetof(struct memcg, children))
			return g->next;
	}
	return 0;
}

/* A root that counts its descendants tells how many groups there are. */
static int map_groups(struct walk *w, u64 root)
{
	struct memcg cg;

	if (!walk_read_region(w, root, &cg, sizeof(cg)))
		return -EFAULT;
	w->groups_max = MIN(cg.descendants, w->handles) + 1;
	w->group = w->env->map(w->groups_max * sizeof(*w->group));
	return w->group ? 0 : -ENOMEM;
}

int walk_tree(struct walk *w)
{
	u64 root, link;
	u32 parent = 0;
	s64 at;
	int err;

	if (!READ_AT(w, w->at.root, &root) || !READ_AT(w, w->at.cached, &w->cached) ||
	    !READ_AT(w, w->at.metadata, &w->metadata) || !READ_AT(w, w->at.balloon, &w->balloon))
		return -EFAULT;
	err = map_groups(w, root);
	if (err)
		return err;
	at = group_add(w, root, 0);
	if (at < 0)
		return -EFAULT;
	while ((link = next_link(w, (u32)at, &parent))) {
		u64 address = link - offsetof(struct memcg, sibling);
		char path[WALK_PATH_MAX];

		at = group_add(w, address, parent);
		if (at >= 0)
			continue;
		walk_say(w, "tree: %#lx below group %s is not a group, or there twice",
			 (unsigned long)address, walk_path(w, parent, path));
		break;
	}
	w->sum.groups = w->groups;
	w->sum.counted = w->group[0].usage;
	return 0;
}

const char *walk_name(struct walk *w, u32 group, char buf[256])
{
	const struct walk_group *g = &w->group[group];

	buf[g->name_len] = '\0';
	if (!walk_read_region(w, g->address + offsetof(struct memcg, name), buf, g->name_len))
		snprintf(buf, 256, "?");
	return group ? buf : "/";
}

/* From the end towards the front: names are met on the way up. */
const char *walk_path(struct walk *w, u32 group, char buf[WALK_PATH_MAX])
{
	size_t pos = WALK_PATH_MAX - 1, len;
	char name[256];

	buf[pos] = '\0';
	if (!group)
		return "/";
	for (; group; group = w->group[group].parent) {
		walk_name(w, group, name);
		len = strlen(name);
		if (len + 4 > pos) {
			pos -= 3;
			memcpy(buf + pos, "...", 3);
			break;
		}
		pos -= len;
		memcpy(buf + pos, name, len);
		buf[--pos] = '/';
	}
	return buf + pos;
}

/* --- adding up -------------------------------------------------------------- */

static bool handle_live(const struct walk *w, u32 h)
{
	return h >= HANDLE_ROOT && h < w->handles && w->handle[h].refs && w->handle[h].index == h;
}

bool walk_charge(struct walk *w, u32 handle, struct walk_find f)
{
	if (!handle_live(w, handle))
		return false;
	w->handle[handle].counted += f.bytes;
	w->sum.owned += f.bytes;
	if (w->env->found)
		w->env->found(w, handle, &f);
	return true;
}

bool walk_charge_swap(struct walk *w, u32 handle, u64 bytes)
{
	if (!handle_live(w, handle))
		return false;
	w->handle[handle].swapped += bytes;
	w->sum.swapped += bytes;
	if (w->env->found)
		w->env->found(w, handle,
			      &(struct walk_find){.kind = WALK_SWAP, .objects = 1, .bytes = bytes});
	return true;
}

void walk_extra(struct walk *w, u32 handle, u64 bytes, unsigned stat_item)
{
	struct walk_find f = {
		.kind = stat_item == STAT_MAPS ? WALK_MAPS : WALK_EXTERNAL,
		.objects = 1,
		.bytes = bytes,
	};

	if (!walk_charge(w, handle, f))
		walk_say(w, "%s charge of %lu bytes names handle %u, which is not in use",
			 stat_item == STAT_MAPS ? "a map's" : "an external", (unsigned long)bytes,
			 handle);
	else if (stat_item < STAT_NR)
		w->sum.item[stat_item] += bytes;
}

static void stock_word(struct walk *w, u32 cpu, u64 word)
{
	u32 handle = (u32)(word >> 32), bytes = (u32)word;

	if (!bytes)
		return;
	w->sum.stock += bytes;
	if (handle_live(w, handle)) {
		w->handle[handle].stock += bytes;
		if (w->env->found)
			w->env->found(w, handle,
				      &(struct walk_find){.kind = WALK_STOCK, .bytes = bytes});
	} else
		walk_say(w, "stock of CPU %u: %u bytes for handle %u, which is not in use", cpu,
			 bytes, handle);
}

static int walk_stock(struct walk *w)
{
	struct stock_area *a = (struct stock_area *)w->slab;
	unsigned cpus, cpu, i;
	u64 base;

	if (!READ_AT(w, w->at.stock, &base) || !READ_AT(w, w->at.cpus, &cpus))
		return -EFAULT;
	for (cpu = 0; base && cpu < MIN(cpus, (unsigned)PCPU_MAX); cpu++) {
		if (!read_at(w, base + ((u64)cpu << STOCK_SHIFT), a, sizeof(*a)))
			return -EFAULT;
		for (i = 0; i < STOCK_BYTE_WORDS; i++)
			stock_word(w, cpu, a->word[i]);
	}
	return 0;
}

/* --- comparing ---------------------------------------------------------------- */

u32 walk_place(const struct walk *w, u64 address)
{
	u32 i;

	for (i = 0; i < w->groups && w->group[i].address != address; i++)
		;
	return i;
}

u32 walk_end(const struct walk *w, u32 group)
{
	u32 i = group + 1;

	while (i < w->groups && w->group[i].depth > w->group[group].depth)
		i++;
	return i;
}

u32 walk_paying_group(struct walk *w, u32 handle)
{
	u32 h = handle, steps;

	for (steps = 0; steps < w->handles && !w->handle[h].group; steps++) {
		u64 word = w->handle[h].word;

		h = word & HANDLE_REDIRECT ? walk_handle_at(w, word & ~HANDLE_REDIRECT) : 0;
		if (!h)
			return 0;
	}
	return w->handle[h].group;
}

static void compare_handle(struct walk *w, u32 h)
{
	struct walk_handle *e = &w->handle[h];
	u64 charged = e->refs & HANDLE_BYTES, found = e->counted + e->stock;
	u64 held = found + e->swapped;
	u32 group = walk_paying_group(w, h);
	char path[WALK_PATH_MAX];

	if (!group) {
		walk_say(w, "handle %u: leads to no living group (word %#lx), %lu bytes are its", h,
			 (unsigned long)e->word, (unsigned long)found);
		return;
	}
	w->group[group - 1].owned += found;
	if (charged == held)
		return;
	walk_say(w,
		 "handle %u, %s %s: charged for %lu bytes, there are %lu (objects and pages "
		 "%lu, stock %lu, swapped out %lu)",
		 h,
		 w->group[group - 1].handle == h ? "group" : "of a group that is gone, now paid by",
		 walk_path(w, group - 1, path), (unsigned long)charged, (unsigned long)held,
		 (unsigned long)e->counted, (unsigned long)e->stock, (unsigned long)e->swapped);
}

/* Children stand after their parent in the array. */
static void compare_groups(struct walk *w)
{
	char path[WALK_PATH_MAX];
	u32 i;

	w->group[0].expected = w->sum.metadata;
	for (i = w->groups; i--;) {
		struct walk_group *g = &w->group[i];

		g->expected += g->owned;
		if (i)
			w->group[g->parent].expected += g->expected;
	}
	for (i = 0; i < w->groups; i++)
		if (w->group[i].usage != w->group[i].expected)
			walk_say(
				w,
				"group %s: its counter says %lu bytes, the memory holds %lu (%lu its "
				"own)",
				walk_path(w, i, path), (unsigned long)w->group[i].usage,
				(unsigned long)w->group[i].expected,
				(unsigned long)w->group[i].owned);
}

static void compare_line(struct walk *w, const char *what, u64 says, u64 found)
{
	if (says != found)
		walk_say(w, "%s: the sum says %lu bytes, the memory holds %lu", what,
			 (unsigned long)says, (unsigned long)found);
}

/* What the walk can count of memory.stat; the others are states that no descriptor shows. */
static const char *const counted_item[STAT_NR] = {
	[STAT_LARGE] = "large",	      [STAT_BUFFER] = "buffer",
	[STAT_TABLE] = "pagetables",  [STAT_STACK] = "kernel_stack",
	[STAT_EXTERNAL] = "external", [STAT_MAPS] = "maps",
	[STAT_SOCK] = "sock",	      [STAT_ANON] = "anon",
	[STAT_FILE] = "file",	      [STAT_FILE_MAPPED] = "file_mapped",
	[STAT_SHMEM] = "shmem",	      [STAT_FILE_DIRTY] = "file_dirty",
};

static void compare_items(struct walk *w, unsigned from, unsigned to, const s64 *says)
{
	for (unsigned i = from; i < to; i++)
		if (counted_item[i] && (u64)says[i - from] != w->sum.item[i])
			walk_say(w,
				 "memory.stat of /, line %s: says %ld bytes, the memory holds %lu",
				 counted_item[i], (long)says[i - from],
				 (unsigned long)w->sum.item[i]);
}

/* The root's statistics, where all that CPUs held back has been added. */
static void compare_stat(struct walk *w)
{
	struct group_vm vm = {0};
	struct group_record record;
	struct memcg root;

	if (!w->env->folded || !walk_read_region(w, w->group[0].address, &root, sizeof(root)) ||
	    !read_record(w, &root, &record))
		return;
	record.stat[STAT_EXTERNAL] += w->env->external;
	record.stat[STAT_SOCK] += w->env->sock;
	record.stat[STAT_LARGE] += w->env->large;
	compare_items(w, 0, STAT_BASIC_NR, record.stat);
	if (!root.vm || walk_read_region(w, (u64)root.vm, &vm, sizeof(vm)))
		compare_items(w, STAT_BASIC_NR, STAT_NR, vm.stat);
	compare_line(w, "swap of /", vm.swap.usage, w->sum.swapped);
}

static void compare(struct walk *w)
{
	u32 h;

	for (h = HANDLE_ROOT; h < w->handles; h++)
		if (handle_live(w, h))
			compare_handle(w, h);
	compare_groups(w);
	compare_stat(w);
	compare_line(w, "cached", w->cached, w->sum.cached);
	if (w->env->folded)
		compare_line(w, "kept by CPUs", w->env->kept, w->sum.stacked);
	compare_line(w, "metadata", w->metadata, w->sum.metadata);
	compare_line(w, "balloon", w->balloon, w->sum.balloon);
}

int walk_recount(struct walk *w)
{
	int err = walk_pages(w);

	if (!err)
		err = walk_managed(w);

	if (!err && w->env->extra && !w->env->extra(w, w->env->arg))
		err = -EFAULT;
	if (!err)
		err = walk_stock(w);
	if (!err)
		compare(w);
	return err;
}
