/*
 * t_handle.c - what memory names: references made of pins and bytes, redirection, and reuse of an
 * index only when nobody can be reading through it.
 */
#include "group_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reclaim/charge.h"
#include "sys/fault.h"
#include "group/record.h"

#define DEPTH 16u

static u64 refs(const struct handle *h)
{
	return atomic_load(&h->refs);
}

static void test_reserved_indices(void **state)
{
	struct memcg *cg = group(NULL, "first");

	(void)state;
	assert_int_equal(root_group->handle->index, HANDLE_ROOT);
	assert_true(HANDLE_ROOT > OWNER_NOBODY);
	assert_true(cg->handle->index > HANDLE_ROOT);
	assert_ptr_equal(handle_of(cg->handle->index), cg->handle);
	assert_true(handle_count() > cg->handle->index);
	assert_int_equal(memcg_destroy(cg), 0);
}

/* One word: pins above, bytes below, neither reaching into the other. */
static void test_refs_are_pins_and_bytes(void **state)
{
	struct memcg *cg = group(NULL, "refs"), *child;
	struct handle *h = cg->handle;

	(void)state;
	assert_int_equal(refs(h), HANDLE_PIN);
	assert_true(charge_bytes(h->index, 12345, 0));
	assert_int_equal(refs(h), HANDLE_PIN + 12345);
	assert_int_equal(handle_bytes(h), 12345);
	child = group(cg, "child");
	assert_int_equal(refs(h), HANDLE_PIN + 12345);
	assert_true(charge_bytes(child->handle->index, 77, 0));
	assert_int_equal(refs(h), HANDLE_PIN + 12345); /* a child's bytes pin the child's handle */
	assert_int_equal(memcg_destroy(memcg_get(child)), 0);
	assert_int_equal(refs(h), 2 * HANDLE_PIN + 12345);
	uncharge_bytes(child->handle->index, 77);
	assert_int_equal(refs(child->handle), HANDLE_PIN); /* its struct */
	memcg_put(child);
	settle();
	assert_int_equal(refs(h), HANDLE_PIN + 12345);
	uncharge_bytes(h->index, 12345);
	assert_int_equal(refs(h), HANDLE_PIN);
	assert_int_equal(memcg_destroy(cg), 0);
	settle();
}

/* A charge, not a reference of its own, is what keeps the handle of a group that is gone. */
static void test_bytes_keep_the_handle(void **state)
{
	struct memcg *cg = group(NULL, "kept");
	struct handle *h = cg->handle;
	u32 index = h->index;
	u64 root_pins = refs(root_group->handle) / HANDLE_PIN;

	(void)state;
	assert_true(charge_bytes(index, 1, 0));
	assert_int_equal(memcg_destroy(cg), 0);
	settle();
	assert_int_equal(refs(h), 1);
	assert_ptr_equal(payer(h), root_group);
	assert_int_equal(refs(root_group->handle) / HANDLE_PIN, root_pins + 1);
	uncharge_bytes(index, 1);
	settle();
	assert_int_equal(refs(h), 0);
	assert_int_equal(refs(root_group->handle) / HANDLE_PIN, root_pins);
	cg = group(NULL, "next");
	assert_int_equal(cg->handle->index, index); /* last freed, first used */
	assert_int_equal(memcg_destroy(cg), 0);
	settle();
}

static void test_dead_are_counted(void **state)
{
	struct memcg *cg = group(NULL, "dead"), *held = memcg_get(cg);
	u64 before = group_dying(root_group);
	u32 index = cg->handle->index;

	(void)state;
	assert_int_equal(memcg_destroy(cg), 0);
	assert_int_equal(group_dying(root_group), before + 1); /* its struct is referenced */
	assert_true(charge_bytes(index, 10, 0));
	memcg_put(held);
	assert_int_equal(group_dying(root_group), before + 1);
	uncharge_bytes(index, 10);
	assert_int_equal(group_dying(root_group), before);
	settle();
}

/* ---- redirection ---- */

static void make_chain(struct memcg *cg[DEPTH], const char *prefix)
{
	char name[16];
	unsigned i;

	for (i = 0; i < DEPTH; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		cg[i] = group(i ? cg[i - 1] : NULL, name);
		assert_true(charge_bytes(cg[i]->handle->index, 1000 + i, 0));
	}
}

static unsigned chain_length(const struct handle *h)
{
	unsigned n = 0;

	for (; h->word & HANDLE_REDIRECT; n++)
		h = (const struct handle *)(h->word & ~HANDLE_REDIRECT);
	return n;
}

/* Deepest first, so each handle leads to one that is redirected later: a chain of all of them. */
static void test_chain_of_redirects(void **state)
{
	struct memcg *cg[DEPTH];
	u32 index[DEPTH];
	u64 root = root_group->counter.usage, sum = 0, dead = group_dying(root_group);
	unsigned i;

	(void)state;
	settle();
	root = root_group->counter.usage;
	make_chain(cg, "chain");
	for (i = 0; i < DEPTH; i++) {
		index[i] = cg[i]->handle->index;
		sum += 1000 + i;
	}
	for (i = DEPTH; i--;) {
		struct memcg *heir = i ? cg[i - 1] : root_group;

		assert_int_equal(memcg_destroy(cg[i]), 0);
		assert_ptr_equal(payer(handle_of(index[DEPTH - 1])), heir);
	}
	settle();
	assert_int_equal(group_dying(root_group), dead + DEPTH);
	assert_int_equal(chain_length(handle_of(index[DEPTH - 1])), DEPTH);
	assert_int_equal(root_group->counter.usage, root + sum);
	/* Top first: the middle of a chain may not go while what is below leads through it. */
	for (i = 0; i < DEPTH; i++) {
		uncharge_bytes(index[i], 1000 + i);
		settle();
		if (i < DEPTH - 1) {
			assert_int_equal(refs(handle_of(index[i])), HANDLE_PIN);
			assert_ptr_equal(payer(handle_of(index[DEPTH - 1])), root_group);
		}
	}
	assert_int_equal(root_group->counter.usage, root);
	assert_int_equal(group_dying(root_group), dead);
}

/* Who gives bytes back through a chain leaves it short, and the middle goes. */
static void test_chains_are_shortened(void **state)
{
	u64 pins = refs(root_group->handle), dead = group_dying(root_group);
	struct memcg *cg[DEPTH];
	struct handle *h;
	unsigned i;

	(void)state;
	for (i = 0; i < DEPTH; i++)
		cg[i] = group(i ? cg[i - 1] : NULL, "short");
	h = cg[DEPTH - 1]->handle;
	assert_true(charge_bytes(h->index, 1000, 0));
	for (i = DEPTH; i--;)
		assert_int_equal(memcg_destroy(cg[i]), 0);
	settle();
	assert_int_equal(group_dying(root_group),
			 dead + DEPTH); /* each but the last by a pin alone */
	assert_int_equal(chain_length(h), DEPTH);
	uncharge_bytes(h->index, 1);
	assert_int_equal(chain_length(h), 1);
	assert_ptr_equal(payer(h), root_group);
	settle();
	assert_int_equal(group_dying(root_group), dead + 1);
	assert_int_equal(refs(h), 999);
	uncharge(h->index, 999);
	settle();
	assert_int_equal(group_dying(root_group), dead);
	assert_int_equal(refs(root_group->handle), pins);
}

#ifdef MEMCG_DEBUG
static struct handle *contested;

/* Another thread is faster: it shortens the same way, while the first has only taken its pin. */
static void shorten_first(void)
{
	hook_handle_shortens = NULL;
	uncharge_bytes(contested->index, 1);
}

static void test_two_shorten_at_once(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct handle *h = low->handle, *middle = mid->handle;

	(void)state;
	assert_true(charge_bytes(h->index, 10, 0));
	assert_int_equal(memcg_destroy(low), 0);
	assert_int_equal(memcg_destroy(mid), 0);
	settle();
	contested = h;
	hook_handle_shortens = shorten_first;
	uncharge_bytes(h->index, 1);
	settle();
	assert_int_equal(refs(h), 8);
	assert_int_equal(refs(middle), 0);
	assert_int_equal(refs(top->handle), 2 * HANDLE_PIN);
	uncharge_bytes(h->index, 8);
	settle();
	assert_int_equal(refs(top->handle), HANDLE_PIN);
	assert_int_equal(memcg_destroy(top), 0);
	settle();
}

#endif

/* The way on ended while nobody held it: it is looked for again, and not raised from the dead. */
static void test_heir_that_ended(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct handle *h = low->handle, *to;

	(void)state;
	assert_true(charge_bytes(h->index, 10, 0));
	assert_int_equal(memcg_destroy(low), 0);
	to = handle_heir_get(h, HANDLE_PIN);
	assert_ptr_equal(to, mid->handle);
	assert_int_equal(memcg_destroy(mid), 0);
	settle();
	assert_ptr_equal(handle_heir_get(h, HANDLE_PIN), top->handle);
	assert_int_equal(refs(to), HANDLE_PIN); /* ours: h has been shortened past it */
	handle_sub(to, HANDLE_PIN);
	assert_int_equal(refs(to), 0);
	settle();
	assert_int_equal(refs(top->handle), 3 * HANDLE_PIN);
	handle_sub(top->handle, HANDLE_PIN);
	uncharge_bytes(h->index, 10);
	assert_int_equal(memcg_destroy(top), 0);
	settle();
}

/* Each group tells of those that it and what is below it pay for. */
static u64 dying_by_file(struct memcg *cg)
{
	char text[128];
	const char *at;

	assert_true(memcg_read(cg, "cgroup.stat", text, sizeof(text)) > 0);
	at = strstr(text, "nr_dying_descendants ");
	assert_non_null(at);
	return strtoull(at + strlen("nr_dying_descendants "), NULL, 10);
}

static void test_dying_by_subtree(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(NULL, "b"), *a1 = group(a, "a1");
	struct memcg *low[3] = {group(a1, "l0"), group(a1, "l1"), group(b, "l2")};
	struct handle *h[3];
	u64 before = dying_by_file(memcg_root());

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		h[i] = low[i]->handle;
		assert_true(charge_bytes(h[i]->index, 5, 0));
		assert_int_equal(memcg_destroy(low[i]), 0);
	}
	assert_int_equal(dying_by_file(a1), 2);
	assert_int_equal(dying_by_file(a), 2);
	assert_int_equal(dying_by_file(b), 1);
	assert_int_equal(dying_by_file(NULL), before + 3);
	assert_true(charge_bytes(a1->handle->index, 5, 0));
	assert_int_equal(memcg_destroy(memcg_get(a1)), 0);
	assert_int_equal(dying_by_file(a), 3);
	uncharge_bytes(h[0]->index, 5);
	assert_int_equal(dying_by_file(a), 2);
	uncharge_bytes(a1->handle->index, 5); /* its struct is referenced, and it names a's */
	assert_int_equal(dying_by_file(a), 2);
	memcg_put(a1);
	assert_int_equal(dying_by_file(a), 2);
	uncharge_bytes(h[1]->index, 5);
	uncharge_bytes(h[2]->index, 5);
	settle();
	assert_int_equal(dying_by_file(a) + dying_by_file(b), 0);
	assert_int_equal(dying_by_file(NULL), before);
	assert_int_equal(memcg_destroy(a), 0);
	assert_int_equal(memcg_destroy(b), 0);
	settle();
}

/* What a dead handle is charged counts for the heir and all above, and for nobody else. */
static void test_charge_through_a_dead_handle(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	u32 index = low->handle->index;

	(void)state;
	assert_true(charge_bytes(index, 4096, 0));
	assert_int_equal(memcg_destroy(memcg_get(low)), 0);
	assert_int_equal(memcg_destroy(memcg_get(mid)), 0);
	assert_int_equal(mid->counter.usage, 4096);
	assert_true(charge_bytes(index, 8192, 0));
	assert_int_equal(top->counter.usage, 3 * 4096);
	assert_int_equal(mid->counter.usage, 4096); /* means nothing any more, and does not move */
	uncharge_bytes(index, 3 * 4096);
	assert_int_equal(top->counter.usage, 0);
	memcg_put(low);
	memcg_put(mid);
	assert_int_equal(memcg_destroy(top), 0);
	settle();
}

/* ---- reuse waits for readers ---- */

static void *churn(void *arg)
{
	const struct handle *old = arg;
	unsigned i;

	for (i = 0; i < 3000; i++) {
		struct memcg *cg = memcg_create(NULL, "churn");

		if (!cg || cg->handle == old || memcg_destroy(cg) < 0)
			return "the handle was given out again under a reader";
	}
	return NULL;
}

static void in_another_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	void *wrong;

	assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	if (wrong)
		fail_msg("%s", (const char *)wrong);
}

/* The reader has found the handle, and then its last byte and its group go. */
static void test_no_reuse_under_a_reader(void **state)
{
	struct memcg *top = group(NULL, "stays"), *cg = group(top, "goes");
	struct handle *h = cg->handle;

	(void)state;
	settle();
	rcu_read_lock(self_rcu());
	assert_ptr_equal(payer(h), cg);
	assert_int_equal(memcg_destroy(cg), 0);
	in_another_thread(churn, h);
	assert_int_equal(refs(h), 0);
	assert_ptr_equal(payer(h), top); /* still leads on */
	assert_int_equal(refs(top->handle), 2 * HANDLE_PIN);
	rcu_read_unlock(self_rcu());
	settle();
	assert_int_equal(refs(top->handle), HANDLE_PIN);
	assert_int_equal(memcg_destroy(top), 0);
	settle();
}

/* A count that has been 0 is never raised: look at the handle again. */
static void test_tryget(void **state)
{
	struct memcg *cg = group(NULL, "dying");
	struct handle *h = cg->handle;

	(void)state;
	rcu_read_lock(self_rcu());
	assert_ptr_equal(group_tryget(cg), cg);
	memcg_put(cg);
	assert_true(charge_bytes(h->index, 5, 0));
	assert_int_equal(memcg_destroy(cg), 0);
	assert_int_equal(atomic_load(&cg->refs), 0);
	assert_null(group_tryget(cg));
	assert_int_equal(atomic_load(&cg->refs), 0);
	assert_ptr_equal(group_tryget(payer(h)), root_group);
	rcu_read_unlock(self_rcu());
	uncharge_bytes(h->index, 5);
	settle();
}

/* Statistics that CPUs hold back under an index are not those of its next group. */
static void test_index_is_clean_when_reused(void **state)
{
	struct memcg *cg = group(NULL, "was"), *next;
	u32 index = cg->handle->index;
	struct memcg_stat stat;
	u64 root;

	(void)state;
	settle();
	stat_fold_all();
	root = (u64)group_record(root_group)->stat[STAT_EXTERNAL];
	assert_true(charge_bytes(index, 10, 0));
	assert_int_equal(memcg_destroy(cg), 0);
	stat_add(index, STAT_EXTERNAL, 4096); /* late, as the free of what is left is */
	uncharge_bytes(index, 10);
	settle();
	next = group(NULL, "is");
	assert_int_equal(next->handle->index, index);
	assert_int_equal(memcg_stat(next, &stat, sizeof(stat)), 0);
	assert_int_equal(stat.external, 0);
	assert_int_equal(group_record(root_group)->stat[STAT_EXTERNAL], root + 4096);
	stat_add(root_group->handle->index, STAT_EXTERNAL, -4096);
	stat_fold_all();
	assert_int_equal(memcg_destroy(next), 0);
	settle();
}

/* A group that was refused after its handle was made leaves neither behind. */
static void test_refused_groups_leave_nothing(void **state)
{
	struct memcg *cg = group(NULL, "there");
	u64 pins, dead;
	u32 handles;
	unsigned i;

	(void)state;
	settle();
	pins = refs(root_group->handle);
	dead = group_dying(root_group);
	handles = handle_count();
	for (i = 0; i < 20000; i++)
		assert_null(memcg_create(NULL, "there"));
	settle();
	assert_int_equal(refs(root_group->handle), pins);
	assert_int_equal(group_dying(root_group), dead);
	assert_true(handle_count() < handles + 2000);
	assert_int_equal(memcg_destroy(cg), 0);
	settle();
}

#define MANY 10000 /* more than earlier tests have used and the table's open part holds */

static void test_no_memory_for_handles(void **state)
{
	static struct memcg *cg[MANY];
	u64 root_refs = refs(root_group->handle);
	unsigned n = 0;

	(void)state;
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	for (; n < MANY; n++) {
		char name[16];

		snprintf(name, sizeof(name), "m%u", n);
		cg[n] = memcg_create(NULL, name);
		if (!cg[n])
			break;
	}
	assert_true(n > 0 && n < MANY);
	assert_null(handle_new(root_group,
			       NULL)); /* the table's next part, not the struct, was refused */
	assert_true(sys_fault_count(SYS_FAULT_OPEN_RANGE) > 0);
	sys_fault_disarm_all();
	cg[n] = memcg_create(NULL, "again");
	assert_non_null(cg[n]);
	for (n++; n--;)
		assert_int_equal(memcg_destroy(cg[n]), 0);
	settle();
	assert_int_equal(refs(root_group->handle), root_refs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserved_indices),
		cmocka_unit_test(test_refs_are_pins_and_bytes),
		cmocka_unit_test(test_bytes_keep_the_handle),
		cmocka_unit_test(test_dead_are_counted),
		cmocka_unit_test(test_chain_of_redirects),
		cmocka_unit_test(test_chains_are_shortened),
#ifdef MEMCG_DEBUG
		cmocka_unit_test(test_two_shorten_at_once),
#endif
		cmocka_unit_test(test_heir_that_ended),
		cmocka_unit_test(test_dying_by_subtree),
		cmocka_unit_test(test_charge_through_a_dead_handle),
		cmocka_unit_test(test_no_reuse_under_a_reader),
		cmocka_unit_test(test_tryget),
		cmocka_unit_test(test_index_is_clean_when_reused),
		cmocka_unit_test(test_refused_groups_leave_nothing),
		cmocka_unit_test(test_no_memory_for_handles),
	};

	memcg_leave(memcg_enter(NULL)); /* up, and this thread has its record */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
