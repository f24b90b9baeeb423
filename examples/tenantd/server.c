/* server.c - see server.h. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "chore.h"

#define EVENTS	  128
#define TICK_MS	  100
#define EXPIRY_NS 1000000ul /* of a tenant, in one go: its clients wait for its lock */

struct server server = {.listener = -1};

static int64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t server_commands(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < server.threads; i++)
		sum += __atomic_load_n(&server.worker[i].commands, __ATOMIC_RELAXED);
	return sum;
}

/* ---- who comes ---- */

static void watch_listener(void)
{
	struct epoll_event event = {.events = EPOLLIN};

	/* What is refused is tried again at the next tick. */
	server.full = epoll_ctl(server.worker->epoll, EPOLL_CTL_ADD, server.listener, &event);
}

/* From here on it is the other thread's. */
static void hand_over(int fd)
{
	struct worker *w = &server.worker[server.next++ % server.threads];
	struct connection *c = connection_new(fd);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	int on = 1;

	if (!c) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event))
		connection_end(w, c); /* no thread has seen it */
}

static void accept_some(void)
{
	for (int i = 0; i < EVENTS; i++) {
		int fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			hand_over(fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/* It stays readable: looked at again when some may have gone. */
			epoll_ctl(server.worker->epoll, EPOLL_CTL_DEL, server.listener, NULL);
			server.full = true;
		}
		return;
	}
}

/* ---- turns ---- */

static void expire(struct tenant *t)
{
	/* Without the lock: what is missed is found the next time. */
	if (!__atomic_load_n(&t->store.expiring, __ATOMIC_RELAXED))
		return;
	tenant_lock(t);
	if (store_expire_some(&t->store, mono_ns() + EXPIRY_NS))
		server.expiring = true;
	tenant_unlock(t);
}

static void expire_all(void)
{
	size_t n;
	struct tenant **all = tenants_get(&n);

	server.expiring = false;
	if (!all)
		return;
	for (size_t i = 0; i < n; i++)
		expire(all[i]);
	tenants_put(all, n);
}

static void tick(struct worker *w)
{
	struct connection *c, *next;

	w->ticked = wall_ms;
	for (c = TAILQ_FIRST(&w->waiting); c; c = next) {
		next = TAILQ_NEXT(c, list);
		connection_tick(w, c);
	}
	if (w != server.worker)
		return;
	expire_all();
	if (server.full)
		watch_listener();
}

static void turn(struct worker *w, bool busy)
{
	struct epoll_event event[EVENTS];
	int n = epoll_wait(w->epoll, event, EVENTS, busy ? 0 : TICK_MS);

	wall_ms = clock_ms();
	for (int i = 0; i < n; i++)
		if (event[i].data.ptr)
			connection_turn(w, event[i].data.ptr, event[i].events);
		else
			accept_some();
	if (wall_ms < w->ticked || wall_ms - w->ticked >= TICK_MS)
		tick(w);
	else if (w == server.worker && server.expiring)
		expire_all();
}

static void *work(void *worker)
{
	bool busy = false;

	while (busy || !__atomic_load_n(&server.stop, __ATOMIC_RELAXED)) {
		turn(worker, busy || (worker == server.worker && server.expiring));
		busy = chores_step();
	}
	return NULL;
}

/* ---- start ---- */

static int listen_on(const char *address, int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t length = sizeof(at);
	int on = 1, fd;

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return -EINVAL;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 511) ||
	    getsockname(fd, (struct sockaddr *)&at, &length)) {
		int err = -errno;

		close(fd);
		return err;
	}
	server.port = ntohs(at.sin_port);
	return fd;
}

static int start_worker(struct worker *w)
{
	TAILQ_INIT(&w->waiting);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	return w->epoll < 0 ? -errno : 0;
}

static int start_threads(unsigned threads)
{
	int err = 0;

	server.worker = calloc(threads, sizeof(*server.worker));
	if (!server.worker)
		return -ENOMEM;
	server.threads = threads;
	for (unsigned i = 0; i < threads && !err; i++)
		err = start_worker(&server.worker[i]);
	if (!err)
		watch_listener();
	for (unsigned i = 0; i < threads && !err; i++)
		err = -pthread_create(&server.worker[i].thread, NULL, work, &server.worker[i]);
	return err;
}

int server_start(const char *address, int port, unsigned threads, const char **what)
{
	int err;

	wall_ms = server.started = clock_ms();
	*what = "network pages";
	server.pool = memcg_pool_create(NULL);
	if (!server.pool)
		return -errno;
	*what = "groups";
	err = tenants_init();
	if (err)
		return err;
	*what = address;
	server.listener = listen_on(address, port);
	if (server.listener < 0)
		return server.listener;
	*what = "threads";
	return start_threads(threads);
}

/* Chores come to their end; connections end with the process. */
void server_stop(void)
{
	__atomic_store_n(&server.stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < server.threads; i++)
		pthread_join(server.worker[i].thread, NULL);
}
