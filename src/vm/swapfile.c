/* swapfile.c - slots, and pages to and from them. Theory in swapfile.h. */
#include "vm/swapfile.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "group/stuck.h"
#include "group/task.h"
#include "sync/lock.h"
#include "sys/file.h"
#include "sys/futex.h"
#include "sys/id.h"
#include "sys/log.h"
#include "vm/sum.h"

#define SLOTS_MAX 0x7fffffffu /* 8 TiB */

enum state { UNOPENED = 0, OPEN = 1, UNUSABLE = 2 };

static struct swapfile {
	struct lock lock;
	u32 state;  /* enum state; lock, and whoever finds that the file is not ours any more. There
		       is a map from OPEN on: release, paired in is_open */
	u32 grower; /* the system's number of the thread that opens or extends it; 0; lock */
	u32 end;    /* slots it has, header included; the grower's */
	int fd;	    /* constant once it is open */
	bool full;  /* the last time, the system gave no more space; lock */
	u32 failing; /* writes do: a line has been said. Racy: two threads may both say it */
	struct sys_file_info id; /* constant once it is open */
} swap = {.lock = LOCK_INIT(RANK_SWAP), .fd = -1};

static bool is_open(void)
{
	return atomic_load_acquire(&swap.state) == OPEN;
}

static u32 slots_max(void)
{
	return (u32)MIN(swap_setup.size >> PAGE_SHIFT, (u64)SLOTS_MAX);
}

/* --- growing: by the one grower, without the lock ------------------------------------- */

static int open_it(void)
{
	int fd;

	if (slots_max() < 2)
		return -ENOSPC; /* asked for: nothing to say */
	fd = swap_open(&swap.id);
	if (fd < 0)
		return fd;
	if (!swap_map_make(slots_max())) {
		log_line("swap file: no memory for its map: pages stay in memory");
		sys_close(fd);
		return -ENOMEM;
	}
	swap.fd = fd;
	swap.end = 1;
	return 0;
}

/* Space behind the end, up to slot `end`: 0, or -errno. Some file systems give it only on writing.
 */
static int reserve(u32 end)
{
	u64 from = (u64)swap.end << PAGE_SHIFT, to = (u64)end << PAGE_SHIFT;
	int err;

	if (to > sys_file_size_limit())
		return -EFBIG;
	err = sys_allocate(swap.fd, from, to - from);
	return err == -EOPNOTSUPP || err == -ENOSYS ? 0 : err;
}

/* Half the way, at a cluster's end; or none of it. */
static u32 halfway(u32 from, u32 to)
{
	u32 half = ALIGN_DOWN(from + (to - from) / 2, SWAP_CLUSTER);

	return MAX(half, from);
}

/* The rest of a chunk, or as much of it as there is. */
static int extend(void)
{
	u32 from = swap.end, to = MIN(ALIGN_UP(from + 1, SWAP_CHUNK), slots_max());
	int err;

	while ((err = reserve(to)) < 0) {
		to = halfway(from, to);
		if (to == from)
			return err;
	}
	if (!swap_map_extend(to))
		return -ENOMEM;
	swap.end = to;
	return 0;
}

HOOK_DEFINE(swap_grows);

static int grow(void)
{
	int err;

	HOOK(swap_grows);
	err = atomic_load(&swap.state) == UNOPENED ? open_it() : 0;

	return err ? err : extend();
}

/* --- slots ------------------------------------------------------------------------------ */

static bool can_grow(void)
{
	return atomic_load(&swap.state) == UNOPENED || (is_open() && swap_map_end() < slots_max());
}

/* The grower is done, or was when we looked. */
static void await_grower(void)
{
	u32 grower = swap.grower;

	lock_release(&swap.lock);
	sys_futex_wait(&swap.grower, grower, 0);
	lock_acquire(&swap.lock);
}

static void grown(int err)
{
	if (atomic_load(&swap.state) == UNOPENED)
		atomic_store_release(&swap.state, swap.fd < 0 ? (u32)UNUSABLE : (u32)OPEN);
	swap.full = err != 0;
	atomic_store(&swap.grower, 0u);
	sys_futex_wake(&swap.grower, 0x7fffffff);
}

/* True: look for slots again. A signal handler that comes in while its thread grows cannot wait. */
static bool grow_locked(void)
{
	u32 self = sys_thread_id();
	int err;

	if (!can_grow() || swap.grower == self)
		return false;
	if (swap.grower) {
		await_grower();
		return true;
	}
	atomic_store(&swap.grower, self);
	lock_release(&swap.lock);
	err = grow();
	lock_acquire(&swap.lock);
	grown(err);
	return !err;
}

/* As long as the file can grow that is better than to scatter. */
static unsigned take_locked(u32 slots[], unsigned n)
{
	unsigned got = is_open() ? swap_map_take_row(slots, n) : 0;

	if (got || (can_grow() && !swap.full))
		return got;
	return is_open() ? swap_map_take_scattered(slots, n) : 0;
}

int swap_alloc(u32 slots[], unsigned n)
{
	unsigned got = 0;

	n = MIN(n, SWAP_CLUSTER);
	task_busy_begin(); /* a signal handler's fault is not served meanwhile: it would want the
			      lock */
	lock_acquire(&swap.lock);
	do
		got = take_locked(slots, n);
	while (!got && grow_locked());
	if (!got && is_open())
		got = swap_map_take_scattered(slots, n);
	lock_release(&swap.lock);
	task_busy_end();
	return got ? (int)got : -ENOSPC;
}

void swap_free(u32 slot)
{
	swap_map_give(slot);
	stuck_over();
}

u64 swap_slots(void)
{
	u32 max = slots_max();

	return max > 1 && atomic_load(&swap.state) != UNUSABLE ? max - 1 : 0;
}

u64 swap_slots_free(void)
{
	if (!is_open())
		return swap_slots();
	return slots_max() - swap_map_end() + swap_map_free();
}

/* --- transfers ------------------------------------------------------------------------- */

static bool same_file(void)
{
	struct sys_file_info now;

	return !sys_file_info(swap.fd, &now) && now.device == swap.id.device &&
	       now.inode == swap.id.inode;
}

/* Whether the descriptor still is the file that was opened. */
static bool ours(void)
{
	if (!is_open())
		return false;
	if (same_file())
		return true;
	if (atomic_xchg(&swap.state, (u32)UNUSABLE) == OPEN)
		log_line("swap file %s: the program closed its descriptor %d: "
			 "what was swapped out is lost",
			 swap_name(), swap.fd);
	return false;
}

/* How many of the n slots from the first on follow each other. */
static unsigned row(const u32 slots[], unsigned n)
{
	unsigned i = 1;

	while (i < n && i < SYS_IO_PAGES && slots[i] == slots[0] + i)
		i++;
	return i;
}

static int write_row(const void *const pages[], u32 first, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		atomic_store(swap_map_sum(first + i), sum_of(pages[i], PAGE_SIZE));
	return sys_write_pages(swap.fd, pages, n, (u64)first << PAGE_SHIFT);
}

/* Said when it begins to fail, and again after it has worked in between. */
static void say_failing(int err, u32 slot)
{
	bool was = atomic_load(&swap.failing);

	if (!err == !was)
		return;
	atomic_store(&swap.failing, (u32) !!err);
	if (err)
		log_line("swap file %s: slot %u cannot be written (%s): pages stay in memory",
			 swap_name(), slot, strerrordesc_np(-err));
}

int swap_write(const void *const pages[], const u32 slots[], unsigned n)
{
	int err = ours() ? 0 : -EIO;
	unsigned i, nr;

	for (i = 0; i < n && !err; i += nr) {
		nr = row(slots + i, n - i);
		err = write_row(pages + i, slots[i], nr);
		say_failing(err, slots[i]);
	}
	for (i = 0; i < n && err; i++)
		swap_map_give(slots[i]); /* no room has come by that */
	return err;
}

/* Bits of the pages that came whole and as they were. */
static u32 verify(u32 first, unsigned n, void *const pages[])
{
	u32 good = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (atomic_load(swap_map_sum(first + i)) == sum_of(pages[i], PAGE_SIZE))
			good |= 1u << i;
		else
			log_line("swap file %s: slot %u is damaged: it does not have the page that "
				 "was written to it",
				 swap_name(), first + i);
	}
	return good;
}

static u32 read_row(u32 first, unsigned n, void *const pages[])
{
	int got = ours() ? sys_read_pages(swap.fd, pages, n, (u64)first << PAGE_SHIFT) : -EIO;

	if (got < (int)n && is_open())
		log_line("swap file %s: slot %u cannot be read (%s)", swap_name(),
			 first + (u32)MAX(got, 0),
			 got < 0 ? strerrordesc_np(-got) : "the file ends before it");
	return got > 0 ? verify(first, (unsigned)got, pages) : 0;
}

static unsigned wanted(void *const pages[], unsigned n)
{
	unsigned i = 0;

	while (i < n && pages[i])
		i++;
	return i;
}

u32 swap_read_run(u32 first, unsigned n, void *const pages[])
{
	u32 good = 0;
	unsigned i, nr;

	ASSERT(n <= SWAP_CLUSTER);
	for (i = 0; i < n; i += MAX(nr, 1u)) {
		nr = wanted(pages + i, n - i);
		if (nr)
			good |= read_row(first + i, nr, pages + i) << i;
	}
	return good;
}

int swap_read(u32 slot, void *page)
{
	BUG_ON(!swap_map_used(slot));
	return swap_read_run(slot, 1, &page) ? 0 : -EIO;
}

/* --- fork ---------------------------------------------------------------------------------- */

void swapfile_fork_prepare(void)
{
	lock_acquire(&swap.lock);
}

void swapfile_fork_parent(void)
{
	lock_release(&swap.lock);
}

/* A thread that was opening or extending the file is not here, and neither is what it was making.
 */
void swapfile_fork_child(void)
{
	if (swap.fd >= 0 && same_file()) /* else the number is the program's by now */
		sys_close(swap.fd);
	swap_map_drop();
	swap = (struct swapfile){.lock = swap.lock, .fd = -1};
	lock_release(&swap.lock);
}
