/*
 * receiver.h - many connections read into pages of one group, by whichever way the system has.
 *
 * 1. A receiver is one thread's: of io_uring because entering is (sys/uring.h), and so of epoll,
 * for a program must not notice which it is. A second call of that thread's comes only from program
 *    code that the first runs (shrinkers, when a page is charged): `busy` tells it. So nothing here
 *    is locked, and nothing but RCU-protected pools is shared.
 * 2. A connection has a copy of the descriptor, so that the program may close its own at any time,
 *    and its number be another file's. It is told of until its end, an error, or that it has been
 *    taken out (-ECANCELED): that comes last, and once. What has been read by then comes first.
 * 3. The ring (receiver_ring.c, ring.h): a connection is *asked* for as long as the system has its
 *    receive, else it is *idle*: nobody reads from it until the ring has pages again. Pages are
 *    charged when they are provided, and provided while the group has room: under its max, and over
 *    its high one when there is none. What the system had before a limit came it keeps, and
 *    uses up. While there are none, each idle one is *looked* at: a receive that peeks at one byte
 *    and needs no page. So an end and an error are told at any max, and who has nothing to be read
 *    waits for that, as by epoll. One that has *waits*: for it alone a page is reclaimed for, and
 * is none to be had, that is -ENOBUFS, and sock_throttled counts. All other pages are taken where
 *    they are free, and after a refusal not before a quarter of those it has are used up.
 * 4. epoll (receiver_poll.c): descriptors that are ready are read from by what memcg_pool_recv is
 *    made of, one read for each time it is asked. Of one whose error queue has something (what has
 *    been sent by MSG_ZEROCOPY, time stamps) epoll tells as long as that is there, which it may be
 *    for ever: read in vain it is *quiet*, told of when something changes, until a read gets more.
 * 5. The descriptor for the program's own loop is an epoll either way: of `news`, an eventfd, and
 *    of connections where they are polled. news is written to by the system when something
 *    completes in a ring, and by us when there is something to be told that the system does not
 *    know: a connection was taken out, or the system could not be asked. It is cleared when there
 *    was nothing to be told, not after a refusal, and then is looked whether that is still so: what
 *    comes before the look is found, what comes after is written. That a connection waits for
 *    memory is learnt from a look that completed: from then on the descriptor stays readable, as a
 *    socket that is readable and cannot be read.
 * 6. The group is referenced. Once it is destroyed its nearest ancestor online pays, as for a
 * thread that is in it. The pool is not: it may be destroyed, and go when the ring's pages do. No
 *    pages are held for a receiver without connections.
 */
#ifndef MEMCG_NET_RECEIVER_H
#define MEMCG_NET_RECEIVER_H

#include "net/net.h"
#include "net/ring.h"
#include "sys/poller.h"

#define NO_CONNECTION UINT32_MAX
#define READY_MOST    32u
#define RECEIVER_NEWS (UINT64_MAX - 1) /* no connection has this tag */

struct connection {
	u64 data;
	int fd;	  /* the receiver's own; -1: this one is free */
	u32 next; /* among the free, the idle, or those to be told of */
	bool asked, out;
	bool quiet;	   /* by epoll */
	bool looks, waits; /* by the ring: 3 */
};

struct receiver_way;

/* The owner's thread writes all of it. */
struct memcg_receiver {
	const struct receiver_way *way;
	struct pool_ref pool;
	struct memcg *cg;    /* a reference */
	u32 process, thread; /* the owner; constant */
	u64 owner;	     /* the same: the system gives the numbers of threads again; constant */
	u32 pages;	     /* most that the system has; constant */
	int poll, news;	     /* descriptors; constant */
	bool news_told;	     /* news was written to by us, and not cleared */
	bool busy, ending;
	struct connection *all;
	u32 size, used;	   /* of all */
	u32 free;	   /* heads of lists through `next` */
	u32 idle, leaving; /* the same; NO_CONNECTION: empty */
	u32 asked;	   /* connections that the system has a receive of */
	struct ring ring;
	u32 enough;	 /* pages: with more than that it asks for none */
	char byte;	 /* the system writes here what is looked at, and nobody reads it */
	u32 place, left; /* where the oldest completion goes on, in bytes not told; 0: not begun */
	struct sys_polled ready[READY_MOST];
	u32 ready_at, ready_n;
};

/* What differs. An id is an index of `all`. */
struct receiver_way {
	int (*up)(struct memcg_receiver *r);
	void (*down)(struct memcg_receiver *r);
	/* Nobody has it any more. */
	void (*let_go)(struct memcg_receiver *r, u32 id);
	int (*add)(struct memcg_receiver *r, u32 id);
	int (*take_out)(struct memcg_receiver *r, u32 id);
	/* 1: told; 0: nothing came in time; -errno. */
	int (*next)(struct memcg_receiver *r, struct memcg_received *out, struct memcg_frag *frags,
		    size_t n, s64 timeout_ns);
	/* Whatever is asked for has an end; what came meanwhile is dropped. */
	int (*stop)(struct memcg_receiver *r);
};
extern __hidden_ const struct receiver_way receiver_ring, receiver_poll;

__hidden_ void receiver_push(struct memcg_receiver *r, u32 *list, u32 id);
__hidden_ u32 receiver_pop(struct memcg_receiver *r, u32 *list); /* NO_CONNECTION: it is empty */
/* The last that is told of it: it is free after. */
__hidden_ int receiver_tell_end(struct memcg_receiver *r, u32 id, s64 result,
				struct memcg_received *out);
/* 1: of one that has been taken out; 0: there is none. */
__hidden_ int receiver_tell_leaving(struct memcg_receiver *r, struct memcg_received *out);
__hidden_ void receiver_set_news(struct memcg_receiver *r);
__hidden_ void receiver_clear_news(struct memcg_receiver *r);
__hidden_ bool receiver_over_high(const struct memcg_receiver *r);

/* recv.c: as memcg_pool_recv with MSG_DONTWAIT, of a pool that may have ended. */
__hidden_ ssize_t net_receive(struct pool_ref ref, int fd, struct memcg *cg,
			      struct memcg_frag *frags, size_t n);

#endif
