/*
 * server.h - threads, each with an epoll of its own and the connections that it was given, in turn,
 * by the first, which accepts them. A connection is one thread's for life.
 *
 * A turn: what epoll reports, at most so much of each connection; a step of each chore; and ten
 * times a second the tick, for what waits and, for 1 ms of each tenant, for keys whose time is
 * over. While there are more of those each turn of the first thread has such a look.
 */
#ifndef TENANTD_SERVER_H
#define TENANTD_SERVER_H

#include "reply.h"
#include "connection.h"

#define SERVER_THREADS 64u

struct worker {
	pthread_t thread;
	int epoll;
	int64_t ticked;	   /* ms, of the clock on the wall */
	uint64_t deadline; /* of this connection's turn: ns of the monotonic clock */
	uint64_t commands; /* written by the thread, read by any */
	TAILQ_HEAD(, connection) waiting;
	struct reply reply;
};

struct server {
	struct memcg_pool *pool;
	struct worker *worker;
	unsigned threads, next;
	int listener; /* the first thread's; -1: closed, or out of the epoll until the next tick */
	int port;
	char password[TENANT_NAME]; /* of who is no tenant; "": needs none */
	int64_t started;
	unsigned clients; /* atomic */
	int timeout_ms;	  /* a client that takes nothing for so long is closed */
	bool stop, full;
	bool expiring; /* the first thread's: it has not come to the end of it */
};

extern struct server server;

/* 0, or -errno; *what: what failed. */
int server_start(const char *address, int port, unsigned threads, const char **what);
void server_stop(void);
uint64_t server_commands(void);

#endif
