/* t_pipe.c - pipes: bytes in order, and pages of one payer or none, whoever takes them. */
#include "pipe_fixture.h"

/* --- one thread ------------------------------------------------------------------------ */

static void what_is_not_understood(void)
{
	struct memcg_pipe *p = new_pipe(0, NB);

	errno = 0;
	CHECK(!memcg_pipe_create(1025, 0) && errno == EINVAL);
	errno = 0;
	CHECK(!memcg_pipe_create(1, 2) && errno == EINVAL);
	CHECK(memcg_pipe_close(p, 2) == -EINVAL && memcg_pipe_eventfd(p, 2) == -EINVAL);
	CHECK(memcg_pipe_tee(p, p, 1) == -EINVAL);
	CHECK(!memcg_pipe_write(p, in, 0) && !memcg_pipe_read(p, out, 0));
	CHECK(memcg_pipe_read(p, out, 1) == -EAGAIN);
	CHECK(memcg_pipe_write(p, in, sizeof(in)) == 16 * PAGE_SIZE); /* what 0 pages means */
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(new_pipe(1024, 0));
	memcg_pipe_destroy(NULL);
}

static void full_and_empty(void)
{
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(4, NB);
	CHECK(memcg_pipe_write(p, in, 5 * PAGE_SIZE) == 4 * PAGE_SIZE && pays(cg, 4));
	CHECK(memcg_pipe_write(p, in, 1) == -EAGAIN);
	reads(p, 0, PAGE_SIZE - 1);
	CHECK(memcg_pipe_write(p, in, 1) == -EAGAIN && pays(cg, 4)); /* there is a byte in it */
	reads(p, PAGE_SIZE - 1, 1);
	CHECK(pays(cg, 3));
	writes(p, 4 * PAGE_SIZE, 1);
	CHECK(memcg_pipe_read(p, out, sizeof(out)) == 3 * PAGE_SIZE + 1);
	CHECK(!memcmp(out, in + PAGE_SIZE, 3 * PAGE_SIZE + 1) && pays(cg, 0));
	CHECK(memcg_pipe_read(p, out, 1) == -EAGAIN);
	memcg_pipe_destroy(p);
	closes();
}

static void small_writes_share_a_page(void)
{
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(2, NB);
	for (size_t i = 0; i < 40; i++)
		writes(p, i * 100, 100);
	CHECK(pays(cg, 1));
	writes(p, 4000, 97); /* 96 are left */
	CHECK(pays(cg, 2));
	writes(p, 4097, PAGE_SIZE - 97);
	CHECK(memcg_pipe_write(p, in, 1) == -EAGAIN);
	reads(p, 0, 4097 + PAGE_SIZE - 97);
	CHECK(pays(cg, 0));
	/* A page read from goes on taking: what is left of it is behind the data. */
	writes(p, 0, 10);
	reads(p, 0, 5);
	writes(p, 10, 20);
	CHECK(pays(cg, 1));
	reads(p, 5, 25);
	memcg_pipe_destroy(p);
	closes();
}

static void any_sizes_in_order(void)
{
	static char mirror[sizeof(in)];
	u64 seed = 4, wrote = 0, got = 0;
	struct memcg_pipe *p;

	set_up();
	p = new_pipe(7, NB);
	for (unsigned turn = 0; turn < effort(20000); turn++) {
		size_t n = 1 + next_random(&seed) % (next_random(&seed) % 3 ? 300 : 3 * PAGE_SIZE);
		ssize_t r;

		if (next_random(&seed) % 2) {
			for (size_t i = 0; i < n; i++)
				mirror[i] = (char)((wrote + i) * 31 >> 3);
			r = memcg_pipe_write(p, mirror, n);
			wrote += r > 0 ? (u64)r : 0;
			CHECK(r == (ssize_t)n || r == -EAGAIN || (r > 0 && n > PAGE_SIZE));
		} else {
			r = memcg_pipe_read(p, out, n);
			CHECK(r == (wrote == got ? -EAGAIN : (ssize_t)MIN(n, wrote - got)));
			for (ssize_t i = 0; i < r; i++, got++)
				CHECK(out[i] == (char)(got * 31 >> 3));
		}
	}
	CHECK(got > 10000 && held(cg) <= 7 * PAGE_SIZE && held(cg) >= wrote - got);
	memcg_pipe_destroy(p);
	CHECK(pays(cg, 0));
	closes();
}

static void closed_ends(void)
{
	struct memcg_pipe *p, *q, *open;

	set_up();
	p = new_pipe(4, 0), q = new_pipe(4, 0), open = new_pipe(4, 0);
	fill();
	writes(p, 0, 3 * PAGE_SIZE);
	CHECK(!memcg_pipe_close(p, MEMCG_PIPE_READ) && pays(cg, 0));
	CHECK(memcg_pipe_write(p, in, 1) == -EPIPE && pays(cg, 0));
	CHECK(memcg_pipe_read(p, out, 1) == -EBADF && !memcg_pipe_close(p, MEMCG_PIPE_READ));
	writes(q, 0, 5000);
	CHECK(memcg_pipe_tee(q, p, 1) == -EPIPE && memcg_pipe_tee(p, open, 1) == -EBADF);
	CHECK(!memcg_pipe_close(q, MEMCG_PIPE_WRITE));
	CHECK(memcg_pipe_write(q, in, 1) == -EBADF && memcg_pipe_tee(open, q, 0) == 0);
	writes(open, 0, 1);
	CHECK(memcg_pipe_tee(open, q, 1) == -EBADF);
	CHECK(memcg_pipe_read(q, out, sizeof(out)) == 5000 && !memcmp(in, out, 5000));
	CHECK(memcg_pipe_read(q, out, 1) == 0 && memcg_pipe_read(q, out, 1) == 0);
	CHECK(memcg_pipe_tee(q, open, 1) == 0);
	CHECK(!memcg_pipe_close(q, MEMCG_PIPE_READ) && memcg_pipe_write(q, in, 1) == -EBADF);
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(q);
	memcg_pipe_destroy(open);
	CHECK(pays(cg, 0));
	closes();
}

static void a_write_over_the_max(void)
{
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(8, 0);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * PAGE_SIZE));
	CHECK(memcg_pipe_write(p, in, 3 * PAGE_SIZE) == 2 * PAGE_SIZE);
	errno = 0;
	CHECK(memcg_pipe_write(p, in, 1) == -ENOMEM && !errno && pays(cg, 2));
	reads(p, 0, PAGE_SIZE);
	writes(p, 2 * PAGE_SIZE, 10);
	reads(p, PAGE_SIZE, PAGE_SIZE + 10);
	CHECK(pays(cg, 0));
	memcg_pipe_destroy(p);
	closes();
}

static void no_memory(void)
{
	struct memcg_pipe *p;
	unsigned made = 0;
	ssize_t r;

	set_up();
	p = new_pipe(1024, NB);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	errno = 0;
	while (memcg_pipe_create(1000, 0))
		made++;
	CHECK(errno == ENOMEM && made < 100000);
	while (memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0))
		;
	r = memcg_pipe_write(p, in, 1);
	CHECK(r == -ENOMEM && sys_fault_count(SYS_FAULT_OPEN_RANGE) && pays(cg, 0));
	sys_fault_disarm_all();
	CHECK(memcg_pipe_write(p, in, 1) == 1);
	memcg_pipe_destroy(p);
	CHECK(pays(cg, 0));
	closes();
}

/* --- by reference ---------------------------------------------------------------------- */

static void tee_copies_and_charges_nothing(void)
{
	struct memcg_pipe *p, *q;

	set_up();
	fill();
	p = new_pipe(8, NB), q = new_pipe(2, NB);
	CHECK(memcg_pipe_tee(p, q, 1) == -EAGAIN);
	writes(p, 0, 3 * PAGE_SIZE);
	into(other);
	CHECK(memcg_pipe_tee(p, q, SIZE_MAX) == 2 * PAGE_SIZE); /* as there is room for */
	CHECK(memcg_pipe_tee(p, q, 1) == -EAGAIN && pays(cg, 3) && pays(other, 0));
	reads(p, 0, 3 * PAGE_SIZE);
	CHECK(pays(cg, 2));
	memcg_pipe_destroy(p);
	reads(q, 0, 100);
	reads(q, 100, 2 * PAGE_SIZE - 100);
	CHECK(pays(cg, 0));
	memcg_pipe_destroy(q);
	closes();
}

/* Both go on behind the bytes that they share, each in a page of its own. */
static void nothing_is_added_to_a_shared_page(void)
{
	struct memcg_pipe *p, *q;

	set_up();
	fill();
	p = new_pipe(8, NB), q = new_pipe(8, NB);
	writes(p, 0, 100);
	CHECK(memcg_pipe_tee(p, q, 60) == 60 && pays(cg, 1));
	writes(q, 500, 40);
	writes(p, 100, 40);
	CHECK(pays(cg, 3));
	reads(p, 0, 140);
	reads(q, 0, 60);
	reads(q, 500, 40);
	CHECK(pays(cg, 0));
	/* Nobody else's any more: it takes what comes. */
	writes(p, 0, 100);
	CHECK(memcg_pipe_tee(p, q, 60) == 60);
	reads(p, 0, 100);
	writes(q, 60, 1000);
	CHECK(pays(cg, 1));
	reads(q, 0, 1060);
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(q);
	CHECK(pays(cg, 0));
	closes();
}

static void stolen_pages_are_the_takers(void)
{
	struct memcg_page *a, *b;
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(8, NB);
	CHECK(steal_fails(p) == -EAGAIN);
	writes(p, 0, PAGE_SIZE + 50);
	reads(p, 0, 10);
	into(other);
	a = steals(p, 10, 10, PAGE_SIZE - 10);
	CHECK(pays(cg, 1) && pays(other, 1));
	CHECK(memcg_owner_id(memcg_page_address(a)) == memcg_id(other));
	b = steals(p, PAGE_SIZE, 0, 50);
	CHECK(pays(cg, 0) && pays(other, 2));
	closes();
	memcg_page_put(a);
	memcg_page_put(b);
	CHECK(pays(other, 0));
	CHECK(steal_fails(p) == -EAGAIN && !memcg_pipe_close(p, MEMCG_PIPE_WRITE));
	CHECK(steal_fails(p) == 0 && !memcg_pipe_close(p, MEMCG_PIPE_READ));
	CHECK(steal_fails(p) == -EBADF && pays(other, 0));
	memcg_pipe_destroy(p);
	closes();
}

static void shared_pages_are_not_stolen(void)
{
	struct memcg_pipe *p, *q;
	struct memcg_page *page;

	set_up();
	fill();
	p = new_pipe(8, NB), q = new_pipe(8, NB);
	writes(p, 0, 200);
	CHECK(memcg_pipe_tee(p, q, 200) == 200);
	into(other);
	CHECK(steal_fails(p) == -EBUSY && steal_fails(q) == -EBUSY);
	CHECK(pays(cg, 1) && pays(other, 0));
	reads(q, 0, 200);
	page = steals(p, 0, 0, 200);
	CHECK(pays(cg, 0) && pays(other, 1));
	memcg_page_put(page);
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(q);
	CHECK(pays(other, 0));
	closes();
}

static void refused_at_the_takers_max(void)
{
	struct memcg_page *page;
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(8, NB);
	writes(p, 0, 2 * PAGE_SIZE);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, PAGE_SIZE));
	into(other);
	page = steals(p, 0, 0, PAGE_SIZE);
	CHECK(steal_fails(p) == -ENOMEM && pays(cg, 1) && pays(other, 1));
	reads(p, PAGE_SIZE, 1000); /* nothing is lost */
	memcg_page_put(page);
	page = steals(p, PAGE_SIZE + 1000, 1000, PAGE_SIZE - 1000);
	CHECK(pays(cg, 0) && pays(other, 1));
	memcg_page_put(page);
	memcg_pipe_destroy(p);
	closes();
}

/* Who pays already is not refused for what he has. */
static void the_payer_at_its_max(void)
{
	struct memcg_page *page;
	struct memcg *child;
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(8, NB);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, PAGE_SIZE));
	writes(p, 0, PAGE_SIZE);
	page = steals(p, 0, 0, PAGE_SIZE);
	CHECK(pays(cg, 1));
	memcg_page_put(page);
	CHECK((child = memcg_create(cg, "child")));
	into(child);
	writes(p, 0, PAGE_SIZE);
	into(cg);
	CHECK(!memcg_destroy(child) && pays(cg, 1));
	page = steals(p, 0, 0, PAGE_SIZE);
	CHECK(pays(cg, 1));
	memcg_page_put(page);
	memcg_pipe_destroy(p);
	CHECK(pays(cg, 0));
	closes();
}

static void a_deleted_writers_pages_are_the_parents(void)
{
	struct memcg_page *page;
	struct memcg_pipe *p;
	struct memcg *child;

	set_up();
	fill();
	CHECK((child = memcg_create(cg, "child")));
	p = new_pipe(8, NB);
	into(child);
	writes(p, 0, 3 * PAGE_SIZE);
	CHECK(pays(child, 3) && pays(cg, 3));
	into(other);
	CHECK(!memcg_destroy(child) && pays(cg, 3));
	page = steals(p, 0, 0, PAGE_SIZE);
	CHECK(pays(cg, 2) && pays(other, 1));
	reads(p, PAGE_SIZE, PAGE_SIZE);
	CHECK(pays(cg, 1));
	memcg_pipe_destroy(p);
	memcg_page_put(page);
	CHECK(pays(cg, 0) && pays(other, 0));
	closes();
}

static void accounting_is_off(void)
{
	struct memcg_page *page;
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(8, NB);
	writes(p, 0, PAGE_SIZE);
	atomic_store(&accounting_off, 1u);
	writes(p, PAGE_SIZE, PAGE_SIZE);
	CHECK(pays(cg, 1));
	page = steals(p, 0, 0, PAGE_SIZE);
	CHECK(pays(cg, 0) && !memcg_owner_id(memcg_page_address(page)));
	memcg_page_put(page);
	atomic_store(&accounting_off, 0u);
	page = steals(p, PAGE_SIZE, 0, PAGE_SIZE);
	CHECK(pays(cg, 1));
	memcg_page_put(page);
	CHECK(pays(cg, 0));
	memcg_pipe_destroy(p);
	closes();
}

/* --- between the charge and the freeze: an inline shrinker of the taker's group runs there --- */

static struct between {
	struct memcg_pipe *pipe;
	struct memcg_page *spare; /* what the shrinker frees */
	struct memcg_page *seen;  /* got a reference; NULL: read from the pipe instead */
	ssize_t got;
} between;

static size_t spare_count(struct memcg *g, void *arg)
{
	(void)g;
	(void)arg;
	return between.spare ? PAGE_SIZE : 0;
}

static size_t spare_scan(struct memcg *g, size_t bytes, uint64_t deadline_ns, void *arg)
{
	struct memcg_page *spare = between.spare;

	(void)g, (void)bytes, (void)deadline_ns, (void)arg;
	if (!spare)
		return 0;
	between.spare = NULL;
	if (between.seen)
		CHECK(memcg_page_tryget(between.seen));
	else
		between.got = memcg_pipe_read(between.pipe, out, PAGE_SIZE);
	memcg_page_put(spare);
	return PAGE_SIZE;
}

static void stands_between(struct memcg_pipe *p)
{
	static struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;

	CHECK(!memcg_set_limit(other, MEMCG_MAX, PAGE_SIZE));
	into(other);
	CHECK((between.spare = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	between.pipe = p;
	config.count = spare_count;
	config.scan = spare_scan;
	config.flags = MEMCG_SHRINK_INLINE;
	config.deadline_ms = 100000;
	CHECK(memcg_shrinker_register(other, &config));
}

/* The one page of cg's: all its memory is in the pipe. */
static struct memcg_page *only_page_of(struct memcg *g)
{
	for (u32 i = 1; i < atomic_load(&regn.chunks) * CHUNK_PAGES; i++)
		if (page_at(i)->kind == PAGE_BUFFER && page_objcg_check(page_at(i)) == g->handle)
			return (struct memcg_page *)page_at(i);
	return NULL;
}

static void a_tryget_in_between(void)
{
	struct memcg_pipe *p;
	struct memcg_page *page;

	set_up();
	fill();
	p = new_pipe(8, NB);
	writes(p, 0, PAGE_SIZE);
	CHECK((between.seen = only_page_of(cg)));
	stands_between(p);
	CHECK(steal_fails(p) == -EBUSY && !between.spare);
	CHECK(pays(cg, 1) && pays(other, 0));
	memcg_page_put(between.seen);
	page = steals(p, 0, 0, PAGE_SIZE);
	CHECK(page == between.seen && pays(cg, 0) && pays(other, 1));
	memcg_page_put(page);
	memcg_pipe_destroy(p);
	closes();
}

static void a_reader_in_between(void)
{
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(8, NB);
	writes(p, 0, PAGE_SIZE);
	stands_between(p);
	CHECK(steal_fails(p) == -EAGAIN && between.got == PAGE_SIZE && !between.spare);
	CHECK(!memcmp(in, out, PAGE_SIZE) && pays(cg, 0) && pays(other, 0));
	memcg_pipe_destroy(p);
	closes();
}

/* --- between the look at the page and the freeze: who has a reference moves the charge ---- */

#ifdef MEMCG_DEBUG
static void *got_moved_and_put(void *page)
{
	CHECK(memcg_page_tryget(page) && !memcg_page_recharge(page, cg));
	memcg_page_put(page);
	return NULL;
}

static void moved_when_found(void)
{
	pthread_t thread;

	hook_steal_found = NULL;
	CHECK(!pthread_create(&thread, NULL, got_moved_and_put, between.seen));
	CHECK(!pthread_join(thread, NULL));
}

/* The taker paid for it a moment ago: it pays in the end, not whom the charge was moved to. */
static void a_recharge_in_between(void)
{
	struct memcg_page *page;
	struct memcg_pipe *p;

	set_up();
	fill();
	p = new_pipe(8, NB);
	into(other);
	writes(p, 0, PAGE_SIZE);
	CHECK((between.seen = only_page_of(other)));
	hook_steal_found = moved_when_found;
	page = steals(p, 0, 0, PAGE_SIZE);
	CHECK(!hook_steal_found && page == between.seen);
	CHECK(pays(cg, 0) && pays(other, 1));
	memcg_page_put(page);
	memcg_pipe_destroy(p);
	closes();
}
#endif

/* A writer at its max goes on filling the page it has. */
static void a_merge_charges_nobody(void)
{
	static const char bytes[PAGE_SIZE];
	struct memcg_pipe *p;

	set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, PAGE_SIZE));
	p = memcg_pipe_create(4, MEMCG_PIPE_NONBLOCK);
	CHECK(p && memcg_pipe_write(p, bytes, 100) == 100);
	CHECK(memcg_pipe_write(p, bytes, 256) == 256 && memcg_pipe_write(p, bytes, 1000) == 1000);
	CHECK(held(cg) == PAGE_SIZE);
	CHECK(memcg_pipe_write(p, bytes, PAGE_SIZE - 1000) == -ENOMEM);
	CHECK(memcg_pipe_write(p, bytes, PAGE_SIZE) == -ENOMEM);
	CHECK(held(cg) == PAGE_SIZE);
	memcg_pipe_destroy(p);
	CHECK(held(cg) == 0);
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(what_is_not_understood),
		PAGE_TEST(full_and_empty),
		PAGE_TEST(small_writes_share_a_page),
		PAGE_TEST(any_sizes_in_order),
		PAGE_TEST(closed_ends),
		PAGE_TEST(a_write_over_the_max),
		PAGE_TEST(no_memory),
		PAGE_TEST(tee_copies_and_charges_nothing),
		PAGE_TEST(nothing_is_added_to_a_shared_page),
		PAGE_TEST(stolen_pages_are_the_takers),
		PAGE_TEST(shared_pages_are_not_stolen),
		PAGE_TEST(refused_at_the_takers_max),
		PAGE_TEST(the_payer_at_its_max),
		PAGE_TEST(a_deleted_writers_pages_are_the_parents),
		PAGE_TEST(accounting_is_off),
		PAGE_TEST(a_tryget_in_between),
		PAGE_TEST(a_reader_in_between),
		PAGE_TEST(a_merge_charges_nobody),
#ifdef MEMCG_DEBUG
		PAGE_TEST(a_recharge_in_between),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
