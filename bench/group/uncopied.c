/*
 * uncopied.c - what it costs not to copy, over loopback: the ways to send fragments, at the
 * sending end, and the two ways to receive from senders of each, at the receiving end. Both ends
 * are one thread, and only the end that is measured is timed, by the thread's own CPU time.
 */
#include "cases.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <memcg.h>

#include "base/types.h"

#define TURNS 24u
#define MOST  256u /* pages of a message */

static struct memcg_pool *pool;
static struct memcg_zerocopy *window;
static int from, to;
static char text[1 << 20] __attribute__((aligned(4096)));
static uint64_t mapped, received;

static void up(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &size))
		bench_die("listen");
	from = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(from, (struct sockaddr *)&at, size))
		bench_die("connect");
	to = accept(listener, NULL, NULL);
	pool = bench_need(memcg_pool_create(NULL));
}

static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Off the fragments what went. */
static void advance(struct memcg_frag *f, size_t n, size_t bytes)
{
	for (size_t i = 0; i < n && bytes; i++) {
		uint32_t part = bytes < f[i].length ? (uint32_t)bytes : f[i].length;

		f[i].offset += part;
		f[i].length -= part;
		bytes -= part;
	}
}

/* So many pages sent by those flags, each from a page that was taken for it; ns of the sender. */
static uint64_t message(size_t pages, int flags)
{
	struct memcg_frag f[MOST];
	size_t have = 0, done = 0, bytes = pages * PAGE_SIZE, back = 0;
	uint64_t start = cpu_now(), took = 0;

	while (have < pages)
		have += (size_t)memcg_pool_alloc(pool, NULL, f + have, pages - have);
	for (size_t i = 0; i < pages; i++)
		memset(memcg_page_address(f[i].page), (int)i, PAGE_SIZE);
	took += cpu_now() - start;
	while (back < bytes) {
		ssize_t n;

		start = cpu_now();
		n = done < bytes ? memcg_frags_send(from, f, pages, flags) : 0;
		if (n > 0)
			advance(f, pages, (size_t)n);
		took += cpu_now() - start;
		done += n > 0 ? (size_t)n : 0;
		n = recv(to, text, sizeof(text), MSG_DONTWAIT);
		back += n > 0 ? (size_t)n : 0;
	}
	start = cpu_now();
	memcg_frags_put(f, pages);
	if (flags & MSG_ZEROCOPY)
		(void)memcg_frags_complete(from);
	return took + cpu_now() - start;
}

static double messages(size_t pages, unsigned each, int flags)
{
	uint64_t took = 0;

	for (unsigned i = 0; i < each; i++)
		took += message(pages, flags);
	return (double)took / each;
}

static int flags_of(const char *way)
{
	if (!strncmp(way, "zerocopy", 8))
		return MSG_ZEROCOPY | MSG_DONTWAIT;
	if (!strncmp(way, "sendfile", 8))
		return MEMCG_SEND_UNCOPIED;
	return MSG_DONTWAIT;
}

/* "zerocopy/64": a way, and KiB of a message; beside it the copy. */
void measure_send(const struct bench_time *t, const char *arg)
{
	double took[2][TURNS];
	const char *kib = strchr(arg, '/');
	unsigned pages, each;

	if (!kib || sscanf(kib, "/%u", &pages) != 1 || !(pages /= 4) || pages > MOST)
		bench_die("send/WAY/KIB");
	memcg_enter(group_make(group_make(NULL, "net", 0), "tenant", 0));
	up();
	/* A descriptor that blocks would wait for ourselves; UNCOPIED takes no flag to say so. */
	if (!strncmp(arg, "sendfile", 8)) {
		int room = 4 << 20;

		setsockopt(from, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		fcntl(from, F_SETFL, O_NONBLOCK);
	}
	each = quick(t) ? 2 : 1024 / (pages + 7);
	for (unsigned i = 0; i < TURNS; i++) {
		took[0][i] = messages(pages, each, flags_of(arg));
		took[1][i] = messages(pages, each, MSG_DONTWAIT);
	}
	bench_print("ns", median(took[0], TURNS));
	bench_print("copy", median(took[1], TURNS));
}

/* ---- receiving ---- */

static ssize_t borrow(void)
{
	struct memcg_zerocopy_part part;
	static char rest[65536];
	ssize_t n = memcg_zerocopy_recv(window, to, NULL, rest, sizeof(rest), &part, MSG_DONTWAIT);

	mapped += part.mapped_bytes;
	received += n > 0 ? (uint64_t)n : 0;
	if (memcg_zerocopy_zap(window))
		bench_die("zap");
	return n;
}

static ssize_t into_pages(void)
{
	struct memcg_frag f[MOST];
	ssize_t n = memcg_pool_recv(pool, to, NULL, f, MOST, MSG_DONTWAIT);

	if (n > 0)
		memcg_frags_put(f, MOST);
	return n;
}

/* ns of the receiver for 256 KiB. */
static uint64_t receive(struct memcg_frag *f, int flags, ssize_t (*way)(void))
{
	size_t pages = 64, done = 0, back = 0, bytes = pages * PAGE_SIZE;
	uint64_t took = 0;

	for (size_t i = 0; i < pages; i++) {
		f[i].offset = 0;
		f[i].length = (uint32_t)PAGE_SIZE;
	}
	while (back < bytes) {
		ssize_t n = done < bytes ? memcg_frags_send(from, f, pages, flags) : 0;
		uint64_t start;

		if (n > 0) {
			advance(f, pages, (size_t)n);
			done += (size_t)n;
		}
		start = cpu_now();
		n = way();
		if (n > 0) {
			took += cpu_now() - start;
			back += (size_t)n;
		}
	}
	if (flags & MSG_ZEROCOPY)
		(void)memcg_frags_complete(from);
	return took;
}

/* How the sender sends: "plain", "sendfile" or "zerocopy". */
void measure_borrow(const struct bench_time *t, const char *arg)
{
	struct memcg_config c = MEMCG_CONFIG_INIT;
	double took[2][TURNS];
	struct memcg_frag f[64];
	unsigned each = quick(t) ? 2 : 16;
	int flags = flags_of(arg);

	c.zerocopy_recv = 1;
	if (memcg_init(&c))
		bench_die("memcg_init");
	memcg_enter(group_make(group_make(NULL, "net", 0), "tenant", 0));
	up();
	fcntl(from, F_SETFL, O_NONBLOCK);
	window = bench_need(memcg_zerocopy_create(1 << 20));
	for (size_t have = 0; have < 64;)
		have += (size_t)memcg_pool_alloc(pool, NULL, f + have, 64 - have);
	for (unsigned i = 0; i < 64;
	     i++) /* a page that has no memory is sent as the system's zeroes */
		memset(memcg_page_address(f[i].page), 1 + (int)i, PAGE_SIZE);
	for (unsigned i = 0; i < TURNS; i++) {
		uint64_t sum[2] = {0, 0};

		for (unsigned k = 0; k < each; k++) {
			sum[0] += receive(f, flags, borrow);
			sum[1] += receive(f, flags, into_pages);
		}
		took[0][i] = (double)sum[0] / each;
		took[1][i] = (double)sum[1] / each;
	}
	bench_print("ns", median(took[0], TURNS));
	bench_print("pages", median(took[1], TURNS));
	bench_print("mapped", 100.0 * (double)mapped / (double)received);
}
