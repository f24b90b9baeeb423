/* t_send.c - fragments through sockets and pipes: pieces, parts, messages, and what is refused. */
#include "net_fixture.h"

#include <sched.h>
#include <sys/wait.h>

#include "sys/fault.h"

#define SENT_PAGES 200u

/* A copy of the fragments' bytes. */
static size_t text_of(const struct memcg_frag *f, size_t n, char *out)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		if (f[i].page) {
			memcpy(out + bytes, bytes_of(&f[i]), f[i].length);
			bytes += f[i].length;
		}
	return bytes;
}

static size_t read_all(char *out, size_t n)
{
	size_t done = 0;
	ssize_t r;

	while (done < n && (r = read(ends[0], out + done, n - done)) > 0)
		done += (size_t)r;
	return done;
}

/* In order, whatever lies side by side; entries without a page or a byte are nothing. */
static void pieces_in_order(void)
{
	struct memcg_frag f[8];
	char want[8 * 4096], got[8 * 4096];
	size_t n;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(memcg_pool_alloc(pool, cg, f, 6) == 6);
	for (unsigned i = 0; i < 6; i++)
		memset(bytes_of(&f[i]), 'a' + (int)i, 4096);
	f[7] = f[0];
	f[0] = f[5];
	f[5] = f[7];
	f[2].offset = 100;
	f[2].length = 50;
	f[3].length = 0;
	f[6] = f[7] = (struct memcg_frag){0};
	n = text_of(f, 8, want);
	CHECK(n == 4 * 4096 + 50 && memcg_frags_send(ends[1], f, 8, 0) == (ssize_t)n);
	CHECK(read_all(got, n) == n && !memcmp(want, got, n));
	CHECK(!memcg_frags_send(ends[1], f, 0, 0) && held(cg) == 6 * 4096);
	memcg_frags_put(f, 8);
	close_ends();
	all_is_back();
}

static void refused(void)
{
	struct memcg_frag f[1];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(memcg_pool_alloc(pool, cg, f, 1) == 1);
	CHECK(memcg_frags_send(ends[1], NULL, 1, 0) == -EINVAL);
	f[0].offset = 1;
	CHECK(memcg_frags_send(ends[1], f, 1, 0) == -EINVAL);
	f[0].offset = 4097;
	f[0].length = 0;
	CHECK(memcg_frags_send(ends[1], f, 1, 0) == -EINVAL);
	f[0].offset = 0;
	f[0].length = 9;
	sys_fault_arm(SYS_FAULT_SEND, 1, 0, 0, 0);
	CHECK(memcg_frags_send(ends[1], f, 1, 0) == -ECONNRESET);
	sys_fault_disarm_all();
	CHECK(!close(ends[0]));
	CHECK(memcg_frags_send(ends[1], f, 1, MSG_NOSIGNAL) == -EPIPE && !close(ends[1]));
	CHECK(memcg_frags_send(ends[1], f, 1, MSG_NOSIGNAL) == -EBADF);
	memcg_frags_put(f, 1);
	all_is_back();
}

/* What the socket does not take is told, and goes with the next call. */
static void part_by_part(void)
{
	struct memcg_frag f[SENT_PAGES], *at = f;
	static char want[SENT_PAGES * 4096], got[sizeof(want)];
	size_t n = SENT_PAGES, done = 0, back = 0;
	ssize_t r;

	open_pool(0, 0);
	open_tcp();
	CHECK(!fcntl(ends[0], F_SETFL, O_NONBLOCK));
	CHECK(memcg_pool_alloc(pool, cg, f, SENT_PAGES) == SENT_PAGES);
	for (unsigned i = 0; i < SENT_PAGES; i++)
		for (unsigned k = 0; k < 4096; k++)
			bytes_of(&f[i])[k] = payload(i * 4096 + k);
	text_of(f, n, want);
	while (back < sizeof(want)) {
		r = memcg_frags_send(ends[1], at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		CHECK(r > 0 || r == -EAGAIN || !n);
		for (size_t left = r > 0 ? (size_t)r : 0; left;) {
			u32 part = (u32)MIN(left, (size_t)at->length);

			at->offset += part;
			at->length -= part;
			left -= part;
			done += part;
			if (!at->length)
				at++, n--;
		}
		r = read(ends[0], got + back, sizeof(got) - back);
		CHECK(r > 0 || errno == EAGAIN);
		back += r > 0 ? (size_t)r : 0;
	}
	CHECK(done == sizeof(want) && !memcmp(want, got, sizeof(want)));
	memcg_frags_put(f, SENT_PAGES);
	close_ends();
	all_is_back();
}

/* More pieces than one call takes: a stream gets them all, a message is refused whole. */
static void many_pieces(void)
{
	struct memcg_frag f[600];
	char want[600], got[600];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(memcg_pool_alloc(pool, cg, f, 1) == 1);
	for (unsigned i = 0; i < 600; i++) {
		f[i] = (struct memcg_frag){f[0].page, 599 - i, 1}; /* no two side by side */
		want[i] = (char)payload(599 - i);
	}
	for (unsigned i = 0; i < 600; i++)
		((unsigned char *)memcg_page_address(f[0].page))[i] = payload(i);
	CHECK(memcg_frags_send(ends[1], f, 600, 0) == 600);
	CHECK(read_all(got, 600) == 600 && !memcmp(want, got, 600));
	close_ends();
	open_ends(SOCK_DGRAM);
	CHECK(memcg_frags_send(ends[1], f, 600, 0) == -EMSGSIZE);
	CHECK(recv(ends[0], got, 600, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(memcg_frags_send(ends[1], f, 256, 0) == 256 && read(ends[0], got, 600) == 256);
	CHECK(!memcmp(want, got, 256));
	close_ends();
	CHECK(!pipe(ends));
	CHECK(memcg_frags_send(ends[1], f, 600, 0) == 600);
	CHECK(read_all(got, 600) == 600 && !memcmp(want, got, 600));
	CHECK(memcg_frags_send(ends[1], f, 600, MSG_DONTWAIT) == -ENOTSOCK);
	memcg_frags_put(f, 1);
	close_ends();
	all_is_back();
}

/* ---- the pages themselves ---- */

static void payload_pages(struct memcg_frag *f, unsigned n)
{
	CHECK(memcg_pool_alloc(pool, cg, f, n) == n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < 4096; k++)
			bytes_of(&f[i])[k] = payload(i * 4096 + k);
}

/* All that the pool has, some of it only when the rest is taken. */
static void take_all(struct memcg_frag *g, unsigned n)
{
	for (unsigned have = 0; have < n;) {
		ssize_t got = memcg_pool_alloc(pool, other, g + have, n - have);

		CHECK(got > 0);
		have += (unsigned)got;
	}
}

/* The mapping that the address is in is never by huge pages, as the system lists it ("nh"). */
static bool never_huge(const void *address)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long at = (unsigned long)address, from, to;
	bool in = false, never = false;
	char line[512];

	CHECK(f);
	while (!never && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = from <= at && at < to;
		else if (in && !strncmp(line, "VmFlags:", 8))
			never = strstr(line, " nh");
	}
	fclose(f);
	return never;
}

/* A part of a huge page that a socket has would be cleared where it lies, in place of punched. */
static void by_small_pages(void)
{
	struct memcg_frag f[1];

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		skip();
	open_pool(0, 0);
	CHECK(memcg_pool_alloc(pool, cg, f, 1) == 1);
	CHECK(never_huge(memcg_page_address(f[0].page)));
	memcg_frags_put(f, 1);
	all_is_back();
}

/* Its parent's pages have no memory there: zeroes would go out. Its own go. */
static void child_sends(const struct memcg_frag *parents)
{
	static const int flags[] = {0, MSG_ZEROCOPY, MEMCG_SEND_UNCOPIED};
	struct memcg_pool *own = memcg_pool_create(NULL);
	struct memcg_frag f[1];

	CHECK(own);
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
		CHECK(memcg_frags_send(ends[1], parents, 1, flags[i]) == -EINVAL);
	CHECK(memcg_pool_alloc(own, cg, f, 1) == 1);
	memset(bytes_of(f), 'c', 4096);
	CHECK(memcg_frags_send(ends[1], f, 1, 0) == 4096);
}

static void child_of_a_fork(void)
{
	struct memcg_frag f[1];
	char got[4097];
	int status;
	pid_t child;

	open_pool(0, 0);
	open_tcp();
	CHECK(memcg_pool_alloc(pool, cg, f, 1) == 1);
	memset(bytes_of(f), 'p', 4096);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		child_sends(f);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && !status && !shutdown(ends[1], SHUT_WR));
	CHECK(read_all(got, sizeof(got)) == 4096 && got[0] == 'c' && got[4095] == 'c');
	memcg_frags_put(f, 1);
	close_ends();
	all_is_back();
}

/* Put, taken again and written to before the peer reads: it reads what was sent. */
static void sent_and_used_again(void)
{
	struct memcg_frag f[16], g[32];
	unsigned char got[16 * 4096];

	open_pool(0, 32 * 4096);
	open_tcp();
	payload_pages(f, 16);
	CHECK(memcg_frags_send(ends[1], f, 16, MEMCG_SEND_UNCOPIED) == 16 * 4096);
	memcg_frags_put(f, 16);
	CHECK(!held(cg));
	for (unsigned i = 0; i < 3; i++) { /* the same pages are among them */
		take_all(g, 32);
		for (unsigned k = 0; k < 32; k++)
			memset(bytes_of(&g[k]), 0xee, 4096);
		memcg_frags_put(g, 32);
	}
	CHECK(read_all((char *)got, sizeof(got)) == sizeof(got));
	for (u32 i = 0; i < sizeof(got); i++)
		CHECK(got[i] == payload(i));
	close_ends();
	all_is_back();
}

static void uncopied_pieces(void)
{
	struct memcg_frag f[6];
	char want[6 * 4096], got[6 * 4096];
	size_t n;

	open_pool(0, 0);
	open_tcp();
	payload_pages(f, 6);
	f[0].offset = 96;
	f[0].length = 4000;
	f[2].length = 10;
	memcg_frags_put(f + 3, 1);
	f[3] = (struct memcg_frag){f[2].page, 10, 90}; /* goes on in its page */
	memcg_frags_get(f + 3, 1);
	f[4].length = 0;
	n = text_of(f, 6, want);
	CHECK(memcg_frags_send(ends[1], f, 6, MEMCG_SEND_UNCOPIED) == (ssize_t)n);
	CHECK(read_all(got, n) == n && !memcmp(want, got, n));
	CHECK(memcg_frags_send(ends[1], f, 6, MEMCG_SEND_UNCOPIED | MSG_DONTWAIT) == -EINVAL);
	sys_fault_arm(SYS_FAULT_SEND, 1, 0, 0, 0);
	CHECK(memcg_frags_send(ends[1], f, 6, MEMCG_SEND_UNCOPIED) == -ECONNRESET);
	sys_fault_arm(SYS_FAULT_SEND, 2, 0, 0, 0);
	CHECK(memcg_frags_send(ends[1], f, 6, MEMCG_SEND_UNCOPIED) == 4000 + 4096 + 100);
	sys_fault_disarm_all();
	close_ends();
	open_ends(SOCK_DGRAM);
	CHECK(memcg_frags_send(ends[1], f, 6, MEMCG_SEND_UNCOPIED) == -EINVAL);
	memcg_frags_put(f, 6);
	close_ends();
	all_is_back();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(pieces_in_order),	PAGE_TEST(refused),
		PAGE_TEST(part_by_part),	PAGE_TEST(many_pieces),
		PAGE_TEST(child_of_a_fork),	PAGE_TEST(by_small_pages),
		PAGE_TEST(sent_and_used_again), PAGE_TEST(uncopied_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
