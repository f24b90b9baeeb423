/*
 * t_file.c - the files of a group as they are read, in cgroup v2's formats; names and rights, and
 * who is there.
 */
#include "group_file_fixture.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void test_fresh_group(void **state)
{
	(void)state;
	reads("memory.current", "0\n");
	reads("memory.peak", "0\n");
	reads("memory.min", "0\n");
	reads("memory.low", "0\n");
	reads("memory.high", "max\n");
	reads("memory.max", "max\n");
	reads("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"
			       "sock_throttled 0\n");
	reads("memory.events.local", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"
				     "sock_throttled 0\n");
	reads("memory.oom.group", "0\n");
	reads("memory.swap.current", "0\n");
	reads("memory.swap.peak", "0\n");
	reads("memory.swap.high", "max\n");
	reads("memory.swap.max", "max\n");
	reads("memory.swap.events", "high 0\nmax 0\nfail 0\n");
	reads("memory.zswap.current", "0\n");
	reads("memory.zswap.max", "max\n");
	reads("memory.zswap.writeback", "1\n");
	reads("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
				 "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	reads("memory.slack", "0\n");
	reads("memory.accounting", "1\n");
	reads("memory.balloon", "0\n");
	reads("cgroup.events", "populated 0\nfrozen 0\n");
	reads("cgroup.procs", "");
	reads("cgroup.threads", "");
	reads("cgroup.type", "domain\n");
	reads("cgroup.controllers", "memory\n");
	reads("cgroup.subtree_control", "memory\n");
	reads("cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n");
	reads("cgroup.max.descendants", "max\n");
	reads("cgroup.max.depth", "max\n");
}

static void test_usage(void **state)
{
	struct memcg_charge *charge = memcg_charge(cg, 12345);
	char *p;

	(void)state;
	reads("memory.current", "12345\n");
	memcg_uncharge(charge);
	reads("memory.current", "0\n");
	reads("memory.peak", "12345\n");
	p = memcg_malloc_in(cg, 50000);
	assert_int_equal(value("memory.stat", "large"), 53248);
	assert_int_equal(value("memory.stat", "stock"),
			 strtoull(get_of(cg, "memory.slack"), 0, 10));
	assert_int_equal(value("memory.stat", "local"), memcg_current(cg));
	memcg_free(p);
}

/* --- memory.stat --------------------------------------------------------------------- */

/* The kernel's lines as its own file has them, then ours: by hand, not from the library's list. */
static const char stat_names[] =
	"anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap "
	"zswapped zswap_incomp file_mapped file_dirty file_writeback swapcached anon_thp file_thp "
	"shmem_thp inactive_anon active_anon inactive_file active_file unevictable "
	"slab_reclaimable slab_unreclaimable slab hugetlb "
	"workingset_refault_anon workingset_refault_file workingset_activate_anon "
	"workingset_activate_file workingset_restore_anon workingset_restore_file "
	"workingset_nodereclaim "
	"pgdemote_kswapd pgdemote_direct pgdemote_khugepaged pgdemote_proactive "
	"pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive "
	"pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive "
	"pgrefill pgpromote_success pgscan pgsteal pswpin pswpout pgfault pgmajfault pgactivate "
	"pgdeactivate pglazyfree pglazyfreed swpin_zero swpout_zero zswpin zswpout zswpwb "
	"thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback "
	"numa_pages_migrated numa_pte_updates numa_hint_faults "
	"peak large buffer external maps stock cached metadata local "
	"charge_refused charge_nowait charge_nofail charge_reserve move_charge ";

/* Byte for byte: each name, and the struct's number at the same place behind current. */
static void assert_stat_file(struct memcg *of, const struct memcg_stat *s)
{
	const u64 *number = &s->current;
	char expected[4096], *at = expected;
	const char *name = stat_names, *end;

	for (; (end = strchr(name, ' ')); name = end + 1)
		at += sprintf(at, "%.*s %lu\n", (int)(end - name), name, (unsigned long)*++number);
	assert_ptr_equal(number, &s->move_charge);
	assert_ptr_equal(number + 1, s + 1);
	assert_string_equal(get_of(of, "memory.stat"), expected);
}

static void test_stat_file_of_a_fresh_group(void **state)
{
	(void)state;
	assert_stat_file(cg, &(struct memcg_stat){0});
}

/* A number of its own on every line that can have one. maps is the preload's; metadata and cached
 * are the root's. */
static void test_stat_file_has_each_number_on_its_line(void **state)
{
	void *large = memcg_malloc_in(cg, 50000), *small = memcg_malloc_in(cg, 300);
	struct memcg_charge *charge = memcg_charge(cg, 12345);
	struct memcg *before = memcg_enter(cg);
	struct memcg_page *buffer = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	struct memcg_page *table = memcg_pages_alloc(1, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT);
	void *stack = memcg_stack_alloc(16384);
	struct memcg_stat s;

	(void)state;
	memcg_leave(before);
	assert_int_equal(memcg_stat(cg, &s, sizeof(s)), 0);
	assert_stat_file(cg, &s);
	assert_int_equal(value("memory.stat", "large"), 53248);
	assert_int_equal(value("memory.stat", "external"), 12345);
	assert_int_equal(value("memory.stat", "buffer"), 4 * PAGE_SIZE);
	assert_int_equal(value("memory.stat", "pagetables"), 2 * PAGE_SIZE);
	assert_int_equal(value("memory.stat", "kernel_stack"), 5 * PAGE_SIZE);
	assert_true(value("memory.stat", "slab") >= 300);
	assert_int_equal(value("memory.stat", "peak"), memcg_peak(cg));
	memcg_stack_free(stack);
	memcg_page_put(table);
	memcg_page_put(buffer);
	memcg_uncharge(charge);
	memcg_free(small);
	memcg_free(large);
	assert_int_equal(memcg_stat(memcg_root(), &s, sizeof(s)), 0);
	assert_true(s.metadata > 0);
	assert_stat_file(memcg_root(), &s);
}

/* By hand, as the kernel has them for each node. */
static const char numa_names[] =
	"anon file kernel_stack pagetables sec_pagetables vmalloc shmem "
	"file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp "
	"inactive_anon active_anon inactive_file active_file unevictable "
	"slab_reclaimable slab_unreclaimable hugetlb "
	"workingset_refault_anon workingset_refault_file workingset_activate_anon "
	"workingset_activate_file workingset_restore_anon workingset_restore_file "
	"workingset_nodereclaim "
	"pgdemote_kswapd pgdemote_direct pgdemote_khugepaged pgdemote_proactive "
	"pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive "
	"pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive "
	"pgrefill pgpromote_success ";

static void test_numa_stat(void **state)
{
	void *stack = memcg_alloc(cg, 300, 0, 0);
	const char *name = numa_names, *end;
	char expected[4096], *at = expected;

	(void)state;
	for (; (end = strchr(name, ' ')); name = end + 1) {
		bool slab = !strncmp(name, "slab_unreclaimable", 18);

		at += sprintf(at, "%.*s N0=%lu\n", (int)(end - name), name,
			      slab ? (unsigned long)value("memory.stat", "slab") : 0);
	}
	assert_true(value("memory.stat", "slab") >= 300);
	reads("memory.numa_stat", expected);
	memcg_free(stack);
}

static void test_events_after_a_refusal(void **state)
{
	struct memcg *child = memcg_create(cg, "child");

	(void)state;
	assert_int_equal(put("memory.max", "4096"), 0);
	assert_null(memcg_charge(child, 5000));
	assert_int_equal(value("memory.events", "oom"), 1);
	assert_int_equal(value("memory.events.local", "oom"), 1);
	assert_true(value("memory.events", "max") >= 1);
	assert_non_null(strstr(get_of(child, "memory.events"), "\noom 0\n"));
	assert_non_null(strstr(get_of(memcg_root(), "memory.events.local"), "\noom 0\n"));
	assert_null(strstr(get_of(memcg_root(), "memory.events"), "\noom 0\n"));
	assert_int_equal(memcg_destroy(child), 0);
}

static void test_descendants(void **state)
{
	struct memcg *a = memcg_create(cg, "a"), *b = memcg_create(a, "b");
	void *p = memcg_malloc_in(b, 100000);

	(void)state;
	reads("cgroup.stat", "nr_descendants 2\nnr_dying_descendants 0\n");
	assert_int_equal(memcg_destroy(b), 0);
	reads("cgroup.stat", "nr_descendants 1\nnr_dying_descendants 1\n");
	assert_non_null(strstr(get_of(memcg_root(), "cgroup.stat"), "nr_dying_descendants 1\n"));
	memcg_free(p);
	assert_int_equal(memcg_destroy(a), 0);
}

/* --- names, rights, room ------------------------------------------------------------- */

static void test_names_and_rights(void **state)
{
	static const char *const read_only[] = {
		"memory.current",	"memory.events",       "memory.stat",
		"memory.slack",		"cgroup.stat",	       "memory.events.local",
		"memory.numa_stat",	"memory.swap.current", "memory.swap.events",
		"memory.zswap.current", "cgroup.controllers"};
	static const char *const none[] = {"", "memory", "memory.maxx", "MEMORY.MAX",
					   "../memory.max"};
	static const char *const not_on_root[] = {"cgroup.type", "cgroup.events",
						  "memory.oom.group"};
	char buf[64];
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(read_only); i++)
		assert_int_equal(put(read_only[i], "0"), -EACCES);
	assert_int_equal(memcg_read(cg, "memory.reclaim", buf, sizeof(buf)), -EACCES);
	for (i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(memcg_read(cg, none[i], buf, sizeof(buf)), -ENOENT);
		assert_int_equal(put(none[i], "0"), -ENOENT);
	}
	for (i = 0; i < ARRAY_SIZE(not_on_root); i++) {
		assert_true(memcg_read(cg, not_on_root[i], buf, sizeof(buf)) > 0);
		assert_int_equal(memcg_read(memcg_root(), not_on_root[i], buf, sizeof(buf)),
				 -ENOENT);
		assert_int_equal(memcg_write(memcg_root(), not_on_root[i], "1", 1), -ENOENT);
	}
	assert_int_equal(memcg_read(cg, NULL, buf, sizeof(buf)), -ENOENT);
	assert_int_equal(memcg_write(cg, NULL, "0", 1), -ENOENT);
	assert_int_equal(memcg_read(cg, "memory.max", NULL, 100), -EINVAL);
}

static void test_small_buffers(void **state)
{
	static char buf[32768];
	size_t f, size;
	ssize_t n;

	(void)state;
	for (f = 0; f < file_count; f++) {
		const char *name = file_table[f].name;

		if (!file_table[f].show)
			continue;
		n = memcg_read(cg, name, buf, sizeof(buf));
		assert_true(n >= 0);
		if (!n) {
			assert_int_equal(strncmp(name, "cgroup.", 7), 0); /* nobody is there */
			continue;
		}
		for (size = 0; size <= (size_t)n; size++) {
			memset(buf, '#', sizeof(buf));
			assert_int_equal(memcg_read(cg, name, buf, size), -ERANGE);
			assert_int_equal(buf[size], '#');
		}
		assert_int_equal(memcg_read(cg, name, buf, (size_t)n + 1), n);
		assert_int_equal(buf[n - 1], '\n');
	}
}

/* A group that was destroyed: what it was can be read, and nothing written. */
static void test_destroyed(void **state)
{
	struct memcg *gone = memcg_create(cg, "gone");
	size_t f;

	(void)state;
	memcg_get(gone);
	memcg_uncharge(memcg_charge(gone, 12345));
	assert_int_equal(memcg_destroy(gone), 0);
	assert_string_equal(get_of(gone, "memory.peak"), "12345\n");
	for (f = 0; f < file_count; f++)
		if (file_table[f].store)
			assert_int_equal(memcg_write(gone, file_table[f].name, "1", 1), -ENODEV);
	memcg_put(gone);
}

/* NULL is the active group. */
static void test_active_group(void **state)
{
	struct memcg *before = memcg_enter(cg);

	(void)state;
	assert_int_equal(memcg_write(NULL, "memory.max", "1M", 2), 0);
	assert_string_equal(get_of(NULL, "memory.max"), "1048576\n");
	memcg_leave(before);
	reads("memory.max", "1048576\n");
	assert_string_equal(get_of(memcg_root(), "memory.max"), "max\n");
}

/* --- who is there -------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int step; /* what the thread has done; what it may do is one more */
	int allowed;
	unsigned long id;
} other = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void other_did(int step)
{
	pthread_mutex_lock(&other.lock);
	other.step = step;
	pthread_cond_broadcast(&other.changed);
	while (other.allowed <= step)
		pthread_cond_wait(&other.changed, &other.lock);
	pthread_mutex_unlock(&other.lock);
}

static void let_other(int step)
{
	pthread_mutex_lock(&other.lock);
	other.allowed = step;
	pthread_cond_broadcast(&other.changed);
	while (other.step < step && step < 3) /* at 3 it ends */
		pthread_cond_wait(&other.changed, &other.lock);
	pthread_mutex_unlock(&other.lock);
}

static void *other_thread(void *arg)
{
	struct memcg *before;

	other.id = (unsigned long)syscall(SYS_gettid);
	before = memcg_enter(arg);
	other_did(1);
	memcg_leave(before);
	other_did(2);
	return NULL;
}

static void test_who_is_there(void **state)
{
	struct memcg *child = memcg_create(cg, "child"), *before;
	unsigned long me = (unsigned long)syscall(SYS_gettid);
	char text[64], both[64], pid[32];
	pthread_t thread;

	(void)state;
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	assert_int_equal(pthread_create(&thread, NULL, other_thread, child), 0);
	let_other(1);
	snprintf(text, sizeof(text), "%lu\n", other.id);
	assert_string_equal(get_of(child, "cgroup.threads"), text);
	assert_string_equal(get_of(child, "cgroup.procs"), pid);
	assert_string_equal(get_of(child, "cgroup.events"), "populated 1\nfrozen 0\n");
	reads("cgroup.threads", "");
	reads("cgroup.procs", "");
	reads("cgroup.events", "populated 1\nfrozen 0\n");
	before = memcg_enter(child);
	snprintf(text, sizeof(text), "%lu\n%lu\n", me, other.id);
	snprintf(both, sizeof(both), "%lu\n%lu\n", other.id, me);
	if (strcmp(get_of(child, "cgroup.threads"), both))
		assert_string_equal(get_of(child, "cgroup.threads"), text);
	memcg_leave(before);
	memcg_get(child);
	assert_int_equal(memcg_destroy(child), 0); /* its thread pays for the parent now */
	snprintf(text, sizeof(text), "%lu\n", other.id);
	reads("cgroup.threads", text);
	assert_string_equal(get_of(child, "cgroup.threads"), "");
	let_other(2);
	reads("cgroup.threads", "");
	reads("cgroup.events", "populated 0\nfrozen 0\n");
	assert_non_null(strstr(get_of(memcg_root(), "cgroup.threads"), text));
	let_other(3);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(strstr(get_of(memcg_root(), "cgroup.threads"), text));
	memcg_put(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fresh_group),
		TEST(test_usage),
		TEST(test_stat_file_of_a_fresh_group),
		TEST(test_stat_file_has_each_number_on_its_line),
		TEST(test_numa_stat),
		TEST(test_events_after_a_refusal),
		TEST(test_descendants),
		TEST(test_names_and_rights),
		TEST(test_small_buffers),
		TEST(test_destroyed),
		TEST(test_active_group),
		TEST(test_who_is_there),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
