/*
 * receive.c - messages over loopback: received into pages that are handed over by reference, one
 * call at a time or by a receiver (io_uring, or epoll), against received into one hot buffer and
 * copied to where the program keeps them. Only the
 * receiving end's CPU time counts; a message is kept until the next one of its connection has come.
 * In turn in one process, for both see the same sender and the same machine.
 */
#include "cases.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <memcg/net.h>

#include "base/types.h"

#define CONNECTIONS 4u
#define TURNS	    24u
#define MOST	    (1u << 20)
#define FRAGS	    1024u /* 256 pages, and one more for each of its reads */

struct connection {
	int from, to;
	struct memcg_frag frag[FRAGS];
	size_t frags;
	char *copy;
	struct memcg_receiver *receiver; /* that has it, or NULL */
};

/* Of a receiver's connections nobody else reads. */
enum { PLAIN, RING, POLLED, SETS };
static struct connection connection[SETS][CONNECTIONS];
static struct memcg_pool *pool;
static char hot[MOST], text[MOST];

static void connect_to(int listener, struct sockaddr_in *at, struct connection *c)
{
	c->from = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->from, (struct sockaddr *)at, sizeof(*at)))
		bench_die("connect");
	c->to = accept(listener, NULL, NULL);
}

static void up(unsigned n)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 4) ||
	    getsockname(listener, (struct sockaddr *)&at, &size))
		bench_die("listen");
	for (unsigned i = 0; i < SETS * n; i++)
		connect_to(listener, &at, &connection[i / n][i % n]);
	pool = bench_need(memcg_pool_create(NULL));
	memset(text, 'x', sizeof(text));
}

static void receiver_up(struct connection *c, unsigned n, unsigned flags)
{
	struct memcg_receiver_config config = MEMCG_RECEIVER_CONFIG_INIT;
	struct memcg_receiver *r;

	config.flags = flags;
	r = bench_need(memcg_receiver_create(pool, NULL, &config));
	if (!flags && !memcg_receiver_uses_ring(r))
		bench_die("io_uring");
	for (unsigned i = 0; i < n; i++) {
		c[i].receiver = r;
		if (memcg_receiver_add(r, c[i].to, i) < 0)
			bench_die("memcg_receiver_add");
	}
}

/* ---- the ways; a part of a message, at most `left`, after `done` bytes ---- */

static ssize_t hand_over(struct connection *c, size_t done, size_t left)
{
	size_t pages = (left + 4095) / 4096 + 1;
	ssize_t got;

	if (!done) {
		memcg_frags_put(c->frag, c->frags);
		c->frags = 0;
	}
	got = memcg_pool_recv(pool, c->to, NULL, c->frag + c->frags, pages < 256 ? pages : 256,
			      MSG_DONTWAIT | MEMCG_RECV_STREAM);
	while (c->frag[c->frags].page)
		c->frags++;
	return got;
}

static ssize_t receive_next(struct connection *c, size_t done, size_t left)
{
	struct memcg_received got;

	(void)left;
	if (!done) {
		memcg_frags_put(c->frag, c->frags);
		c->frags = 0;
	}
	if (memcg_receiver_next(c->receiver, &got, sizeof(got), c->frag + c->frags,
				FRAGS - c->frags, 0) != 1)
		return -1;
	c->frags += got.frags;
	return (ssize_t)got.bytes;
}

static ssize_t copy(struct connection *c, size_t done, size_t left)
{
	ssize_t got;

	if (!done) {
		free(c->copy);
		c->copy = bench_need(malloc(left));
	}
	got = recv(c->to, hot, left, MSG_DONTWAIT);
	if (got > 0)
		memcpy(c->copy + done, hot, (size_t)got);
	return got;
}

/* ---- messages ---- */

typedef ssize_t (*way)(struct connection *c, size_t done, size_t left);

/* Of this thread: a message takes longer than a busy machine leaves it alone. */
static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ns at the receiving end. */
static uint64_t message(struct connection *c, size_t bytes, way receive)
{
	size_t sent = 0, done = 0;
	uint64_t took = 0;

	while (done < bytes) {
		ssize_t n = send(c->from, text, bytes - sent, MSG_DONTWAIT);
		uint64_t start = cpu_now();

		sent += n > 0 ? (size_t)n : 0;
		n = receive(c, done, bytes - done);
		if (n > 0) {
			took += cpu_now() - start;
			done += (size_t)n;
		}
	}
	return took;
}

static double messages(struct connection *set, unsigned connections, size_t bytes, unsigned each,
		       way receive)
{
	uint64_t took = 0;

	for (unsigned i = 0; i < each; i++)
		for (unsigned c = 0; c < connections; c++)
			took += message(&set[c], bytes, receive);
	return (double)took / connections / each;
}

/* "64/4": so many KiB, over so many connections. */
static void parse(const char *arg, unsigned *kib, unsigned *connections)
{
	if (sscanf(arg, "%u/%u", kib, connections) != 2 || *kib * KIB > MOST ||
	    *connections > CONNECTIONS)
		bench_die("receive/KIB/CONNECTIONS");
	memcg_enter(group_make(group_make(NULL, "net", 0), "tenant", 0));
	up(*connections);
}

void measure_receive(const struct bench_time *t, const char *arg)
{
	double took[2][TURNS];
	unsigned kib, connections, each;

	parse(arg, &kib, &connections);
	each = quick(t) ? 2 : 4096 / (kib + 28);
	for (unsigned i = 0; i < TURNS; i++) {
		took[0][i] = messages(connection[PLAIN], connections, kib * KIB, each, hand_over);
		took[1][i] = messages(connection[PLAIN], connections, kib * KIB, each, copy);
	}
	bench_print("ns", median(took[0], TURNS));
	bench_print("copy", median(took[1], TURNS));
}

/* All four in turn, each on connections of its own but for the two that need no receiver. */
void measure_receiver(const struct bench_time *t, const char *arg)
{
	static const struct {
		const char *key;
		way receive;
		unsigned set;
	} ways[] = {{"ns", receive_next, RING},
		    {"poll", receive_next, POLLED},
		    {"recv", hand_over, PLAIN},
		    {"copy", copy, PLAIN}};
	double took[4][TURNS];
	unsigned kib, connections, each;

	parse(arg, &kib, &connections);
	receiver_up(connection[RING], connections, 0);
	receiver_up(connection[POLLED], connections, MEMCG_RECEIVER_POLL);
	each = quick(t) ? 2 : 4096 / (kib + 28);
	for (unsigned i = 0; i < TURNS; i++)
		for (unsigned w = 0; w < 4; w++)
			took[w][i] = messages(connection[ways[w].set], connections, kib * KIB, each,
					      ways[w].receive);
	for (unsigned w = 0; w < 4; w++)
		bench_print(ways[w].key, median(took[w], TURNS));
}
