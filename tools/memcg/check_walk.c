/*
 * check_walk.c - finds the library's table in a target, and walks.
 *
 * The table is looked for by its magic and its own address, in the writable maps of
 * libmemcg.so first, then in those of any other file: a program may have the library linked in.
 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The walk itself, compiled into this file: it calls nothing of the library. */
#include "ctl/walk.c"
#include "ctl/walk_pages.c"
#include "ctl/print.c"

#define SCAN_STEP 65536u

static const char *const shape_name[] = {LAYOUT_SHAPE(LAYOUT_NAME)};
static const u32 shape_here[] = {LAYOUT_SHAPE(LAYOUT_VALUE)};

/* --- finding the table ----------------------------------------------------- */

static bool is_library(const char *path)
{
	const char *base = strrchr(path, '/');

	return !strncmp(base ? base + 1 : path, "libmemcg.so", strlen("libmemcg.so"));
}

/* What stands at the magic: the head is the same in every version. */
static bool take_table(struct target *t, u64 address, struct layout *at)
{
	memset(at, 0, sizeof(*at));
	return t->read(t, address, at, offsetof(struct layout, region)) && (u64)at->self == address;
}

static bool scan_map(struct target *t, const struct check_map *m, u64 *buf, struct layout *at,
		     u64 *address)
{
	for (u64 from = m->start; from < m->end; from += SCAN_STEP) {
		size_t n = MIN(m->end - from, (u64)SCAN_STEP);

		if (!t->read(t, from, buf, n))
			return false;
		for (size_t i = 0; i < n / sizeof(*buf); i++)
			if (buf[i] == LAYOUT_MAGIC && take_table(t, from + i * sizeof(*buf), at)) {
				*address = from + i * sizeof(*buf);
				return true;
			}
	}
	return false;
}

static bool scan(struct target *t, bool library, struct layout *at, u64 *address)
{
	u64 *buf = malloc(SCAN_STEP);
	bool found = false;

	for (size_t i = 0; buf && i < t->maps && !found; i++)
		if (t->map[i].writable && is_library(t->map[i].path) == library)
			found = scan_map(t, &t->map[i], buf, at, address);
	free(buf);
	return found;
}

static bool has_library(const struct target *t)
{
	for (size_t i = 0; i < t->maps; i++)
		if (is_library(t->map[i].path))
			return true;
	return false;
}

/* True: *at is a table this program understands. */
static bool find_layout(struct target *t, struct layout *at, char *why, size_t size)
{
	u64 address;

	if (!scan(t, true, at, &address) && !scan(t, false, at, &address)) {
		snprintf(why, size,
			 has_library(t) ? "its libmemcg.so has no layout table: of another version?"
					: "it is not running libmemcg");
		return false;
	}
	if (at->version != LAYOUT_VERSION || at->size != sizeof(*at) ||
	    !t->read(t, address, at, sizeof(*at))) {
		snprintf(
			why, size,
			"its libmemcg has layout %u (%u bytes), this is for layout %u (%zu): use the "
			"memcg of that version",
			at->version, at->size, LAYOUT_VERSION, sizeof(*at));
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shape_here); i++)
		if (at->shape[i] != shape_here[i]) {
			snprintf(why, size,
				 "its libmemcg is of another build: %s is %u there, %u here",
				 shape_name[i], at->shape[i], shape_here[i]);
			return false;
		}
	return true;
}

/* --- walking ------------------------------------------------------------------ */

struct look_at {
	struct target *target;
	struct print print;
};

static bool read_target(void *arg, u64 from, void *to, size_t n)
{
	struct look_at *l = arg;

	return l->target->read(l->target, from, to, n);
}

/* --- charges that no page shows ------------------------------------------- */

#define CHARGE_PAGES_MAX (1ul << 26)
#define TREE_DEPTH	 256 /* a treap of 2^32 nodes is not a fifth as deep */

static void extra_page(struct walk *w, const struct charge_page *page)
{
	for (unsigned i = 0; i < CHARGE_PAGE_NR; i++) {
		const struct memcg_charge *c = &page->charge[i];

		if (c->live == CHARGE_LIVE && c->bytes)
			walk_extra(w, c->handle, c->bytes, STAT_EXTERNAL);
	}
}

static bool extra_charges(struct walk *w, struct target *t)
{
	struct charge_page page;
	u64 at, n;

	if (!t->read(t, (u64)w->at.external, &at, sizeof(at)))
		return false;
	for (n = 0; at && n < CHARGE_PAGES_MAX; n++) {
		if (!walk_read_region(w, at, &page, sizeof(page))) {
			walk_say(
				w,
				"external charges at %#lx: no page of them, or their list is broken",
				(unsigned long)at);
			return true;
		}
		extra_page(w, &page);
		at = (u64)page.next;
	}
	return true;
}

/* Down to the left, with what lies to the right remembered. */
static bool extra_maps(struct walk *w, struct target *t)
{
	u64 to_do[TREE_DEPTH], root, at;
	unsigned n = 0;
	struct map m;

	if (!t->read(t, (u64)w->at.maps, &root, sizeof(root)) || !t->read(t, root, &at, sizeof(at)))
		return false;
	while (at || n) {
		at = at ? at : to_do[--n];
		if (!walk_read_region(w, at, &m, sizeof(m)) || m.end < m.start || n == TREE_DEPTH) {
			walk_say(w, "charged map at %#lx: not a map, or their tree is broken",
				 (unsigned long)at);
			return true;
		}
		if (m.standing == CHARGED)
			walk_extra(w, m.handle, map_len(&m), STAT_MAPS);
		if (m.right)
			to_do[n++] = (u64)m.right;
		at = (u64)m.left;
	}
	return true;
}

static bool extra_there(struct walk *w, void *arg)
{
	struct look_at *l = arg;

	return extra_charges(w, l->target) && extra_maps(w, l->target);
}

static void *map_here(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap_here(void *p, size_t n)
{
	munmap(p, n);
}

static void write_out(void *arg, const char *text, size_t n)
{
	fwrite(text, 1, n, arg);
}

static void say(void *arg, const char *line)
{
	print_text(arg, "difference: %s\n", line);
}

static const char *walk_error(int err)
{
	switch (err) {
	case -ENODEV:
		return "its libmemcg is not up yet: nothing was allocated";
	case -ENOMEM:
		return "no memory for the tables of the walk";
	default:
		return "its memory cannot be read where the tables must be (damaged, or a core dump "
		       "without them)";
	}
}

static int walk_all(struct walk *w, struct look_at *l)
{
	int err = walk_tree(w);

	if (err)
		return err;
	print_tree(&l->print, w, 0);
	err = walk_recount(w);
	if (err)
		return err;
	print_sums(&l->print, w);
	print_verdict(&l->print, &w->sum);
	return 0;
}

enum look check_walk(struct target *t, FILE *out, char *why, size_t size)
{
	struct look_at l = {.target = t, .print = {.write = write_out, .arg = out}};
	struct walk_env env = {
		.read = read_target,
		.map = map_here,
		.unmap = unmap_here,
		.say = say,
		.extra = extra_there,
		.arg = &l,
		.say_arg = &l.print,
	};
	struct layout at;
	struct walk w;
	int err;

	if (!find_layout(t, &at, why, size))
		return LOOK_FAILED;
	err = walk_open(&w, &env, &at);
	if (!err)
		err = walk_all(&w, &l);
	walk_close(&w);
	if (err) {
		snprintf(why, size, "%s", walk_error(err));
		return LOOK_FAILED;
	}
	return w.sum.differences ? LOOK_DIFFERENT : LOOK_CLOSED;
}
