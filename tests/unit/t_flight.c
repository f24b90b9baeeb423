/*
 * t_flight.c - sends by MSG_ZEROCOPY: who has the pages until the system says that it is through,
 * what the peer reads whenever it does, and what is copied instead.
 */
#include "net_fixture.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "net/flight.h"
#include "sys/fault.h"

#define MANY 64u /* pages: many times what the peer's window takes */

static void payload_pages(struct memcg_frag *f, unsigned n)
{
	CHECK(memcg_pool_alloc(pool, cg, f, n) == n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < 4096; k++)
			bytes_of(&f[i])[k] = payload(i * 4096 + k);
}

static void peer_reads(size_t bytes)
{
	unsigned char got[4096];
	u64 at = 0;

	while (at < bytes) {
		ssize_t n = read(ends[0], got, MIN(sizeof(got), bytes - at));

		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++, at++)
			CHECK(got[i] == payload(at));
	}
}

/* Until the system has told of so many pages. A time-out says only that it hangs. */
static void wait_told(int fd, long pages)
{
	struct pollfd p = {.fd = fd};

	while (pages > 0) {
		long n;

		CHECK(poll(&p, 1, 60000) == 1);
		n = memcg_frags_complete(fd);
		CHECK(n >= 0 && n <= pages);
		pages -= n;
	}
	CHECK(!pages && !memcg_frags_complete(fd));
}

/* Its window takes some pages of MANY. */
static void open_small_tcp(int large)
{
	int small = 8192;

	open_tcp();
	CHECK(!setsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)));
}

static ssize_t send_uncopied(struct memcg_frag *f, size_t n)
{
	return memcg_frags_send(ends[1], f, n, MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Everything the pool has is taken and written to, but what is out. */
static void use_again(unsigned free_pages)
{
	struct memcg_frag g[2 * MANY];
	unsigned have = 0;

	while (have < free_pages) {
		ssize_t got = memcg_pool_alloc(pool, other, g + have, free_pages - have);

		CHECK(got > 0);
		have += (unsigned)got;
	}
	for (unsigned i = 0; i < have; i++)
		memset(bytes_of(&g[i]), 0xee, 4096);
	memcg_frags_put(g, have);
}

/* Charged and out until it is told of, whatever the program does. */
static void followed(void)
{
	struct memcg_frag f[4];

	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 4);
	CHECK(send_uncopied(f, 4) == 4 * 4096);
	CHECK(memcg_frag_recharge(&f[0], other) == -EBUSY);
	memcg_frags_put(f, 4);
	CHECK(held(cg) == 4 * 4096 && sock(cg) == 4 * 4096 && pool_stat().out == 4);
	closes();
	peer_reads(4 * 4096);
	wait_told(ends[1], 4);
	CHECK(!held(cg) && !sock(cg));
	close_ends();
	all_is_back();
}

/* What the peer reads late is what was sent: no page of it was used by anybody meanwhile. */
static void late_reader(void)
{
	struct memcg_frag f[MANY];
	ssize_t sent, told;

	open_pool(0, 2 * MANY * 4096);
	open_small_tcp(1 << 20);
	payload_pages(f, MANY);
	sent = send_uncopied(f, MANY);
	CHECK(sent > (ssize_t)MANY / 2 * 4096);
	memcg_frags_put(f, MANY);
	told = memcg_frags_complete(ends[1]);
	CHECK(!told && held(cg) == ALIGN_UP((u64)sent, 4096)); /* one send, and it waits */
	for (unsigned i = 0; i < 3; i++)
		use_again(2 * MANY - (unsigned)(held(cg) / 4096));
	peer_reads((size_t)sent);
	wait_told(ends[1], (sent + 4095) / 4096);
	close_ends();
	all_is_back();
}

/* The socket goes, the sends go on: the peer reads what was sent, and the pages are used again. */
static void closed_in_flight(unsigned pool_flags, bool by_number)
{
	struct memcg_frag f[MANY];
	ssize_t sent, pages;
	int was;

	open_pool(pool_flags, 2 * MANY * 4096);
	open_small_tcp(1 << 20);
	payload_pages(f, MANY);
	sent = send_uncopied(f, MANY);
	pages = (sent + 4095) / 4096;
	CHECK(pages > MANY / 2);
	memcg_frags_put(f, MANY);
	was = ends[1];
	CHECK(!close(was) && held(cg) == (u64)pages * 4096);
	closes();
	CHECK(memcg_frags_complete(by_number ? was : -1) == pages && !held(cg) && !sock(cg));
	CHECK(memcg_frags_complete(was) == -EBADF && !memcg_frags_complete(-1));
	for (unsigned i = 0; i < 3; i++)
		use_again(2 * MANY);
	peer_reads((size_t)sent);
	CHECK(!close(ends[0]));
	all_is_back();
}

static void closed(void)
{
	closed_in_flight(0, false);
}

static void closed_by_number(void)
{
	closed_in_flight(0, true);
}

static void closed_strict(void)
{
	closed_in_flight(MEMCG_POOL_STRICT, false);
}

/* Nobody asks: a purge finds it. And what is in flight of a socket that is open stays so. */
static void purged(void)
{
	struct memcg_frag f[MANY];

	open_pool(0, 0);
	open_small_tcp(1 << 20);
	payload_pages(f, MANY);
	CHECK(send_uncopied(f, MANY) == MANY * 4096);
	memcg_frags_put(f, MANY);
	page_purge_all();
	CHECK(held(cg) == MANY * 4096);
	CHECK(!close(ends[1]));
	page_purge_all();
	CHECK(!held(cg));
	peer_reads(MANY * 4096);
	CHECK(!close(ends[0]));
	all_is_back();
}

/* Another socket with the number: the first one's are given up, its own are followed. */
static void number_used_again(void)
{
	struct memcg_frag f[MANY], g[2];
	int first[2];

	open_pool(0, 0);
	open_small_tcp(1 << 20);
	payload_pages(f, MANY);
	CHECK(send_uncopied(f, MANY) == MANY * 4096);
	memcg_frags_put(f, MANY);
	first[0] = ends[0];
	first[1] = ends[1];
	open_tcp();
	CHECK(dup2(ends[1], first[1]) == first[1] && !close(ends[1]));
	ends[1] = first[1];
	payload_pages(g, 2);
	CHECK(send_uncopied(g, 2) == 2 * 4096 && held(cg) == 2 * 4096);
	memcg_frags_put(g, 2);
	CHECK(held(cg) == 2 * 4096);
	peer_reads(2 * 4096);
	wait_told(ends[1], 2);
	close_ends();
	ends[0] = first[0];
	peer_reads(MANY * 4096);
	CHECK(!close(first[0]));
	all_is_back();
}

static void peer_drops(size_t bytes)
{
	char got[4096];

	while (bytes) {
		ssize_t n = read(ends[0], got, MIN(sizeof(got), bytes));

		CHECK(n > 0);
		bytes -= (size_t)n;
	}
}

/* Only what went has a reference, and what took nothing has no number. */
static void in_part(void)
{
	struct memcg_frag f[256], *rest;
	ssize_t sent, more, part = 0;
	size_t done;
	long calls = 0;

	open_pool(0, 0);
	open_small_tcp(65536);
	payload_pages(f, 256);
	sent = send_uncopied(f, 256);
	CHECK(sent > 0 && sent < 255 * 4096);
	for (; (more = send_uncopied(f + 255, 1)) > 0; calls++)
		part += more;
	CHECK(more == -EAGAIN);
	done = (size_t)sent / 4096;
	rest = f + done;
	rest->offset = (u32)(sent % 4096); /* of a page that both sends have, or a fresh one */
	rest->length = 4096 - rest->offset;
	memcg_frags_put(f, done);
	CHECK(held(cg) == 256 * 4096);
	peer_reads((size_t)sent);
	peer_drops((size_t)part);
	wait_told(ends[1], (sent + 4095) / 4096 + calls);
	CHECK(held(cg) == (256 - done) * 4096);
	CHECK(send_uncopied(rest, 1) == rest->length);
	memcg_frags_put(rest, 256 - done);
	CHECK(held(cg) == 4096);
	peer_drops(rest->length);
	wait_told(ends[1], 1);
	close_ends();
	all_is_back();
}

/* Pieces of one page have one reference of a send, however many there are. */
static void pieces(void)
{
	struct memcg_frag f[600];
	unsigned char got[600];

	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 1);
	for (unsigned i = 0; i < 600; i++)
		f[i] = (struct memcg_frag){f[0].page, 599 - i, 1};
	CHECK(send_uncopied(f, 600) == 600); /* three sends */
	memcg_frags_put(f, 1);
	CHECK(held(cg) == 4096);
	CHECK(recv(ends[0], got, 600, MSG_WAITALL) == 600);
	for (unsigned i = 0; i < 600; i++)
		CHECK(got[i] == payload(599 - i));
	wait_told(ends[1], 3);
	close_ends();
	all_is_back();
}

/* --- copied instead ---- */

/* Sent whole, and nobody has a reference of it. */
static void is_copied(int fd)
{
	struct memcg_frag f[1];

	payload_pages(f, 1);
	CHECK(memcg_frags_send(fd, f, 1, MSG_ZEROCOPY) == 4096);
	memcg_frags_put(f, 1);
	CHECK(!held(cg) && !memcg_frags_complete(-1));
	peer_reads(4096);
}

static void copied(void)
{
	struct memcg_frag f[1];
	int on = 1, copy;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	is_copied(ends[1]);
	CHECK(!memcg_frags_complete(ends[1]));
	close_ends();
	open_tcp(); /* somebody else counts */
	CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)));
	is_copied(ends[1]);
	close_ends();
	open_tcp(); /* known by its first descriptor */
	payload_pages(f, 1);
	CHECK(send_uncopied(f, 1) == 4096);
	memcg_frags_put(f, 1);
	peer_reads(4096);
	wait_told(ends[1], 1);
	CHECK((copy = dup(ends[1])) >= 0);
	is_copied(copy);
	CHECK(!close(copy));
	close_ends();
	CHECK(!pipe(ends));
	is_copied(ends[1]);
	CHECK(memcg_frags_complete(ends[1]) == -ENOTSOCK);
	close_ends();
	all_is_back();
}

/* Pages that are in no pool cannot be given new memory. */
static void other_pages_are_copied(void)
{
	struct memcg_frag f[1];
	struct memcg_page *page;

	open_pool(0, 0);
	open_tcp();
	CHECK((page = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	memset(memcg_page_address(page), payload(0), 1);
	f[0] = (struct memcg_frag){page, 0, 1};
	CHECK(send_uncopied(f, 1) == 1);
	peer_reads(1);
	CHECK(held(cg) == 4096);
	memcg_page_put(page);
	CHECK(!held(cg) && !memcg_frags_complete(ends[1]));
	close_ends();
	all_is_back();
}

/* No room to note a send down: what is told makes some, else the bytes go as a copy. */
static void no_room(void)
{
	struct memcg_frag f[1];
	struct pollfd p = {.events = 0};

	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 1);
	sys_fault_arm(SYS_FAULT_ZEROCOPY, 1, 0, 0, 0);
	CHECK(send_uncopied(f, 1) == 4096 && sys_fault_count(SYS_FAULT_ZEROCOPY) == 1);
	peer_reads(4096);
	p.fd = ends[1];
	CHECK(!poll(&p, 1, 0) && !memcg_frags_complete(ends[1])); /* no number */
	CHECK(send_uncopied(f, 1) == 4096);
	peer_reads(4096);
	CHECK(poll(&p, 1, 60000) == 1);
	sys_fault_arm(SYS_FAULT_ZEROCOPY, 1, 0, 0, 0);
	CHECK(send_uncopied(f, 1) == 4096 && sys_fault_count(SYS_FAULT_ZEROCOPY) == 1);
	CHECK(sys_fault_seen(SYS_FAULT_ZEROCOPY) == 2); /* and once more, uncopied */
	sys_fault_disarm_all();
	memcg_frags_put(f, 1);
	CHECK(held(cg) == 4096); /* in flight: the one before was told and made room */
	peer_reads(4096);
	wait_told(ends[1], 1);
	close_ends();
	all_is_back();
}

/* --- groups, pools, processes ---- */

static void group_dies(void)
{
	struct memcg_frag f[3];
	struct memcg *child = memcg_create(NULL, "c"), *mine;

	open_pool(0, 0);
	open_tcp();
	CHECK(child && (mine = memcg_create(cg, "d")));
	CHECK(memcg_pool_alloc(pool, mine, f, 3) == 3);
	for (unsigned i = 0; i < 3 * 4096; i++)
		bytes_of(&f[i / 4096])[i % 4096] = payload(i);
	CHECK(send_uncopied(f, 3) == 3 * 4096);
	memcg_frags_put(f, 3);
	CHECK(!memcg_destroy(mine));
	CHECK(held(cg) == 3 * 4096 && sock(cg) == 3 * 4096);
	closes();
	peer_reads(3 * 4096);
	wait_told(ends[1], 3);
	CHECK(!held(cg));
	close_ends();
	CHECK(!memcg_destroy(child));
	all_is_back();
}

static void pool_dies(void)
{
	struct memcg_frag f[2];

	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 2);
	CHECK(send_uncopied(f, 2) == 2 * 4096);
	memcg_frags_put(f, 2);
	CHECK(!memcg_pool_destroy(pool) && held(cg) == 2 * 4096);
	closes();
	peer_reads(2 * 4096);
	wait_told(ends[1], 2);
	CHECK(!held(cg));
	closes();
	close_ends();
}

/* What the parent waits for is its own. */
static void child_of_a_fork(void)
{
	struct memcg_frag f[2];
	struct pollfd p = {.events = 0};
	int status;
	pid_t pid;

	/* Memcheck takes many minutes for the child, and why is not known: all other variants run
	 * it. */
	if (effort_divisor() > 1)
		return;
	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 2);
	CHECK(send_uncopied(f, 2) == 2 * 4096);
	memcg_frags_put(f, 2);
	peer_reads(2 * 4096);
	p.fd = ends[1];
	CHECK(poll(&p, 1, 60000) == 1);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(held(cg) == 2 * 4096 && memcg_frags_complete(ends[1]) == 2 && !held(cg));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(held(cg) == 2 * 4096);
	wait_told(ends[1], 2);
	close_ends();
	all_is_back();
}

/* --- from several threads ---- */

static u32 stop;

static long unsent(int fd)
{
	int n = -1;

	CHECK(!ioctl(fd, SIOCOUTQNSD, &n));
	return n;
}

/* More fragments than one call takes, and the rest is empty: nobody waits for more to come. */
static void nothing_behind(void)
{
	struct memcg_frag page, f[FLIGHT_FRAGS + 44];
	int on = 1;

	open_pool(0, 0);
	open_tcp();
	CHECK(!setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	payload_pages(&page, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++)
		f[i] = (struct memcg_frag){page.page, 16 * (i % FLIGHT_FRAGS),
					   i < FLIGHT_FRAGS ? 16 : 0};
	CHECK(send_uncopied(f, ARRAY_SIZE(f)) == 4096 && !unsent(ends[1]));
	peer_reads(4096);
	wait_told(ends[1], 1);
	memcg_frags_put(&page, 1);
	close_ends();
	all_is_back();
}

static void *completes(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		CHECK(memcg_frags_complete(ends[1]) >= 0);
	return NULL;
}

static void *sweeps(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		page_purge_all();
		CHECK(memcg_frags_complete(-1) >= 0);
	}
	return NULL;
}

/* One sends; whoever comes first lets go, once. */
static void told_to_several(void)
{
	pthread_t thread[2];
	struct memcg_frag f[4];

	open_pool(0, 0);
	open_tcp();
	CHECK(!pthread_create(&thread[0], NULL, completes, NULL));
	CHECK(!pthread_create(&thread[1], NULL, sweeps, NULL));
	for (unsigned i = 0; i < effort(200); i++) {
		payload_pages(f, 4);
		CHECK(send_uncopied(f, 4) == 4 * 4096);
		memcg_frags_put(f, 4);
		peer_reads(4 * 4096);
	}
	while (held(cg))
		;
	atomic_store(&stop, 1u);
	for (unsigned i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], NULL));
	close_ends();
	all_is_back();
}

/* Numbers come round. */
static void numbers(void)
{
	struct flight_range plain = {3, 5}, round = {0xfffffffeu, 1}, one = {7, 7};

	CHECK(!flight_within(2, &plain) && flight_within(3, &plain) && flight_within(5, &plain) &&
	      !flight_within(6, &plain) && !flight_within(0xffffffffu, &plain));
	CHECK(!flight_within(0xfffffffdu, &round) && flight_within(0xfffffffeu, &round) &&
	      flight_within(0xffffffffu, &round) && flight_within(0, &round) &&
	      flight_within(1, &round) && !flight_within(2, &round));
	CHECK(flight_within(7, &one) && !flight_within(6, &one) && !flight_within(8, &one));
}

/* --- between two steps ---- */

#ifdef MEMCG_DEBUG
static int told_meanwhile;

static void is_told(void)
{
	struct pollfd p = {.fd = ends[1]};

	hook_flight_sent = NULL;
	peer_reads(2 * 4096);
	CHECK(poll(&p, 1, 60000) == 1);
	told_meanwhile = (int)memcg_frags_complete(ends[1]);
}

/* Through before the sender is back: it lets go itself. */
static void told_before_it_is_back(void)
{
	struct memcg_frag f[2];

	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 2);
	hook_flight_sent = is_told;
	CHECK(send_uncopied(f, 2) == 2 * 4096 && !hook_flight_sent && !told_meanwhile);
	memcg_frags_put(f, 2);
	CHECK(!held(cg) && !memcg_frags_complete(ends[1]));
	close_ends();
	all_is_back();
}

static struct memcg_frag second[1];

static void another_sends(void)
{
	hook_flight_sent = NULL;
	CHECK(send_uncopied(second, 1) == 4096);
	memcg_frags_put(second, 1);
	CHECK(held(cg) == 4096); /* the first one's alone */
}

/* Two threads at once: whose number is whose nobody knows, so the second takes none. */
static void another_sends_meanwhile(void)
{
	struct memcg_frag f[1];

	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 1);
	payload_pages(second, 1);
	hook_flight_sent = another_sends;
	CHECK(send_uncopied(f, 1) == 4096 && !hook_flight_sent);
	memcg_frags_put(f, 1);
	peer_drops(2 * 4096);
	wait_told(ends[1], 1);
	close_ends();
	all_is_back();
}

static int spare;

static void another_socket(void)
{
	hook_flight_told = hook_flight_sent = NULL;
	CHECK(dup2(spare, ends[1]) == ends[1]);
}

/* What was read is another socket's, or was it? Then it is as if closed. */
static void exchanged_while_it_is_read(void)
{
	struct memcg_frag f[MANY];
	int keep;

	open_pool(0, 2 * MANY * 4096);
	open_small_tcp(1 << 20);
	CHECK((spare = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && (keep = dup(ends[1])) >= 0);
	payload_pages(f, MANY);
	CHECK(send_uncopied(f, MANY) == MANY * 4096);
	memcg_frags_put(f, MANY);
	hook_flight_told = another_socket;
	CHECK(memcg_frags_complete(ends[1]) == MANY && !hook_flight_told && !held(cg));
	use_again(2 * MANY);
	peer_reads(MANY * 4096);
	CHECK(!close(keep) && !close(spare));
	close_ends();
	all_is_back();
}

static void exchanged_while_it_is_sent(void)
{
	struct memcg_frag f[MANY];
	int keep;

	open_pool(0, 2 * MANY * 4096);
	open_small_tcp(1 << 20);
	CHECK((spare = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && (keep = dup(ends[1])) >= 0);
	payload_pages(f, MANY);
	hook_flight_sent = another_socket;
	CHECK(send_uncopied(f, MANY) == MANY * 4096 && !hook_flight_sent);
	memcg_frags_put(f, MANY);
	CHECK(!held(cg) && !memcg_frags_complete(-1));
	use_again(2 * MANY);
	peer_reads(MANY * 4096);
	CHECK(!close(keep) && !close(spare));
	close_ends();
	all_is_back();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(followed),
		PAGE_TEST(late_reader),
		PAGE_TEST(closed),
		PAGE_TEST(closed_by_number),
		PAGE_TEST(closed_strict),
		PAGE_TEST(purged),
		PAGE_TEST(number_used_again),
		PAGE_TEST(in_part),
		PAGE_TEST(pieces),
		PAGE_TEST(copied),
		PAGE_TEST(other_pages_are_copied),
		PAGE_TEST(no_room),
		PAGE_TEST(group_dies),
		PAGE_TEST(pool_dies),
		PAGE_TEST(child_of_a_fork),
		PAGE_TEST(nothing_behind),
		PAGE_TEST(told_to_several),
		PAGE_TEST(numbers),
#ifdef MEMCG_DEBUG
		PAGE_TEST(told_before_it_is_back),
		PAGE_TEST(another_sends_meanwhile),
		PAGE_TEST(exchanged_while_it_is_read),
		PAGE_TEST(exchanged_while_it_is_sent),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
