/*
 * init.c - bringing the library up, in order; and what a fork needs.
 *
 * It comes up once, at the first call of anything, in whichever thread; others
 * wait. Nothing on the way allocates from the library or from libc, so it may
 * be the program's first malloc in ld.so. What cannot be had ends the process
 * with one line: a program that asked for limits must not run without.
 */
#include <errno.h>
#include <pthread.h>

#include "alloc/alloc.h"
#include "alloc/external.h"
#include "alloc/guard.h"
#include "alloc/maps.h"
#include "alloc/stack.h"
#include "base/up.h"
#include "ctl/conf.h"
#include "ctl/file.h"
#include "ctl/leftover.h"
#include "ctl/reader.h"
#include "ctl/serve.h"
#include "group/tally.h"
#include "reclaim/oom.h"
#include "reclaim/owed.h"
#include "reclaim/psi.h"
#include "reclaim/reclaimer.h"
#include "reclaim/shrinker.h"
#include "slab/slab.h"
#include "sys/cpu.h"
#include "sys/log.h"
#include "net/pool.h"
#include "net/borrow.h"
#include "net/flight.h"
#include "net/rcvbuf.h"
#include "vm/file.h"
#include "group/vm.h"
#include "vm/store.h"
#include "vm/window.h"
#include "vm/mech.h"
#include "vm/mm.h"
#include "vm/move.h"
#include "vm/reclaim.h"
#include "vm/swapfile.h"
#include "vm/zswap.h"

bool lib_is_up;

static bool libc_is_up;	      /* its constructors have run: threads can be made */
static u32 coming_up;	      /* 0, then 1 for ever: whoever exchanged 0 does it */
static bool have_environment; /* read, and what was bad in it has been said */

static __cold_ void need(bool ok, const char *what)
{
	if (!ok)
		memcg_bug("cannot start: %s", what);
}

/* Once: a refused memcg_init() is followed by another, or by the first call of anything. */
static void read_environment(void)
{
	if (!have_environment)
		conf_from_environment();
	have_environment = true;
}

static void bring_up_lower(void)
{
	pcpu_init(conf.pcpu != 1);
	rcu_init();
	need(region_init(conf.region) == 0, "no address space for the heap (ulimit -v?)");
	buddy_init();
	pcp_init();
	page_purge_ms = (u32)MIN(conf.purge_ms, 0x7fffffffu);
	stat_init(group_stat_sink);
	need(handle_init() == 0, "no address space for handles (ulimit -v?)");
	need(stock_init() == 0, "no memory for per-CPU stock");
	need(tally_init() == 0, "no memory for per-CPU counts");
}

static void metadata_grown(u64 bytes)
{
	if (root_group)
		counter_charge(&root_group->counter, bytes);
}

/* What reclaim hung on it. */
static void group_gone(struct memcg *cg)
{
	oom_group_free(cg);
	psi_group_free(cg);
}

static void bring_up_upper(void)
{
	need(group_init() == 0, "no memory for the root group");
	counter_charge(&root_group->counter, atomic_load(&meta_bytes));
	meta_grown = metadata_grown;
	orphan_init();
	threads_init();
	external_init();
	pages_ops_init();
	stacks_init();
	object_init();
	net_init();
	reclaim_source_add(&held_slabs);
	reclaim_source_add(&managed_pages);
	group_vm_look = files_look;
	reclaim_source_add(&shrinkers);
	group_offlined = shrinkers_offlined;
	group_on_free = group_gone;
	reclaimer_work = owed_work;
	file_accounting_off = &accounting_off;
	/* Threads without a record look, too. */
	atomic_store(&accounting_off, (u32)conf.unaccounted);
	promote_off = !conf.promote;
	guards_by_pages = conf.guard_pages;
	leftovers_init(conf.leftovers);
	swap_setup = (struct swap_setup){
		.file = *conf.swap_file ? conf.swap_file : NULL,
		.dir = conf.temp_dir,
		.size = conf.swap_size,
	};
	move_rate = conf.move_rate;
	borrow_on = (u32)conf.zerocopy_recv;
}

static void set_root_limits(void)
{
	if (conf.max)
		memcg_set_limit(root_group, MEMCG_MAX, conf.max);
	if (conf.high)
		memcg_set_limit(root_group, MEMCG_HIGH, conf.high);
}

/*
 * Registered when the library is loaded, not when it comes up: handlers run before the fork in the
 * reverse order of registration, so that what registered later may still allocate
 * in its own prepare handler, before our locks are taken.
 */
static bool fork_holds;

/* Locks are taken in the order of rank.h, so that the child finds every structure at rest. */
static void fork_prepare(void)
{
	fork_holds = atomic_load_acquire(&lib_is_up);
	if (!fork_holds)
		return;
	tree_fork_prepare();
	shrinkers_fork_prepare();
	oom_fork_prepare();
	reader_fork_prepare();
	serve_fork_prepare();
	caches_fork_prepare();
	psi_fork_prepare();
	tasks_fork_prepare();
	orphan_fork_prepare();
	mms_fork_prepare();
	flight_fork_prepare();
	handle_fork_prepare();
	external_fork_prepare();
	maps_fork_prepare();
	stack_cache_fork_prepare();
	managed_fork_prepare();
	swapfile_fork_prepare();
	zswap_fork_prepare();
	page_after_fork_prepare();
	rcu_before_fork();
	event_fork_prepare();
}

static void fork_release(void)
{
	page_after_fork_done();
	stack_cache_fork_done();
	zswap_fork_done();
	external_fork_done();
	handle_fork_done();
	mms_fork_done();
	orphan_fork_done();
}

static void fork_parent(void)
{
	if (!fork_holds)
		return;
	event_fork_parent();
	rcu_after_fork_parent();
	managed_fork_parent();
	swapfile_fork_parent();
	maps_fork_parent();
	flight_fork_parent();
	fork_release();
	tasks_fork_parent();
	psi_fork_parent();
	caches_fork_done();
	serve_fork_parent();
	reader_fork_parent();
	oom_fork_parent();
	shrinkers_fork_parent();
	tree_fork_done();
}

/* It has no managed memory: what was the parent's is forgotten. */
static void vm_fork_child(void)
{
	managed_fork_child();
	mech_fork_child();
	windows_fork_child();
	store_fork_child();
	files_fork_child();
	swapfile_fork_child();
	net_fork_child();
	rcvbuf_fork_child();
	flight_fork_child();
}

static void fork_child(void)
{
	if (!fork_holds) {
		atomic_store(&coming_up, 0u); /* whoever was at it is not here */
		return;
	}
	pcpu_after_fork();
	fork_release();
	threads_fork_child();
	psi_fork_child();
	stock_after_fork();
	tally_after_fork();
	stat_after_fork();
	caches_fork_done();
	reader_fork_child();
	oom_fork_child();
	tree_fork_each(group_vm_fork_child);
	tree_fork_done();
	event_fork_child();
	vm_fork_child();
	/* Last: they free what they have, with every other lock at rest. */
	shrinkers_fork_child();
	reclaimer_fork_child();
	maps_fork_child();
	serve_fork_child();
}

static __attribute__((constructor(101))) void register_fork(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/*
 * The control socket that the environment asks for: at the first call of anything, so that
 * memcg_init() can still come first; or, when that was the loader's malloc, right after it.
 */
static void start_control(void)
{
	if (libc_is_up && *conf.control)
		serve_as_configured(conf.control);
}

static __attribute__((constructor(102))) void libc_came_up(void)
{
	libc_is_up = true;
	if (atomic_load_acquire(&lib_is_up))
		start_control();
}

static __attribute__((destructor)) void end_control(void)
{
	serve_exit();
}

void lib_bring_up(void)
{
	if (atomic_xchg(&coming_up, 1u)) {
		while (!atomic_load_acquire(&lib_is_up))
			sys_cpu_yield();
		return;
	}
	read_environment();
	bring_up_lower();
	bring_up_upper();
	atomic_store_release(&lib_is_up, true);
	set_root_limits();
	start_control();
}

int memcg_init(const struct memcg_config *config)
{
	int err;

	if (atomic_load_acquire(&lib_is_up))
		return -EBUSY;
	read_environment();
	err = config ? conf_from_program(config) : 0;
	if (err)
		return err;
	lib_up();
	return 0;
}

const char *memcg_version(void)
{
	return MEMCG_VERSION_STRING;
}
