/* t_report_series.c - numbers over time keep their peaks and sums however coarse they become. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* The command is no library: its module is compiled into the test. */
#include "../../tools/memcg/series.c"

#define STEP 1000u

static void add(struct timeline *t, struct series *s, uint64_t now, uint64_t last, uint64_t max,
		uint64_t refusals)
{
	timeline_open(t, now);
	assert_true(timeline_add(t, s, &(struct cell){last, max, refusals}));
}

static uint64_t highest(const struct series *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n = s->cell[i].max > n ? s->cell[i].max : n;
	return n;
}

static uint64_t all_refusals(const struct series *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n += s->cell[i].refusals;
	return n;
}

static void one_point_folds(void **state)
{
	struct series s = {0};
	struct timeline t;

	(void)state;
	timeline_init(&t, 500, STEP);
	add(&t, &s, 600, 10, 30, 1);
	add(&t, &s, 700, 20, 20, 2);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.cell[0].last, 20);
	assert_int_equal(s.cell[0].max, 30);
	assert_int_equal(s.cell[0].refusals, 3);
	timeline_exit(&t);
}

static void a_late_look_repeats(void **state)
{
	struct series s = {0};
	struct timeline t;

	(void)state;
	timeline_init(&t, 0, STEP);
	add(&t, &s, 0, 10, 40, 1);
	add(&t, &s, 3 * STEP, 20, 20, 0);
	assert_int_equal(s.n, 4);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(s.cell[i].last, 10);
		assert_int_equal(s.cell[i].max, 10); /* the spike was of the first point alone */
		assert_int_equal(s.cell[i].refusals, 0);
	}
	assert_int_equal(s.cell[3].last, 20);
	timeline_exit(&t);
}

/* A day, looked at each STEP; one spike and one refusal in it, then and there. */
static void halving_keeps_peaks(void **state)
{
	struct series s = {0}, late = {0};
	uint64_t refusals = 0;
	struct timeline t;

	(void)state;
	timeline_init(&t, 0, STEP);
	for (uint64_t k = 0; k < 20000; k++) {
		bool spike = k == 7777;

		add(&t, &s, k * STEP, 100 + k, spike ? 1000000 : 100 + k, k % 100 == 0);
		refusals += k % 100 == 0;
		if (k >= 15001)
			add(&t, &late, k * STEP, 5, k == 15001 ? 99 : 5, 0);
		assert_true(t.points <= TIMELINE_POINTS);
	}
	assert_true(t.step > STEP);
	assert_int_equal(highest(&s), 1000000);
	assert_int_equal(all_refusals(&s), refusals);
	assert_int_equal(highest(&late), 99);
	/* Each at its place. */
	assert_int_equal(series_at(&s, (uint32_t)(7777 * STEP / t.step))->max, 1000000);
	assert_int_equal(late.first, 15001 * STEP / t.step);
	assert_int_equal(series_at(&late, late.first)->max, 99);
	assert_int_equal(s.cell[s.n - 1].last, 100 + 19999);
	assert_int_equal(s.first + s.n, t.points);
	assert_int_equal(late.first + late.n, t.points);
	timeline_exit(&t);
}

static void a_leap_is_no_loop(void **state)
{
	struct series s = {0};
	struct timeline t;

	(void)state;
	timeline_init(&t, 0, STEP);
	add(&t, &s, 0, 1, 77, 0);
	add(&t, &s, UINT64_C(1) << 50, 2, 2, 0); /* a machine that slept */
	assert_true(t.points <= TIMELINE_POINTS);
	assert_int_equal(highest(&s), 77);
	timeline_exit(&t);
}

/* Cells are bounded whatever the number of series, and so is their number. */
static void many_series_are_bounded(void **state)
{
	struct series *s = calloc(TIMELINE_SERIES + 1, sizeof(*s));
	struct timeline t;
	uint64_t cells = 0;

	(void)state;
	assert_non_null(s);
	timeline_init(&t, 0, STEP);
	for (uint64_t k = 0; k < 20; k++) {
		timeline_open(&t, k * STEP);
		for (uint32_t i = 0; i < TIMELINE_SERIES; i++)
			assert_true(timeline_add(&t, &s[i],
						 &(struct cell){i, k == 3 ? i + 1000 : i, 0}));
		assert_true(t.cells <= TIMELINE_CELLS);
	}
	assert_false(timeline_add(&t, &s[TIMELINE_SERIES], &(struct cell){0}));
	assert_int_equal(t.refused, 1);
	for (uint32_t i = 0; i < TIMELINE_SERIES; i++) {
		assert_int_equal(highest(&s[i]), i + 1000);
		cells += s[i].n;
	}
	assert_int_equal(cells, t.cells);
	timeline_exit(&t);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_point_folds),	   cmocka_unit_test(a_late_look_repeats),
		cmocka_unit_test(halving_keeps_peaks),	   cmocka_unit_test(a_leap_is_no_loop),
		cmocka_unit_test(many_series_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
