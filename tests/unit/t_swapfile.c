/*
 * t_swapfile.c - pages on disk: what was written comes back, and several threads that write and
 * read in any order do not meet; what they need of a stack.
 */
#include "swapfile_fixture.h"

#include <ucontext.h>

#include "vm/zswap.h"

/* --- there and back ------------------------------------------------------------------ */

static void pages_come_back(void)
{
	u32 to[SWAP_CLUSTER];

	use(NULL, 4 * MIB);
	put(100, SWAP_CLUSTER, to);
	for (unsigned i = 0; i < SWAP_CLUSTER; i++)
		CHECK(!get(to[i], 100 + i));
	put(500, 1, slots);
	CHECK(!get(slots[0], 500) && !get(to[7], 107));
	CHECK(said_nothing());
}

static void a_run_comes_back_at_once(void)
{
	char *buffer = pages_map(SWAP_CLUSTER);
	void *pages[SWAP_CLUSTER];
	u32 to[SWAP_CLUSTER], good;

	use(NULL, 4 * MIB);
	put(0, SWAP_CLUSTER, to);
	for (unsigned holes = 0; holes < 3; holes++) {
		memset(buffer, 0xa5, SWAP_CLUSTER * PAGE_SIZE);
		for (unsigned i = 0; i < SWAP_CLUSTER; i++)
			pages[i] = !holes || i % (holes + 1) ? buffer + i * PAGE_SIZE : NULL;
		good = swap_read_run(to[0], SWAP_CLUSTER, pages);
		for (unsigned i = 0; i < SWAP_CLUSTER; i++) {
			CHECK((good >> i & 1) == !!pages[i]);
			CHECK(page_is(buffer + i * PAGE_SIZE, i, CONTENT_RANDOM) == !!pages[i]);
		}
	}
	CHECK(!swap_read_run(to[0], 0, pages) && said_nothing());
}

/* Slots that are not in a row are written where they are. */
static void scattered_slots_are_written(void)
{
	char *buffer = pages_map(8);
	const void *pages[8];
	u32 to[8];

	use(NULL, MIB);
	CHECK(swap_alloc(slots, 32) == 32);
	for (unsigned i = 0; i < 8; i++) {
		to[i] = slots[i < 3 ? i : 31 - 2 * i + i / 4];
		page_write(buffer + i * PAGE_SIZE, i, CONTENT_RANDOM);
		pages[i] = buffer + i * PAGE_SIZE;
	}
	CHECK(!swap_write(pages, to, 8));
	for (unsigned i = 0; i < 8; i++)
		CHECK(!get(to[i], i));
}

/* --- several threads ----------------------------------------------------------------- */

#define THREADS 4

static u32 taken_by[THREADS][MAX_SLOTS], count_of[THREADS];

static void *take_to_the_end(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	int r;

	while ((r = swap_alloc(taken_by[me] + count_of[me], 1 + me * 5)) > 0)
		count_of[me] += (u32)r;
	CHECK(r == -ENOSPC);
	return NULL;
}

/* All of them find it closed, and short again and again: one opens and lengthens it. */
static void threads_take_all(void)
{
	static bool seen[MAX_SLOTS];
	pthread_t t[THREADS];
	u32 sum = 0;

	use(NULL, 64 * MIB);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, take_to_the_end, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
	for (unsigned i = 0; i < THREADS; i++) {
		sum += count_of[i];
		for (u32 k = 0; k < count_of[i]; k++) {
			CHECK(!seen[taken_by[i][k]]);
			seen[taken_by[i][k]] = true;
		}
	}
	CHECK(sum == 16383 && !seen[0] && said_nothing());
}

#ifdef MEMCG_DEBUG

static pthread_t second;
static u32 second_is; /* 1: about to ask, 2: has its answer */
static int second_got, own_got = 1;

static void *ask_for_slots(void *arg)
{
	u32 to[32];
	int status;
	pid_t pid;

	atomic_store(&second_is, 1u);
	pid = fork();
	if (!pid) { /* where nobody is at it: not waited for */
		alarm(150);
		CHECK(swap_alloc(to, 32) == 32);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	second_got = swap_alloc(to, 32);
	atomic_store(&second_is, 2u);
	return arg;
}

/*
 * The file is being opened. Another thread asks: it must not be told that there is nothing. It has
 * a while to be told so; that it is still waiting then proves nothing, its answer does.
 */
static void while_it_grows(void)
{
	u64 until;
	u32 to[32];

	hook_swap_grows = NULL;
	CHECK(task_self()->busy);     /* faults of signal handlers are refused meanwhile */
	own_got = swap_alloc(to, 32); /* a signal handler of this very thread cannot wait */
	CHECK(!pthread_create(&second, NULL, ask_for_slots, NULL));
	while (!atomic_load(&second_is))
		sys_sleep_ns(1000000);
	for (until = sys_clock_ns() + 300000000; sys_clock_ns() < until;)
		if (atomic_load(&second_is) == 2)
			break;
}

static void asked_while_it_grows(void)
{
	u32 to[32];

	use(NULL, MIB);
	hook_swap_grows = while_it_grows;
	CHECK(swap_alloc(to, 32) == 32 && !hook_swap_grows && !task_self()->busy);
	CHECK(!pthread_join(second, NULL));
	CHECK(own_got == -ENOSPC && second_got == 32 && said_nothing());
}

#endif

#define PLACES 512

static struct place {
	pthread_mutex_t lock;
	u32 slot;
	u64 content;
} places[PLACES];

static void put_some(u64 *seed, char *buffer)
{
	unsigned n = 1 + next_random(seed) % 8, first = next_random(seed) % (PLACES - n), i;
	const void *pages[8];
	u32 to[8];
	int got = swap_alloc(to, n);

	for (i = 0; got > 0 && i < (unsigned)got; i++) {
		page_write(buffer + i * PAGE_SIZE, to[i] * 1000ul + i, CONTENT_MIXED);
		pages[i] = buffer + i * PAGE_SIZE;
	}
	if (got <= 0 || swap_write(pages, to, (unsigned)got))
		return;
	for (i = 0; i < (unsigned)got; i++) {
		struct place *at = &places[first + i];

		pthread_mutex_lock(&at->lock);
		if (at->slot)
			swap_free(to[i]);
		else
			*at = (struct place){at->lock, to[i], to[i] * 1000ul + i};
		pthread_mutex_unlock(&at->lock);
	}
}

static void take_some(u64 *seed, char *buffer)
{
	struct place *at = &places[next_random(seed) % PLACES];

	pthread_mutex_lock(&at->lock);
	if (at->slot) {
		CHECK(!swap_read(at->slot, buffer));
		CHECK(page_is(buffer, at->content, CONTENT_MIXED));
		if (next_random(seed) % 2) {
			swap_free(at->slot);
			at->slot = 0;
		}
	}
	pthread_mutex_unlock(&at->lock);
}

static void *work(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;
	char *buffer = pages_map(8);

	for (unsigned i = 0; i < effort(4000); i++) {
		if (next_random(&seed) % 4)
			take_some(&seed, buffer);
		else
			put_some(&seed, buffer);
	}
	return NULL;
}

/* More than fits, in any order, by several threads; writes fail now and then. */
static void against_a_model(void)
{
	pthread_t t[THREADS];
	u64 used = 0;

	use(NULL, 300 * PAGE_SIZE);
	for (unsigned i = 0; i < PLACES; i++)
		pthread_mutex_init(&places[i].lock, NULL);
	sys_fault_arm(SYS_FAULT_PWRITEV, 10, 0, 20000, 7);
	sys_fault_arm(SYS_FAULT_ALLOCATE, 0, 2, 0, 0);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)(uintptr_t)(i + 1)));
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(sys_fault_count(SYS_FAULT_PWRITEV));
	sys_fault_disarm_all();
	for (unsigned i = 0; i < PLACES; i++) {
		char *buffer = pages_map(1);

		if (!places[i].slot)
			continue;
		used++;
		CHECK(!swap_read(places[i].slot, buffer));
		CHECK(page_is(buffer, places[i].content, CONTENT_MIXED));
		swap_free(places[i].slot);
	}
	CHECK(used && swap_slots_free() == 299 && take_all(32) == 299);
}

/* --- small stacks -------------------------------------------------------------------- */

#ifndef SANITIZED /* whose frames are larger */

#define STACK (128 * KIB)

static ucontext_t before, within;
static char *stack, *one_page;
static u64 copy;
static u32 one_slot;

static void step_store(void)
{
	CHECK(zswap_store(one_page, cg->handle->index, &copy) == WHERE_ZSWAP);
}

static void step_load(void)
{
	(void)zswap_load(copy, one_page);
}

static void step_free(void)
{
	zswap_free(copy);
}

static void step_alloc(void)
{
	CHECK(swap_alloc(&one_slot, 1) == 1);
}

static void step_write(void)
{
	const void *page = one_page;

	CHECK(!swap_write(&page, &one_slot, 1));
}

static void step_read(void)
{
	(void)swap_read(one_slot, one_page);
}

/* Bytes of stack that a step touches: those that have not kept their paint. */
static size_t depth_of(void (*step)(void))
{
	size_t untouched = 0;

	memset(stack, 0x5a, STACK);
	CHECK(!getcontext(&within));
	within.uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK};
	within.uc_link = &before;
	makecontext(&within, step, 0);
	CHECK(!swapcontext(&before, &within));
	while (stack[untouched] == 0x5a)
		untouched++;
	return STACK - untouched;
}

/* A signal's stack may be 8 KiB, of which the processor's state takes up to 4 before anything runs.
 */
static void small_stacks_will_do(void)
{
	static void (*const steps[])(void) = {step_store, step_load, step_alloc, step_write,
					      step_read};

	if (effort_divisor() > 1)
		return; /* memcheck lets nobody look below a stack */
	use(NULL, MIB);
	stack = pages_map(STACK / PAGE_SIZE);
	one_page = pages_map(1);
	page_write(one_page, 5, CONTENT_TEXT);
	/* The first round opens the file, and the linker looks up what this program calls. */
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(steps); i++)
			CHECK(depth_of(steps[i]) <= (round ? 1536 : 4096));
	((char *)copy)[30] ^= 1;
	*swap_map_sum(one_slot) ^= 1;
	CHECK(depth_of(step_load) <= 3584 && said_one("is damaged")); /* with a line */
	CHECK(depth_of(step_read) <= 3584 && said_one("is damaged"));
	CHECK(depth_of(step_free) <= 1536);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		SWAP_TEST(pages_come_back),
		SWAP_TEST(a_run_comes_back_at_once),
		SWAP_TEST(scattered_slots_are_written),
		SWAP_TEST(threads_take_all),
#ifdef MEMCG_DEBUG
		SWAP_TEST(asked_while_it_grows),
#endif
		SWAP_TEST(against_a_model),
#ifndef SANITIZED
		SWAP_TEST(small_stacks_will_do),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
