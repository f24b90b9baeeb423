/*
 * ring.h - pages that the system has been provided with, and what it has received into them.
 *
 * 1. A ring is an io_uring with one ring of buffers, each a page of a pool. A receive is asked for
 *    once and completes for every read (multishot), into whichever buffer is next; where the
 *    system can, one read fills several (bundle), and the next one goes on in the page where the
 *    last one ended (partial): small reads fill one page. It ends with the last buffer
 *    (-ENOBUFS), or for reasons of the system's, and is asked for again by who provides.
 * 2. A page is charged, and has the ring's counted reference, before the system is told of it.
 *    What was read in the middle of it goes out with a reference of its own; its last piece, or
 *    its only one, with the ring's. net.fill stays WRITING meanwhile, as of any page that is
 *    written behind what others hold (fill.h): no mover changes its owner.
 * 3. Buffer number and place in the ring are one: place n is buffer n. A place is filled again once
 *    its completion was seen, in order. So the completion's number leads to the page, and the
 *    next number to the next page of a bundle.
 * 4. The tails are ours to store, with release: the system loads them so before what they cover.
 * Its own are loaded with acquire. Completions that found no room wait in the system, in order, and
 * come with the next entry; a flag says that there are some. The same flag word says that something
 * has completed that is not in the ring yet: it comes with an entry, too.
 * 5. A receive that is asked for has pages: they may be given back (ring_empty) only when every
 *    one has completed for the last time, whatever happens to sockets, groups and the pool.
 */
#ifndef MEMCG_NET_RING_H
#define MEMCG_NET_RING_H

#include "net/pool.h"
#include "sys/uring.h"

#define RING_MOST 256u /* pages: their ring is one page */

struct ring_slot {
	struct page *pg; /* NULL: the system does not have it */
	u32 handle;	 /* that pays; 0: nobody */
	u32 at;		 /* first byte that nobody has */
};

/* All of its owner's, who is one thread. */
struct ring {
	struct sys_uring u;
	struct io_uring_buf *bufs; /* shared with the system */
	struct ring_slot *slots;
	u32 size; /* places, a power of 2 */
	u32 tail; /* of bufs */
	u32 held; /* places with a page */
	u32 sq_tail;
	u32 unsubmitted;
	bool partial, bundle;
	bool registered;
};

/* Room for at least so many pages. -errno: the system has none of this, or forbids it. */
__hidden_ int ring_open(struct ring *r, u32 pages);
__hidden_ void ring_close(struct ring *r); /* nothing is asked for; pages are put */
__hidden_ int
ring_empty(struct ring *r); /* the same, to be used again. 0, or -errno: not emptied */

__hidden_ u32 ring_room(const struct ring *r); /* pages that can be provided */
/* Taken pages charged to the handle are published and become the system's. 0, or -errno. */
__hidden_ int ring_provide(struct ring *r, struct memcg_pool *p, struct page **pages, u32 n,
			   u32 handle);

/* Asked for with the next entry. -errno: there is no room, and entering has failed. */
__hidden_ int ring_receive(struct ring *r, int fd, u64 tag);
/* One byte, which stays where it is: whether there is something to be read takes no page. */
__hidden_ int ring_look(struct ring *r, int fd, u64 tag, char *byte);
__hidden_ int ring_cancel(struct ring *r, u64 tag, u64 own_tag);
__hidden_ int ring_cancel_all(struct ring *r, u64 own_tag);
/* As sys_uring_enter; 0, -ETIME, -EINTR, -errno. */
__hidden_ int ring_enter(struct ring *r, bool wait, s64 timeout_ns);

/* The oldest completion, or NULL; done with it, ring_seen. */
__hidden_ const struct io_uring_cqe *ring_peek(struct ring *r);
__hidden_ void ring_seen(struct ring *r);
__hidden_ bool ring_has(const struct ring *r); /* something has completed, or could */
static inline bool ring_goes_on(const struct io_uring_cqe *c)
{
	return c->flags & IORING_CQE_F_MORE;
}
/*
 * The piece of a completion that begins in this place, of at most `left` bytes, becomes the
 * caller's with a reference. Its length; less than left: it goes on in the next place.
 */
__hidden_ u32 ring_take(struct ring *r, struct memcg_pool *p, u32 place, u32 left,
			struct memcg_frag *frag);

#endif
