/*
 * t_net_path.c - one page through pool, socket, pipe and map: at each step one charge, one payer,
 * and the bytes that were received.
 */
#include "net_fixture.h"

#include <memcg/pipe.h>

static struct memcg_frag f;

/* One page, paid for once by `payer`; the books close. */
static void one_charge(struct memcg *payer)
{
	CHECK(sock(cg) == (payer == cg ? 4096 : 0) && sock(other) == (payer == other ? 4096 : 0));
	CHECK(held(cg) == sock(cg) && held(other) == sock(other));
	CHECK(pool_stat().out == 1 && memcg_owner_id(bytes_of(&f)) == memcg_id(payer));
	CHECK(holds_payload(&f, 1, 0) == 1000);
	closes();
}

static void through_sockets(void)
{
	char back[1000];

	put_payload(ends[1], 0, 1000);
	CHECK(memcg_pool_recv(pool, ends[0], cg, &f, 1, 0) == 1000);
	one_charge(cg);
	CHECK(memcg_frags_send(ends[0], &f, 1, 0) == 1000);
	one_charge(cg);
	CHECK(read(ends[1], back, 1000) == 1000 && !memcmp(back, bytes_of(&f), 1000));
}

static void through_pipes(void)
{
	struct memcg_pipe *a = memcg_pipe_create(2, 0), *b = memcg_pipe_create(2, 0);
	struct memcg_page *page;
	struct memcg *was;
	char back[1000];
	size_t at;

	CHECK(a && b && memcg_pipe_write_page(a, f.page, f.offset, f.length) == 1000);
	one_charge(cg);
	CHECK(memcg_pipe_tee(a, b, 1000) == 1000);
	one_charge(cg);
	CHECK(memcg_pipe_read(a, back, 1000) == 1000 && !memcmp(back, bytes_of(&f), 1000));
	was = memcg_enter(other);
	CHECK(memcg_pipe_steal(b, &page, &at) == -EBUSY); /* it is f's too */
	one_charge(cg);
	memcg_page_put(f.page);
	CHECK(memcg_pipe_steal(b, &page, &at) == 1000 && page == f.page && at == f.offset);
	memcg_leave(was);
	one_charge(other);
	memcg_pipe_destroy(a);
	memcg_pipe_destroy(b);
}

/* The view is an mm's of the root: its tables are nobody's here. */
static void through_a_map(void)
{
	struct memcg_mm *mm = memcg_mm_create(memcg_root());
	unsigned char *at;

	CHECK(mm && (at = memcg_frags_map(mm, &f, 1)));
	one_charge(other);
	CHECK(!memcmp(at, bytes_of(&f), 1000));
	at[5] ^= 1;
	CHECK(bytes_of(&f)[5] == at[5]);
	at[5] ^= 1;
	memcg_page_get(f.page);
	memcg_frags_put(&(struct memcg_frag){f.page, 0, 1}, 1);
	CHECK(!memcg_munmap(mm, (void *)((uintptr_t)at & ~4095ul), 4096));
	one_charge(other);
	memcg_mm_destroy(mm);
}

static void one_page(void)
{
	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	through_sockets();
	through_pipes();
	through_a_map();
	CHECK(!memcg_frag_recharge(&f, cg));
	one_charge(cg);
	memcg_frags_put(&f, 1);
	close_ends();
	all_is_back();
}

int main(void)
{
	const struct CMUnitTest tests[] = {PAGE_TEST(one_page)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
