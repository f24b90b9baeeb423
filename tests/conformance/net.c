/* net.c - memory of what is received. The kernel counts what lies in sockets; here it is pages. */
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "group.h"
#include "row.h"
#include "rows.h"

#define TOTAL	MIB(16)
#define AT_ONCE 64u
#define FRAGS	(TOTAL / 4096 + AT_ONCE)

static struct memcg_frag frag[2 * FRAGS];

static void *send_all(void *arg)
{
	static const char bytes[65536];
	uint64_t left = TOTAL;

	while (left) {
		size_t n = left < sizeof(bytes) ? left : sizeof(bytes);
		ssize_t sent = send(*(int *)arg, bytes, n, MSG_NOSIGNAL);

		if (sent <= 0)
			break; /* nobody reads on */
		left -= (uint64_t)sent;
	}
	close(*(int *)arg);
	return NULL;
}

static void connect_ends(int ends[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	EXPECT_IS(listener, >=, 0);
	EXPECT_IS(bind(listener, (struct sockaddr *)&at, size), ==, 0);
	EXPECT_IS(listen(listener, 1), ==, 0);
	EXPECT_IS(getsockname(listener, (struct sockaddr *)&at, &size), ==, 0);
	ends[1] = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT_IS(connect(ends[1], (struct sockaddr *)&at, size), ==, 0);
	ends[0] = accept(listener, NULL, NULL);
	EXPECT_IS(ends[0], >=, 0);
	close(listener);
}

static uint64_t sock_of(struct memcg *cg)
{
	struct memcg_stat s;

	EXPECT_IS(memcg_stat(cg, &s, sizeof(s)), ==, 0);
	return s.sock;
}

/* Small reads share pages or not: twice as many entries as full pages would need are enough. */
static uint64_t receive_all(struct memcg_pool *pool, int fd, struct memcg *cg, size_t *frags)
{
	uint64_t bytes = 0;
	ssize_t got = 1;

	for (*frags = 0; *frags + AT_ONCE <= 2 * FRAGS && got > 0;) {
		got = memcg_pool_recv(pool, fd, cg, frag + *frags, AT_ONCE, 0);
		EXPECT_IS(got, >=, 0);
		bytes += (uint64_t)got;
		while (got > 0 && *frags < 2 * FRAGS && frag[*frags].page)
			++*frags;
	}
	return bytes;
}

void row_sock(void)
{
	struct memcg *cg = group_make(NULL, "sock");
	struct memcg_pool *pool = memcg_pool_create(NULL);
	pthread_t sender;
	uint64_t bytes, current, sock;
	int ends[2];
	size_t n;

	EXPECT(pool);
	connect_ends(ends);
	EXPECT_IS(pthread_create(&sender, NULL, send_all, &ends[1]), ==, 0);
	bytes = receive_all(pool, ends[0], cg, &n);
	close(ends[0]);
	pthread_join(sender, NULL);
	current = current_of(cg);
	sock = sock_of(cg);
	EXPECT_CLOSE(current, sock, 10);
	EXPECT_IS(sock, >=, bytes);
	row_recount();
	note("%ju bytes received: sock %ju, current %ju", (uintmax_t)bytes, (uintmax_t)sock,
	     (uintmax_t)current);
	memcg_frags_put(frag, n);
	EXPECT_IS(sock_of(cg), ==, 0);
	EXPECT_IS(memcg_pool_destroy(pool), ==, 0);
	group_end(cg);
}
