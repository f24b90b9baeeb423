/* t_pipe.c - pipes: bytes in order, pages of one payer or none, and threads at both ends. */
#include "alloc_fixture.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>

#include <memcg.h>

#define NB MEMCG_PIPE_NONBLOCK

static char in[64 * PAGE_SIZE], out[64 * PAGE_SIZE];

static struct memcg_pipe *new_pipe(unsigned pages, unsigned flags)
{
	struct memcg_pipe *p = memcg_pipe_create(pages, flags);

	CHECK(p);
	return p;
}

static u64 buffers(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s.buffer;
}

/* The group pays for n pages, all of them buffers. */
static bool pays(struct memcg *g, u64 n)
{
	return held(g) == n * PAGE_SIZE && buffers(g) == n * PAGE_SIZE;
}

static void into(struct memcg *g)
{
	memcg_put(memcg_enter(g));
}

static void fill(void)
{
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 7 + i / 251);
}

static void writes(struct memcg_pipe *p, size_t from, size_t n)
{
	CHECK(memcg_pipe_write(p, in + from, n) == (ssize_t)n);
}

static void reads(struct memcg_pipe *p, size_t from, size_t n)
{
	CHECK(memcg_pipe_read(p, out, n) == (ssize_t)n && !memcmp(in + from, out, n));
}

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

static struct memcg_page *steals(struct memcg_pipe *p, size_t from, size_t at, size_t n)
{
	struct memcg_page *page = NULL;
	size_t offset = 1;

	CHECK(memcg_pipe_steal(p, &page, &offset) == (ssize_t)n && page && offset == at);
	CHECK(!memcmp((char *)memcg_page_address(page) + offset, in + from, n));
	CHECK(page_count((struct page *)page) == 1);
	return page;
}

static ssize_t steal_fails(struct memcg_pipe *p)
{
	struct memcg_page *page = NULL;
	size_t offset = 7;
	ssize_t r = memcg_pipe_steal(p, &page, &offset);

	CHECK(!page && offset == 7);
	return r;
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

/* --- descriptors ----------------------------------------------------------------------- */

static bool readable(int fd)
{
	struct pollfd at = {.fd = fd, .events = POLLIN};

	return poll(&at, 1, 0) == 1 && at.revents == POLLIN;
}

static void descriptors_follow(void)
{
	struct memcg_pipe *p, *q;
	int r, w;

	set_up();
	p = new_pipe(2, NB), q = new_pipe(2, NB);
	r = memcg_pipe_eventfd(p, MEMCG_PIPE_READ);
	w = memcg_pipe_eventfd(p, MEMCG_PIPE_WRITE);
	CHECK(r >= 0 && w >= 0 && r != w && memcg_pipe_eventfd(p, MEMCG_PIPE_READ) == r);
	CHECK(!readable(r) && readable(w));
	writes(p, 0, 10);
	CHECK(readable(r) && readable(w));
	writes(p, 0, PAGE_SIZE);
	CHECK(readable(r) && !readable(w));
	CHECK(memcg_pipe_read(p, out, 10) == 10 && readable(r) && readable(w));
	CHECK(memcg_pipe_read(p, out, PAGE_SIZE) == PAGE_SIZE && !readable(r) && readable(w));
	writes(q, 0, 2 * PAGE_SIZE);
	CHECK(memcg_pipe_tee(q, p, SIZE_MAX) == 2 * PAGE_SIZE && readable(r) && !readable(w));
	memcg_pipe_destroy(q);
	memcg_page_put(steals(p, 0, 0, PAGE_SIZE));
	CHECK(readable(r) && readable(w));
	memcg_page_put(steals(p, PAGE_SIZE, 0, PAGE_SIZE));
	CHECK(!readable(r) && readable(w));
	CHECK(!memcg_pipe_close(p, MEMCG_PIPE_WRITE) && readable(r) && readable(w));
	memcg_pipe_destroy(p);
	CHECK(!readable(r) && !readable(w)); /* closed */
	p = new_pipe(1, NB);
	writes(p, 0, 10);
	w = memcg_pipe_eventfd(p, MEMCG_PIPE_WRITE);
	CHECK(!readable(w) && !memcg_pipe_close(p, MEMCG_PIPE_READ) && readable(w));
	memcg_pipe_destroy(p);
	closes();
}

static void descriptors_fail(void)
{
	struct memcg_pipe *p;
	int fd;

	set_up();
	p = new_pipe(2, NB);
	sys_fault_arm(SYS_FAULT_EVENTFD, 1, 1, 0, 0);
	CHECK(memcg_pipe_eventfd(p, MEMCG_PIPE_READ) == -EMFILE);
	sys_fault_disarm_all();
	fd = memcg_pipe_eventfd(p, MEMCG_PIPE_READ);
	CHECK(fd >= 0 && !readable(fd));
	/* Not told: told at the next change. */
	sys_fault_arm(SYS_FAULT_WRITE, 1, 0, 0, 0);
	writes(p, 0, 10);
	CHECK(!readable(fd) && sys_fault_count(SYS_FAULT_WRITE) == 1);
	writes(p, 0, 10);
	CHECK(readable(fd));
	sys_fault_disarm_all();
	memcg_pipe_destroy(p);
	closes();
}

/* --- threads --------------------------------------------------------------------------- */

enum call { READ, WRITE, TEE, STEAL };

struct caller {
	pthread_t thread;
	enum call call;
	struct memcg_pipe *pipe, *to;
	ssize_t result;
	u32 tid;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	struct memcg_page *page = NULL;
	size_t offset;
	char bytes[10] = "";

	atomic_store_release(&c->tid, (u32)syscall(SYS_gettid));
	switch (c->call) {
	case READ:
		c->result = memcg_pipe_read(c->pipe, bytes, sizeof(bytes));
		break;
	case WRITE:
		c->result = memcg_pipe_write(c->pipe, bytes, sizeof(bytes));
		break;
	case TEE:
		c->result = memcg_pipe_tee(c->pipe, c->to, sizeof(bytes));
		break;
	case STEAL:
		c->result = memcg_pipe_steal(c->pipe, &page, &offset);
		memcg_page_put(page);
		break;
	}
	return NULL;
}

static bool sleeps(u32 tid)
{
	char path[64], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strstr(text, ") S ");
}

/* Begins a call that has to wait; back when its thread sleeps. */
static void begins(struct caller *c, enum call what, struct memcg_pipe *p, struct memcg_pipe *to)
{
	*c = (struct caller){.call = what, .pipe = p, .to = to, .result = 1};
	CHECK(!pthread_create(&c->thread, NULL, call, c));
	while (!atomic_load_acquire(&c->tid) || !sleeps(c->tid))
		sched_yield();
}

static ssize_t ends(struct caller *c)
{
	CHECK(!pthread_join(c->thread, NULL));
	return c->result;
}

static void who_waits_is_woken(void)
{
	struct memcg_pipe *p, *q;
	struct caller c, d;

	set_up();
	p = new_pipe(1, 0), q = new_pipe(1, 0);
	begins(&c, READ, p, NULL);
	begins(&d, READ, p, NULL);
	writes(p, 0, 20);
	CHECK(ends(&c) == 10 && ends(&d) == 10); /* one leaves something for the other */
	begins(&c, STEAL, p, NULL);
	writes(p, 0, 7);
	CHECK(ends(&c) == 7);
	begins(&c, TEE, p, q); /* for something to share, */
	writes(p, 0, 5);
	CHECK(ends(&c) == 5 && memcg_pipe_read(q, out, 5) == 5);
	writes(q, 0, PAGE_SIZE);
	begins(&c, TEE, p, q); /* and for room */
	CHECK(memcg_pipe_read(q, out, PAGE_SIZE) == PAGE_SIZE && ends(&c) == 5);
	CHECK(memcg_pipe_read(p, out, 5) == 5 && memcg_pipe_read(q, out, 5) == 5);
	writes(p, 0, PAGE_SIZE);
	begins(&c, WRITE, p, NULL);
	CHECK(memcg_pipe_read(p, out, PAGE_SIZE) == PAGE_SIZE && ends(&c) == 10);
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(q);
	closes();
}

static void who_waits_hears_of_the_end(void)
{
	static const enum call calls[] = {READ, STEAL, TEE};
	struct memcg_pipe *p, *q;
	struct caller c;

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		p = new_pipe(1, 0), q = new_pipe(1, 0);
		begins(&c, calls[i], p, q);
		CHECK(!memcg_pipe_close(p, MEMCG_PIPE_WRITE) && ends(&c) == 0);
		memcg_pipe_destroy(p);
		p = new_pipe(1, 0);
		begins(&c, calls[i], p, q);
		CHECK(!memcg_pipe_close(p, MEMCG_PIPE_READ) && ends(&c) == -EBADF);
		memcg_pipe_destroy(p);
		memcg_pipe_destroy(q);
	}
	p = new_pipe(1, 0);
	writes(p, 0, PAGE_SIZE);
	begins(&c, WRITE, p, NULL);
	CHECK(!memcg_pipe_close(p, MEMCG_PIPE_READ) && ends(&c) == -EPIPE);
	memcg_pipe_destroy(p);
	CHECK(pays(cg, 0));
	closes();
}

static void a_signal_while_waiting(void)
{
	struct memcg_pipe *p, *q;

	set_up();
	p = new_pipe(1, 0), q = new_pipe(1, 0);
	sys_fault_arm(SYS_FAULT_FUTEX, 1, 1, 0, 0);
	CHECK(memcg_pipe_read(p, out, 1) == -EINTR && steal_fails(p) == -EINTR);
	CHECK(memcg_pipe_tee(p, q, 1) == -EINTR);
	CHECK(memcg_pipe_write(p, in, 2 * PAGE_SIZE) == PAGE_SIZE); /* what was done counts */
	CHECK(memcg_pipe_write(p, in, 1) == -EINTR && pays(cg, 1));
	CHECK(sys_fault_count(SYS_FAULT_FUTEX) == 5);
	sys_fault_disarm_all();
	CHECK(memcg_pipe_read(p, out, 2 * PAGE_SIZE) == PAGE_SIZE);
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(q);
	closes();
}

/*
 * Bytes that must come out in order: a writer, whose group goes now and then, into one pipe; a
 * thread that shares each piece with a second pipe before it reads it; and one that reads the
 * second pipe, or steals from it, for another group.
 */
#define STREAM (effort(16) * 1024ul * 1024ul)

static struct memcg_pipe *first, *second;

static char byte_at(u64 i)
{
	return (char)(i * 131 >> 4);
}

static void follows(const char *bytes, ssize_t n, u64 *at)
{
	for (ssize_t i = 0; i < n; i++, ++*at)
		CHECK(bytes[i] == byte_at(*at));
}

/* A new group to write for; the last one goes, with what is in the pipe. */
static struct memcg *move_on(struct memcg *up, struct memcg *mine, u64 turn)
{
	struct memcg *next;
	char name[32];

	snprintf(name, sizeof(name), "w%lu", (unsigned long)turn);
	CHECK((next = memcg_create(up, name)));
	into(next);
	CHECK(!mine || !memcg_destroy(mine));
	return next;
}

static void *stream_writer(void *arg)
{
	static char buf[3 * PAGE_SIZE];
	u64 seed = 1, at = 0, turn = 0;
	struct memcg *mine = NULL;

	while (at < STREAM) {
		size_t n = 1 + next_random(&seed) % (turn % 2 ? 200 : sizeof(buf));

		if (turn++ % 64 == 0)
			mine = move_on(arg, mine, turn);
		n = MIN(n, STREAM - at);
		for (size_t i = 0; i < n; i++)
			buf[i] = byte_at(at + i);
		CHECK(memcg_pipe_write(first, buf, n) == (ssize_t)n);
		at += n;
	}
	into(NULL);
	CHECK(!memcg_destroy(mine) && !memcg_pipe_close(first, MEMCG_PIPE_WRITE));
	return NULL;
}

static void *stream_sharer(void *arg)
{
	static char buf[2 * PAGE_SIZE];
	u64 seed = 2, at = 0;
	ssize_t n;

	(void)arg;
	while ((n = memcg_pipe_tee(first, second, 1 + next_random(&seed) % sizeof(buf))) > 0) {
		CHECK(memcg_pipe_read(first, buf, (size_t)n) == n);
		follows(buf, n, &at);
	}
	CHECK(!n && at == STREAM && !memcg_pipe_close(second, MEMCG_PIPE_WRITE));
	return NULL;
}

static void *stream_taker(void *arg)
{
	static char buf[2 * PAGE_SIZE];
	u64 seed = 3, at = 0, stolen = 0;
	struct memcg_page *page;
	size_t offset;
	ssize_t n;

	into(arg);
	do {
		n = memcg_pipe_steal(second, &page, &offset);
		if (n > 0) {
			follows((char *)memcg_page_address(page) + offset, n, &at);
			memcg_page_put(page);
			stolen++;
		} else if (n == -EBUSY) {
			n = memcg_pipe_read(second, buf, 1 + next_random(&seed) % sizeof(buf));
			follows(buf, n, &at);
		}
	} while (n > 0);
	CHECK(!n && at == STREAM);
	into(NULL);
	return NULL;
}

static void a_stream_through_three_threads(void)
{
	pthread_t thread[3];

	set_up();
	first = new_pipe(5, 0), second = new_pipe(3, 0);
	CHECK(!pthread_create(&thread[0], NULL, stream_writer, cg));
	CHECK(!pthread_create(&thread[1], NULL, stream_sharer, NULL));
	CHECK(!pthread_create(&thread[2], NULL, stream_taker, other));
	for (unsigned i = 0; i < 3; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK(pays(cg, 0) && pays(other, 0));
	memcg_pipe_destroy(first);
	memcg_pipe_destroy(second);
	closes();
}

/*
 * Everybody at one pipe, its pages also shared with a second one, at a max that refuses some: each
 * byte that was written is taken once, and nothing is left of the charges.
 */
static u64 sum_in, sum_out;

static u64 sum(const char *p, ssize_t n)
{
	u64 all = 0;

	for (ssize_t i = 0; i < n; i++)
		all += (unsigned char)p[i];
	return all;
}

static void *crowd_writer(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;

	into(cg);
	for (unsigned turn = 0; turn < effort(20000); turn++) {
		size_t n = 1 + next_random(&seed) % (turn % 4 ? 300 : 2 * PAGE_SIZE);
		size_t from = next_random(&seed) % PAGE_SIZE;
		ssize_t r = memcg_pipe_write(first, in + from, n);

		CHECK(r > 0 || r == -ENOMEM);
		atomic_add(&sum_in, sum(in + from, r));
	}
	into(NULL);
	return NULL;
}

static void *crowd_taker(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;
	struct memcg_page *page;
	char buf[6000];
	size_t offset;
	ssize_t n;

	into(other);
	do {
		n = memcg_pipe_steal(first, &page, &offset);
		if (n > 0) {
			atomic_add(&sum_out, sum((char *)memcg_page_address(page) + offset, n));
			memcg_page_put(page);
			continue;
		}
		if (!n)
			break;
		CHECK(n == -EBUSY || n == -ENOMEM);
		n = memcg_pipe_read(first, buf, 1 + next_random(&seed) % sizeof(buf));
		CHECK(n >= 0);
		atomic_add(&sum_out, sum(buf, n));
	} while (n);
	into(NULL);
	return NULL;
}

/* Ends with the others: what it has shared is read by itself. */
static void *crowd_sharer(void *arg)
{
	char buf[PAGE_SIZE];
	ssize_t n;

	(void)arg;
	while ((n = memcg_pipe_tee(first, second, 5000)) > 0)
		while (memcg_pipe_read(second, buf, sizeof(buf)) > 0)
			;
	CHECK(!n);
	return NULL;
}

static void everybody_at_one_pipe(void)
{
	pthread_t writer[3], taker[2], sharer;

	set_up();
	fill();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 5 * PAGE_SIZE));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, PAGE_SIZE));
	first = new_pipe(6, 0), second = new_pipe(2, NB);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&writer[i], NULL, crowd_writer, (void *)(i + 1)));
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&taker[i], NULL, crowd_taker, (void *)(i + 9)));
	CHECK(!pthread_create(&sharer, NULL, crowd_sharer, NULL));
	for (unsigned i = 0; i < 3; i++)
		CHECK(!pthread_join(writer[i], NULL));
	CHECK(!memcg_pipe_close(first, MEMCG_PIPE_WRITE));
	CHECK(!pthread_join(taker[0], NULL) && !pthread_join(taker[1], NULL));
	CHECK(!pthread_join(sharer, NULL));
	CHECK(sum_in == sum_out && sum_in && pays(cg, 0) && pays(other, 0));
	memcg_pipe_destroy(first);
	memcg_pipe_destroy(second);
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
		PAGE_TEST(descriptors_follow),
		PAGE_TEST(descriptors_fail),
		PAGE_TEST(who_waits_is_woken),
		PAGE_TEST(who_waits_hears_of_the_end),
		PAGE_TEST(a_signal_while_waiting),
		PAGE_TEST(a_stream_through_three_threads),
		PAGE_TEST(everybody_at_one_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
