/*
 * t_cfi - steps up the stack by the unwind tables: each must be the one that the compiler's own
 * unwinder makes, through frames of every form that the C library has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <execinfo.h>
#include <ftw.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../preload/cfi.c"
#include "../../preload/frames.c"

#define DEEP 64

static u64 generation = 1;
static unsigned compared;

struct chain {
	void *at[DEEP];
	int nr;
};

static bool walked(struct chain *c, struct frame f)
{
	for (c->nr = 0; c->nr < DEEP && frame_up(&f, generation); c->nr++)
		c->at[c->nr] = (void *)f.pc;
	return c->nr > 0;
}

/* Theirs begins in this function, or in a sanitizer's own; ours with this function's caller. */
static __noinline_ int compare(void)
{
	struct chain ours;
	void *theirs[DEEP];
	struct frame f;
	int nr = backtrace(theirs, DEEP), first = 1, i;

	FRAME_HERE(f);
	assert_true(walked(&ours, f));
	while (first < 3 && theirs[first] != ours.at[0])
		first++;
	for (i = 0; i < ours.nr && first + i < nr; i++)
		assert_ptr_equal(ours.at[i], theirs[first + i]);
	/* Theirs may name the outermost frame, which has no caller. */
	assert_true(first + ours.nr >= nr - 1);
	compared++;
	return ours.nr;
}

/* ---- frames of many forms -------------------------------------------------------- */

static int in_qsort(const void *a, const void *b)
{
	compare();
	return *(const int *)a - *(const int *)b;
}

static void through_the_c_library(void **state)
{
	int numbers[] = {3, 1, 2};

	(void)state;
	qsort(numbers, 3, sizeof(int), in_qsort);
	assert_int_equal(numbers[0], 1);
	assert_true(compared >= 2);
}

static int in_nftw(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)path;
	(void)st;
	(void)type;
	(void)at;
	compare();
	return 1; /* the first will do */
}

static void through_a_walk_of_files(void **state)
{
	(void)state;
	compared = 0;
	assert_int_equal(nftw("/proc/self/task", in_nftw, 4, FTW_PHYS), 1);
	assert_int_equal(compared, 1);
}

/* Arrays whose size nobody knows before: measured from rbp. */
static __noinline_ int with_an_array(size_t size)
{
	volatile char array[size];
	int frames;

	memset((void *)(uintptr_t)array, 1, size);
	frames = compare();
	return frames + array[size - 1] + array[size / 2];
}

static __noinline_ int nested(unsigned depth)
{
	volatile char array[depth * 100 + 1];

	array[0] = 1;
	return depth ? nested(depth - 1) + array[0] : with_an_array(3000);
}

static void through_arrays_of_any_size(void **state)
{
	(void)state;
	assert_true(with_an_array(100000) > 2);
	assert_true(nested(6) > 8);
}

static __noinline_ int with_a_large_frame(void)
{
	volatile char array[20000];

	array[0] = array[19999] = 1;
	return compare() + array[0] + array[19999];
}

static void through_a_large_frame(void **state)
{
	(void)state;
	assert_true(with_a_large_frame() > 3);
}

static void *thread_main(void *arg)
{
	*(int *)arg = with_an_array(100);
	return NULL;
}

static void to_the_end_of_a_thread(void **state)
{
	pthread_t thread;
	int frames = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, thread_main, &frames), 0);
	pthread_join(thread, NULL);
	assert_true(frames > 3);
}

/* Twice the same way: the second time by kept rules, and again when they are not to be believed. */
static void kept_rules_are_the_same(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_true(nested(3) > 4);
	generation = 0;
	assert_true(nested(3) > 4);
	generation = 2;
	assert_true(nested(3) > 4);
}

static void a_generation_does_not_believe_another(void **state)
{
	struct cfi_rule wrong = {.offset = 8}, right;
	uintptr_t pc = (uintptr_t)__builtin_return_address(0);

	(void)state;
	assert_true(rule_work_out(pc, &right));
	atomic_store(rule_slot(pc), rule_key(pc, 7) | rule_pack(&wrong));
	assert_true(rule_of(pc, 7, &wrong));
	assert_int_equal(wrong.offset, 8);
	assert_true(rule_of(pc, 8, &wrong));
	assert_int_equal(wrong.offset, right.offset);
	assert_int_equal(wrong.by_rbp, right.by_rbp);
	assert_int_equal(wrong.saved, right.saved);
	atomic_store(rule_slot(pc), rule_key(pc, 7) | rule_pack(&wrong));
	frames_forget();
	assert_true(atomic_load(rule_slot(pc)) == 0);
}

/* ---- all there is ------------------------------------------------------------------ */

/* At its first instruction every function's caller is one word away. */
static void every_function_of_the_c_library(void **state)
{
	struct dl_find_object found;
	struct cfi_rule r;
	const uint8_t *hdr;
	uint32_t nr, known = 0, plain = 0;

	(void)state;
	assert_int_equal(_dl_find_object(dlsym(RTLD_DEFAULT, "getline"), &found), 0);
	hdr = found.dlfo_eh_frame;
	memcpy(&nr, hdr + 8, 4);
	assert_true(nr > 1000);
	for (uint32_t i = 0; i < nr; i++) {
		int32_t begin;

		memcpy(&begin, hdr + 12 + 8 * (size_t)i, 4);
		if (!cfi_find(hdr, (uintptr_t)hdr + (uintptr_t)(intptr_t)begin, &r))
			continue;
		known++;
		plain += !r.by_rbp && r.offset == 8 && !r.saved;
	}
	/* What is left: signal trampolines, parts of functions that were split off, the outermost.
	 */
	assert_true(known > nr * 9 / 10);
	assert_true(plain > nr / 2);
}

static void before_the_first_function(void **state)
{
	struct dl_find_object found;
	struct cfi_rule r;

	(void)state;
	assert_int_equal(_dl_find_object((void *)(uintptr_t)compare, &found), 0);
	assert_false(cfi_find(found.dlfo_eh_frame, 1, &r));
	assert_false(cfi_find(found.dlfo_eh_frame, UINTPTR_MAX, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(through_the_c_library),
		cmocka_unit_test(through_a_walk_of_files),
		cmocka_unit_test(through_arrays_of_any_size),
		cmocka_unit_test(through_a_large_frame),
		cmocka_unit_test(to_the_end_of_a_thread),
		cmocka_unit_test(kept_rules_are_the_same),
		cmocka_unit_test(a_generation_does_not_believe_another),
		cmocka_unit_test(every_function_of_the_c_library),
		cmocka_unit_test(before_the_first_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
