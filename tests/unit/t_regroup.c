/* t_regroup - groups that are lent to threads, and threads that are asked to look again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <memcg.h>
#include <pthread.h>

#include "alloc/regroup.h"
#include "alloc/thread.h"
#include "group/group.h"

static struct memcg *new_group(const char *name)
{
	struct memcg *cg = memcg_create(NULL, name);

	assert_non_null(cg);
	return cg;
}

static void in_a_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, body, arg), 0);
	pthread_join(thread, NULL);
}

/* ---- lending ----------------------------------------------------------------------- */

static void who_lends_keeps_the_reference(void **state)
{
	struct memcg *a = new_group("a"), *b = new_group("b"), *before;
	u64 refs_a = group_refs(a), refs_b = group_refs(b);

	(void)state;
	memcg__thread_pay(a);
	assert_ptr_equal(memcg_active(), a);
	memcg__thread_pay(b);
	memcg__thread_pay(a);
	assert_int_equal(group_refs(a), refs_a);
	assert_int_equal(group_refs(b), refs_b);
	/* Who enters from there has the lent group's reference, as from any other. */
	before = memcg_enter(b);
	assert_ptr_equal(before, a);
	assert_int_equal(group_refs(a), refs_a + 1);
	assert_int_equal(group_refs(b), refs_b + 1);
	memcg__thread_pay(a); /* gives b's back */
	assert_int_equal(group_refs(b), refs_b);
	memcg_leave(before); /* the lent one has none to give */
	assert_int_equal(group_refs(a), refs_a + 1);
	memcg_leave(NULL);
	assert_int_equal(group_refs(a), refs_a);
	memcg_put(a);
	memcg_put(b);
	assert_int_equal(memcg_destroy(memcg_lookup("/a")), 0);
	assert_int_equal(memcg_destroy(memcg_lookup("/b")), 0);
}

static void *pays_and_ends(void *arg)
{
	memcg__thread_pay(arg);
	memcg_free(memcg_malloc(100));
	return NULL;
}

static void a_thread_that_ends_gives_nothing_back(void **state)
{
	struct memcg *cg = new_group("ended");
	u64 refs = group_refs(cg);

	(void)state;
	in_a_thread(pays_and_ends, cg);
	assert_int_equal(group_refs(cg), refs);
	assert_int_equal(memcg_destroy(cg), 0);
}

/* ---- asking -------------------------------------------------------------------------- */

static __thread unsigned called;

static void hook(void)
{
	called++;
}

static pthread_barrier_t barrier;

static void *is_asked(void *arg)
{
	void *p = memcg_malloc(40000);

	(void)arg;
	assert_int_equal(called, 1); /* with its record */
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	assert_int_equal(called, 1);
	memcg_free(memcg_malloc(40000)); /* past what the first path has */
	assert_int_equal(called, 2);
	memcg_free(memcg_malloc(40000));
	assert_int_equal(called, 2); /* asked once */
	memcg_free(p);
	return NULL;
}

static void the_others_look_again(void **state)
{
	pthread_t thread;

	(void)state;
	memcg_free(memcg_malloc(40000));
	memcg__thread_hook = hook;
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, is_asked, NULL), 0);
	pthread_barrier_wait(&barrier);
	memcg__threads_regroup();
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	memcg_free(memcg_malloc(40000));
	assert_int_equal(called, 0); /* not who asks */
	memcg__thread_hook = NULL;
}

/* Giving back is another thing that threads are asked for, and neither is lost to the other. */
static void asked_for_both(void **state)
{
	struct thread *t = thread_get();

	(void)state;
	memcg__thread_hook = hook;
	called = 0;
	t->trim = TRIM_ALL | TRIM_REGROUP;
	t->task.busy++; /* as in a signal handler inside a slow path */
	assert_null(memcg_malloc(40000));
	assert_int_equal(called, 0);
	assert_true(t->trim & TRIM_REGROUP);
	t->task.busy--;
	memcg_free(memcg_aligned_alloc(256,
				       300)); /* gives back, and is no call that looks at groups */
	assert_int_equal(t->trim, TRIM_REGROUP);
	memcg_free(memcg_malloc(40000));
	assert_int_equal(called, 1);
	memcg__thread_hook = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_lends_keeps_the_reference),
		cmocka_unit_test(a_thread_that_ends_gives_nothing_back),
		cmocka_unit_test(the_others_look_again),
		cmocka_unit_test(asked_for_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
