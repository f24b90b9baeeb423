/*
 * mech.c - the two mechanisms. A descriptor of userfaultfd serves all windows of one kind: those of
 * files want their writes noticed and have one that resolves write faults by itself.
 */
#include "vm/mech.h"

#include <errno.h>
#include <sys/mman.h>

#include "sys/file.h"
#include "sys/log.h"
#include "sys/map.h"
#include "sys/pagemap.h"
#include "sys/uffd.h"

enum mech mech;

static struct lock mech_lock = LOCK_INIT(RANK_EXTENT);
static int plain = -1, noticing = -1; /* userfaultfd's; noticing may be the same as plain */
static int pagemap = -1;

static enum mech probe(void)
{
	plain = sys_uffd(0);
	if (plain < 0) {
		log_line("userfaultfd is refused (error %d): managed memory must be pinned "
			 "(memcg_pin) before it is used",
			 -plain);
		return MECH_PINS;
	}
	pagemap = sys_pagemap();
	noticing = pagemap < 0 ? -1 : sys_uffd(UFFD_ASYNC);
	if (noticing < 0)
		noticing = plain; /* everything mapped for writing counts as written */
	return MECH_FAULTS;
}

int mech_up(void)
{
	lock_acquire(&mech_lock);
	if (!mech)
		atomic_store_release(&mech, probe());
	lock_release(&mech_lock);
	return 0;
}

static int uffd_of(const struct window *w)
{
	return w->object->kind == OBJECT_FILE ? noticing : plain;
}

static int protection(const struct window *w)
{
	return w->writable ? PROT_READ | PROT_WRITE : PROT_READ;
}

/* A mapping of the system's for each run of adjacent pages: one, but for a view. */
static int map_runs(struct window *w, int prot)
{
	int err = 0;

	for (u32 i = 0, n; i < w->npages && !err; i += n) {
		u64 offset = managed_offset(window_run(w, i, &n));

		err = sys_map_shared((void *)window_address(w, i), (size_t)n << PAGE_SHIFT, prot,
				     managed_fd(), offset);
	}
	return err;
}

int mech_open(struct window *w)
{
	size_t len = (size_t)w->npages << PAGE_SHIFT;
	int err = map_runs(w, mech == MECH_FAULTS ? protection(w) : PROT_NONE);

	if (!err && mech == MECH_FAULTS)
		err = sys_uffd_register(uffd_of(w), (void *)w->start, len);
	if (err)
		mech_close(w->start, len);
	return err;
}

void mech_close(uintptr_t addr, size_t len)
{
	sys_unreserve_shared((void *)addr, len);
}

int mech_map(struct window *w, uintptr_t addr, u32 n, bool write_noticed)
{
	size_t len = (size_t)n << PAGE_SHIFT;

	if (mech == MECH_PINS)
		return w->writable ? sys_open_range((void *)addr, len)
				   : sys_open_readable((void *)addr, len);
	return sys_uffd_continue(uffd_of(w), (void *)addr, len, write_noticed && noticing != plain);
}

/* The protection is what keeps the program out; the memory leaves the mapping with it, or later. */
static int close_spans(const struct span *spans, unsigned n)
{
	int err = 0, one;

	for (unsigned i = 0; i < n; i++) {
		one = sys_guard_protect(spans[i].at, spans[i].len, true);
		err = err ? err : one;
	}
	(void)sys_zap(spans, n);
	return err;
}

int mech_zap(const struct span *spans, unsigned n)
{
	return mech == MECH_PINS ? close_spans(spans, n) : sys_zap(spans, n);
}

/* An error leaves bits unset: then the pages count as written. */
void mech_unwritten(uintptr_t addr, u32 n, u64 *bits)
{
	if (mech == MECH_FAULTS && noticing != plain)
		(void)sys_unwritten(pagemap, addr, n, bits);
}

void mech_fork_child(void)
{
	lock_init(&mech_lock, RANK_EXTENT);
	if (plain >= 0)
		sys_close(plain);
	if (noticing >= 0 && noticing != plain)
		sys_close(noticing);
	if (pagemap >= 0)
		sys_close(pagemap);
	plain = noticing = pagemap = -1;
	mech = MECH_UNKNOWN;
}
