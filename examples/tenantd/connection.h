/*
 * connection.h - a client: what came, what is being parsed, what it has not taken yet, and which
 * tenant it is for at the moment. Its thread's alone.
 *
 * A turn ends with the first request that is carried out past its time (TURN_NS); the others are
 * for the next turn, which comes as soon as the socket takes something: at once, but for a client
 * that reads no replies.
 *
 * It waits on the list of its thread while it has a backlog (nothing is read from it, and after a
 * time it is closed), or is late, or when its tenant had no memory for what it sent: it is tried
 * again at each tick, and closed when that has not helped for two seconds, or when it is itself
 * what fills its tenant. When its tenant is dropped it is told so and closed, in the middle of a
 * request, too: no limit holds for it any more.
 */
#ifndef TENANTD_CONNECTION_H
#define TENANTD_CONNECTION_H

#include "reply.h"
#include "resp.h"
#include "tenant.h"

struct worker;

struct connection {
	int fd;
	uint32_t events;  /* that epoll waits for */
	unsigned pages;	  /* to offer to the next read */
	unsigned refused; /* how often in a row there was no memory for it */
	bool closing;	  /* when everything is sent */
	bool paused;	  /* until the next tick */
	bool late;	  /* its turn was over before its requests were */
	bool waiting;	  /* on its thread's list */
	int64_t since;
	struct tenant *tenant;
	struct memcg *cg; /* a reference: its tenant's group, at the beginning of the turn */
	struct input in;
	struct resp resp;
	struct backlog backlog;
	TAILQ_ENTRY(connection) list;
};

struct connection *connection_new(int fd);
/* What epoll says of it. It may be gone when that returns. */
void connection_turn(struct worker *w, struct connection *c, uint32_t events);
/* Closes it, and frees what it has. */
void connection_end(struct worker *w, struct connection *c);
/* For one that waits. */
void connection_tick(struct worker *w, struct connection *c);
/* In the middle of a turn: the next request is another's. Takes the reference. */
void connection_switch(struct connection *c, struct tenant *t);

#endif
