/* t_serve_watch.c - events come between answers; address spaces are moved. */
#include "serve_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "reclaim/psi.h"
#include "sys/clock.h"
#include "vm/mm.h"

static struct talk t;

static void connect_to(void)
{
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
}

static void hear_event(const char *expected)
{
	assert_true(hear(&t));
	assert_string_equal(t.word, "event");
	assert_string_equal(t.text, expected);
}

/* A charge past its max: the counts of max and oom rise. */
static void meet_the_max(struct memcg *cg)
{
	assert_null(memcg_malloc_in(cg, 8 * MIB));
}

/* --- events ---------------------------------------------------------------------------------- */

static void events_are_told(void **state)
{
	struct memcg *cg = group(NULL, "cg"), *below = group(cg, "below");
	char expected[128];

	(void)state;
	assert_int_equal(memcg_set_limit(below, MEMCG_MAX, MIB), 0);
	meet_the_max(below); /* before: not told */
	connect_to();
	asks_ok(&t, "watch\t/cg\n", "");
	meet_the_max(below);
	assert_true(hear(&t));
	assert_string_equal(t.word, "event");
	snprintf(expected, sizeof(expected), "/cg\tmemory.events\tmax\t%lu\n",
		 (unsigned long)event_count(cg, EV_MAX));
	while (!strstr(t.text, expected)) /* the last count is told, if not at once */
		assert_true(hear(&t));
	say(&t, "unwatch\t/cg\n"); /* counts of other events may be on their way */
	do
		assert_true(hear(&t));
	while (!strcmp(t.word, "event"));
	assert_string_equal(t.word, "ok");
	asks_err(&t, "unwatch\t/cg\n", "ENOENT");
	meet_the_max(below);
	asks_ok(&t, "read\t/cg\tmemory.min\n", "0\n"); /* and nothing before it */
	talk_end(&t);
	destroy(below);
	destroy(cg);
}

/* A group that goes says so once, and no more is heard of it. */
static void the_end_is_told(void **state)
{
	struct memcg *cg = group(NULL, "a group");

	(void)state;
	connect_to();
	asks_ok(&t, "watch\t/a group\n", "");
	asks_ok(&t, "watch\t/a group\n", ""); /* once is enough */
	assert_int_equal(group_refs(cg), 3);
	memcg_get(cg);
	destroy(cg);
	hear_event("/a group\tcgroup.events\toffline\t1\n");
	assert_int_equal(group_refs(cg), 1);
	memcg_put(cg);
	asks_err(&t, "unwatch\t/a group\n", "ENOENT");
	asks_err(&t, "watch\t/a group\n", "ENOENT");
	talk_end(&t);
}

/* Pressure by the clock: a stall of more than 150 ms. */
static void pressure_is_told(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct psi_stall stall;
	u64 begin;

	(void)state;
	connect_to();
	asks_ok(&t, "watch\t/cg\n", "");
	psi_begin(&stall, cg);
	for (begin = sys_clock_ns(); sys_clock_ns() - begin < 200 * 1000000ul;)
		sys_sleep_ns(10000000);
	psi_end(&stall);
	assert_true(hear(&t));
	assert_string_equal(t.word, "event");
	assert_int_equal(strncmp(t.text, "/cg\tmemory.pressure\tsome\t", 25), 0);
	assert_true(strtoul(t.text + 25, NULL, 10) >= 150000);
	talk_end(&t);
	destroy(cg);
}

/* Between two answers, never inside one; each client its own. */
static void between_answers(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	unsigned events = 0;
	struct talk other;

	(void)state;
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, MIB), 0);
	connect_to();
	talk_to(&other, place_path);
	asks_ok(&t, "watch\t/\n", "");
	for (unsigned i = 0; i < effort(200); i++) {
		say(&t, "rows\t/\n");
		meet_the_max(cg);
		do {
			assert_true(hear(&t));
			events += !strcmp(t.word, "event");
		} while (strcmp(t.word, "ok"));
		assert_non_null(cell(&t, "/cg", "id"));
		asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	}
	assert_true(events); /* of so many one at least has come by the last answer */
	talk_end(&t);
	talk_end(&other);
	destroy(cg);
}

/* Who does not take 64 KiB of events is closed; others hear theirs. */
static void who_does_not_listen(void **state)
{
	struct memcg *cg, *up = NULL;
	char path[60 * 256] = "", name[256], line[sizeof(path) + 8];
	struct memcg *all[50];
	struct pollfd p;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[250] = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) { /* a line of 12 KiB for each event */
		all[i] = up = group(up, name);
		strcat(strcat(path, "/"), name);
	}
	cg = up;
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, MIB), 0);
	connect_to();
	snprintf(line, sizeof(line), "watch\t%s\n", path);
	asks_ok(&t, line, "");
	p = (struct pollfd){.fd = t.fd, .events = POLLRDHUP};
	for (unsigned i = 0; i < 100000 && !poll(&p, 1, 1); i++)
		meet_the_max(cg);
	assert_int_equal(poll(&p, 1, PATIENCE_S * 1000), 1);
	talk_end(&t);
	talk_to(&t, place_path);
	asks_ok(&t, "read\t/\tmemory.min\n", "0\n");
	talk_end(&t);
	assert_int_equal(memcg_serve_stop(), 0);
	for (unsigned i = ARRAY_SIZE(all); i--;) {
		assert_int_equal(group_refs(all[i]), i + 1 == ARRAY_SIZE(all) ? 2 : 3);
		destroy(all[i]);
	}
}

/* Who asks no more, and is there, is told; a watch has an end. */
static void half_closed(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	connect_to();
	say(&t, "watch\t/cg\n");
	assert_int_equal(shutdown(t.fd, SHUT_WR), 0);
	assert_true(hear(&t));
	assert_string_equal(t.word, "ok");
	destroy(cg);
	hear_event("/cg\tcgroup.events\toffline\t1\n");
	assert_false(hear(&t)); /* nothing more can come */
	talk_end(&t);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 2048; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* However many they are, they take no descriptor of the program's. */
static void too_many_watches(void **state)
{
	struct memcg *all[SERVE_WATCHES + 1];
	unsigned before;
	char line[32];

	(void)state;
	connect_to();
	ask(&t, "watch\t/\n");
	ask(&t, "unwatch\t/\n");
	before = open_descriptors();
	for (unsigned i = 0; i <= SERVE_WATCHES; i++) {
		snprintf(line, sizeof(line), "watch\t/w%u\n", i);
		*strchr(line, '\n') = '\0';
		all[i] = group(NULL, line + 7);
		strcat(line, "\n");
		if (i < SERVE_WATCHES)
			asks_ok(&t, line, "");
		else
			asks_err(&t, line, "EMFILE");
	}
	assert_int_equal(open_descriptors(), before);
	talk_end(&t);
	assert_int_equal(memcg_serve_stop(), 0);
	for (unsigned i = 0; i <= SERVE_WATCHES; i++) {
		assert_int_equal(group_refs(all[i]), 2);
		destroy(all[i]);
	}
}

/* Refused at each step in turn; nothing of it stays. */
static void a_watch_that_cannot_be(void **state)
{
	static const enum sys_call calls[] = {SYS_FAULT_EVENTFD, SYS_FAULT_POLL};
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (u64 nth = 1;; nth++) {
			bool ok;

			talk_to(&t, place_path);
			asks_ok(&t, "read\t/\tmemory.min\n", "0\n");
			sys_fault_arm(calls[i], nth, 0, 0, 0);
			ask(&t, "watch\t/cg\n");
			sys_fault_disarm_all();
			ok = !strcmp(t.word, "ok");
			assert_int_equal(group_refs(cg), ok ? 3 : 2);
			if (ok)
				asks_ok(&t, "unwatch\t/cg\n", "");
			assert_int_equal(group_refs(cg), 2);
			talk_end(&t);
			if (ok)
				break;
		}
	assert_int_equal(memcg_serve_stop(), 0);
	destroy(cg);
}

/* --- move ---------------------------------------------------------------------------------------
 */

static unsigned long long value_of(const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "%s\t", name);
	at = strstr(t.text, key);
	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

/* All of a group's address spaces, and none of another's. */
static void address_spaces_move(void **state)
{
	struct memcg *from = group(NULL, "from"), *to = group(NULL, "to"),
		     *other = group(NULL, "o");
	struct memcg_mm *mm[3];
	char *p[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		mm[i] = memcg_mm_create(i < 2 ? from : other);
		assert_non_null(mm[i]);
		p[i] = memcg_mmap(mm[i], 8 * PAGE_SIZE, PROT_READ | PROT_WRITE, MEMCG_MAP_PREFAULT,
				  NULL, 0);
		assert_non_null(p[i]);
	}
	connect_to();
	ask(&t, "move\t/from\t/to\tdry\n");
	assert_string_equal(t.word, "ok");
	assert_int_equal(value_of("moved"), 16 * PAGE_SIZE);
	assert_int_equal(value_of("refused"), 0);
	ask(&t, "rows\t/to\n");
	assert_int_equal(number(&t, "/to", "anon"), 0);
	ask(&t, "move\t/from\t/to\n");
	assert_int_equal(value_of("moved"), 16 * PAGE_SIZE);
	assert_int_equal(value_of("not_ours"), 0);
	ask(&t, "rows\t/\n");
	assert_int_equal(number(&t, "/to", "anon"), 16 * PAGE_SIZE);
	assert_int_equal(number(&t, "/from", "anon"), 0);
	assert_int_equal(number(&t, "/o", "anon"), 8 * PAGE_SIZE);
	ask(&t, "move\t/from\t/to\n"); /* there is none any more */
	assert_int_equal(value_of("moved"), 0);
	assert_int_equal(memcg_set_limit(from, MEMCG_MAX, 4 * PAGE_SIZE), 0);
	asks_err(&t, "move\t/to\t/from\n", "ENOMEM");
	asks_err(&t, "move\t/to\t/from\twet\n", "EINVAL");
	asks_err(&t, "move\t/to\t/z\n", "ENOENT");
	asks_err(&t, "move\t/z\t/to\n", "ENOENT");
	ask(&t, "rows\t/to\n");
	assert_int_equal(number(&t, "/to", "anon"), 16 * PAGE_SIZE);
	talk_end(&t);
	for (unsigned i = 0; i < 3; i++)
		memcg_mm_destroy(mm[i]);
	destroy(from);
	destroy(to);
	destroy(other);
}

/* They come and go while others walk over them. */
static void *make_and_destroy(void *over)
{
	while (!atomic_load((u32 *)over))
		memcg_mm_destroy(memcg_mm_create(NULL));
	return NULL;
}

static void they_come_and_go(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(NULL, "b");
	struct memcg_mm *mm = memcg_mm_create(a);
	pthread_t thread[2];
	u32 over = 0;

	(void)state;
	assert_non_null(mm);
	connect_to();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, make_and_destroy, &over), 0);
	for (unsigned i = 0; i < effort(200); i++)
		ask(&t, i % 2 ? "move\t/b\t/a\n" : "move\t/a\t/b\n");
	atomic_store(&over, 1u);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&mm->refs), 1);
	memcg_mm_destroy(mm);
	assert_null(mm_next(NULL));
	talk_end(&t);
	destroy(a);
	destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(events_are_told),     SERVED(the_end_is_told),
		SERVED(pressure_is_told),    SERVED(between_answers),
		SERVED(who_does_not_listen), SERVED(half_closed),
		SERVED(too_many_watches),    SERVED(a_watch_that_cannot_be),
		SERVED(address_spaces_move), SERVED(they_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
