/* t_psi_time.c - the arithmetic of pressure: averages and windows, at times of the test's making.
 */
#include "page_fixture.h"

#include "base/bits.h"
#include "reclaim/psi_time.h"

#define SECOND 1000000000ul
#define MS     1000000ul

/* ---- averages ---- */

static struct psi_time t;

static void let(bool on, u64 ns)
{
	t.on = on;
	psi_time_advance(&t, t.at + ns);
}

static bool near(u64 a, u64 b, u64 by)
{
	return a + by >= b && b + by >= a;
}

/* e^-1, e^-2 and so on of it are left. In hundredths of a percent. */
static void averages_rise_and_decay(void)
{
	psi_time_init(&t, 1234567);
	let(true, 10 * SECOND);
	CHECK(near(psi_time_avg(&t, 0), 6321, 2)); /* 1 - 1/e */
	CHECK(near(psi_time_avg(&t, 1), 1535, 2)); /* 1 - e^(-10/60) */
	CHECK(near(psi_time_avg(&t, 2), 328, 2));  /* 1 - e^(-10/300) */
	let(true, 50 * SECOND);
	CHECK(near(psi_time_avg(&t, 0), 9975, 2) && near(psi_time_avg(&t, 1), 6321, 2));
	let(true, 240 * SECOND);
	CHECK(near(psi_time_avg(&t, 2), 6321, 2) && psi_time_avg(&t, 0) == 10000);
	CHECK(t.total == 300 * SECOND);
	let(false, 20 * SECOND);
	CHECK(near(psi_time_avg(&t, 0), 1353, 2)); /* e^-2 */
	let(false, 1000 * SECOND);
	CHECK(!psi_time_avg(&t, 0) && !psi_time_avg(&t, 1) && psi_time_avg(&t, 2) < 300);
	CHECK(t.total == 300 * SECOND);
}

/* Half of each period: half of what all of it gives. Nothing moves before a period ends. */
static void parts_of_a_period_count_as_parts(void)
{
	psi_time_init(&t, 0);
	let(true, SECOND);
	let(false, SECOND - 1);
	CHECK(!psi_time_avg(&t, 0) && t.total == SECOND);
	let(false, 1);
	CHECK(near(psi_time_avg(&t, 0), 906, 1)); /* (1 - e^-0.2) / 2 */
	for (int i = 0; i < 400; i++) {
		let(true, SECOND / 2);
		let(false, SECOND / 2);
	}
	CHECK(near(psi_time_avg(&t, 0), 5000, 2) && near(psi_time_avg(&t, 1), 5000, 10));
	CHECK(t.total == 201 * SECOND);
}

/* Brought up to date at every change and in between, or at changes only: the same. */
static void when_it_is_looked_at_does_not_matter(void)
{
	u64 seed = 7;

	for (int turn = 0; turn < 200; turn++) {
		struct psi_time often, once;
		u64 now = next_random(&seed);

		psi_time_init(&often, now);
		psi_time_init(&once, now);
		for (int i = 0; i < 50; i++) {
			u64 end = now + (next_random(&seed) % 4 ? next_random(&seed) % (3 * SECOND)
								: next_random(&seed) * 50ul);

			often.on = once.on = next_random(&seed) % 2;
			while (now < end) {
				now += MIN(end - now, 1 + next_random(&seed) % (4 * SECOND));
				psi_time_advance(&often, now);
				psi_time_advance(&often, now); /* no time passed */
			}
			psi_time_advance(&once, now);
			CHECK(often.total == once.total && often.period.start == once.period.start);
			CHECK(often.period.stalled == once.period.stalled);
			for (unsigned k = 0; k < PSI_AVGS; k++)
				CHECK(near(psi_time_avg(&often, k), psi_time_avg(&once, k), 1));
		}
	}
}

static void years_pass_at_once(void)
{
	u64 year = 365ul * 86400 * SECOND;

	psi_time_init(&t, 0);
	let(true, 100 * year);
	for (unsigned k = 0; k < PSI_AVGS; k++)
		CHECK(psi_time_avg(&t, k) == 10000);
	let(false, 100 * year);
	for (unsigned k = 0; k < PSI_AVGS; k++)
		CHECK(psi_time_avg(&t, k) == 0);
	CHECK(t.total == 100 * year && t.period.start <= t.at);
	psi_time_advance(&t, 5); /* time that goes backwards is none */
	CHECK(t.total == 100 * year && t.at == 200 * year);
}

/* ---- windows ---- */

static struct psi_window w;
static u64 w_now;

/* How often it was told while the time passed, looked at every `step`. */
static unsigned pass(bool on, u64 ns, u64 step)
{
	unsigned n = 0;

	for (u64 end = w_now + ns; w_now < end;) {
		u64 from = w_now;

		w_now += MIN(step, end - w_now);
		psi_window_advance(&w, from, w_now, on);
		if (!psi_window_due(&w, w_now))
			continue;
		psi_window_told(&w, w_now);
		n++;
	}
	return n;
}

static void window(u64 len, u64 threshold)
{
	w_now = 17 * SECOND;
	psi_window_init(&w, len, threshold, w_now);
}

static void a_window_tells_of_growth(void)
{
	window(SECOND, 100 * MS);
	CHECK(!pass(true, 99 * MS, MS) && pass(true, MS, MS) == 1);
	CHECK(!pass(true, 999 * MS, MS)); /* once a window, whatever happens in it */
	CHECK(pass(true, 10 * SECOND, MS) == 10);
	CHECK(pass(false, SECOND, MS) == 1); /* of the last window's, when that is over */
	CHECK(!pass(false, 10 * SECOND, MS));
	CHECK(!pass(true, 99 * MS, MS) && pass(true, MS, MS) == 1);
	window(SECOND, 100 * MS); /* 9 % of the time: never */
	for (int i = 0; i < 100; i++)
		CHECK(!pass(true, 9 * MS, MS) && !pass(false, 91 * MS, MS));
	window(SECOND, 100 * MS); /* 11 %: in every window */
	for (int i = 0; i < 10; i++) {
		unsigned n = 0;

		for (int k = 0; k < 10; k++)
			n += pass(true, 11 * MS, MS) + pass(false, 89 * MS, MS);
		CHECK(n == 1);
	}
	window(SECOND, SECOND); /* all of it */
	CHECK(!pass(true, SECOND - 1, SECOND) && pass(true, 1, 1) == 1);
}

/* What lies back further than a window is not counted, however long nobody looked. */
static void a_window_forgets(void)
{
	window(SECOND, 150 * MS);
	CHECK(!pass(true, 100 * MS, MS));
	CHECK(!pass(false, 5 * SECOND, 5 * SECOND));
	CHECK(!pass(true, 100 * MS, 100 * MS));
	CHECK(!pass(false, 900 * MS, 900 * MS) && !pass(false, 500 * MS, 500 * MS));
	CHECK(!pass(true, 99 * MS, MS)); /* 50 of the 100 that are a window old */
	CHECK(pass(true, 60 * MS, MS) == 1);
	window(10 * SECOND, 9 * SECOND);
	CHECK(!pass(false, 3 * SECOND, SECOND) && pass(true, 3600 * SECOND, 3600 * SECOND) == 1);
	w_now += 5; /* one that was made after its group's last update */
	psi_window_init(&w, SECOND, MS, w_now);
	psi_window_advance(&w, w_now - 100 * MS, w_now, true);
	CHECK(!w.span.stalled && !psi_window_due(&w, w_now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(averages_rise_and_decay),
		PAGE_TEST(parts_of_a_period_count_as_parts),
		PAGE_TEST(when_it_is_looked_at_does_not_matter),
		PAGE_TEST(years_pass_at_once),
		PAGE_TEST(a_window_tells_of_growth),
		PAGE_TEST(a_window_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
