/*
 * memcg/net.h - network pages: received once, paid for by who reads, passed on by reference, and
 * back in their pool with the last put. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_NET_H
#define MEMCG_NET_H

#include <memcg/mm.h>
#include <memcg/page.h>

MEMCG_BEGIN_DECLS

/** Where payload is received into: pages of 4096 bytes that come back by themselves. */
struct memcg_pool;
struct msghdr;

enum memcg_pool_flags {
	/**
	 * What a page held is gone when it has come back: whoever gets it next reads zeroes where
	 * nothing was received. Costs a system call for every run of pages that come back, also of
	 * those that a read was offered and has not used.
	 */
	MEMCG_POOL_STRICT = 1u << 0
};

struct memcg_pool_config {
	size_t size;	  /**< of this struct */
	unsigned flags;	  /**< enum memcg_pool_flags */
	unsigned idle_ms; /**< free pages unused for so long go back to the system; 0: 1000 */
	uint64_t bytes;	  /**< most memory it holds, free and out, 4096 at least; 0: no limit */
	const char *name; /**< in reports, up to 31 bytes are kept; NULL: "pool" */
};
#define MEMCG_POOL_CONFIG_INIT                                  \
	{                                                       \
		sizeof(struct memcg_pool_config), 0, 0, 0, NULL \
	}

/**
 * Makes a pool. config NULL: defaults. NULL and errno: EINVAL (size, unknown flags), E2BIG, ENOMEM,
 * ENOSPC (255 pools are alive), ENOSYS where the system has no file in memory. The child of a fork
 * may make its own: of its parent's nothing can be taken there, and pages it puts go nowhere.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_pool *
memcg_pool_create(const struct memcg_pool_config *config);

/**
 * Ends a pool: no page is taken from it any more. Pages that are out stay what they are and come
 * home with their last put; with the last of them the pool goes. NULL is allowed: 0. Nobody may
 * begin a call for it after. Calls that other threads are in may go on when it returns: those that
 * have pages by then (MSG_WAITALL sleeps with them) fill these and return them; who sleeps for a
 * socket without gets -ESHUTDOWN when it wakes, and the payload stays. It does not wait for
 * them.
 */
MEMCG_API int memcg_pool_destroy(struct memcg_pool *pool);

/** Pages, but for `bytes`. Passed with its size: it grows at the end. */
struct memcg_pool_stat {
	uint64_t bytes;	   /**< memory it has: pages out and free ones */
	uint64_t out;	   /**< pages that somebody has */
	uint64_t peak;	   /**< the most at once that were out or kept by a CPU to itself */
	uint64_t fast;	   /**< taken from what a CPU keeps to itself */
	uint64_t slow;	   /**< taken otherwise */
	uint64_t recycled; /**< come back, to be taken again */
	uint64_t released; /**< given back to the system */
	uint64_t refused;  /**< reads that found no page under a max, or none in the pool */
};
/** What a pool has, and has done: exact when nothing is in motion. 0; -EINVAL. */
MEMCG_API int memcg_pool_stat(struct memcg_pool *pool, struct memcg_pool_stat *out, size_t size);

/**
 * Bytes in one page, with one reference on it, the holder's. May be split and copied as long as
 * each copy has a reference of its own (memcg_frags_get); the bytes are at
 * (char *)memcg_page_address(page) + offset. All fragments of a page belong to one group.
 */
struct memcg_frag {
	struct memcg_page *page;
	uint32_t offset, length;
};

/** Flags of memcg_pool_recv, beside those of recv(2). */
enum {
	/** The program knows that fd is a stream socket, and spares the call asking the system. */
	MEMCG_RECV_STREAM = 1 << 25
};

/**
 * Reads once from fd (a stream socket, with recvmsg(2) and flags; or with flags 0 whatever readv(2)
 * reads from) into up to n pages, charged to cg (NULL: the active group) before the bytes leave
 * the socket. What is not used is uncharged before it returns. Returns bytes, in *frags from the
 * first on (those behind have length 0 and page NULL); 0: the other end has closed, or an empty
 * datagram was read. Else nothing was read: -errno of recvmsg or readv, also -EINTR and -EAGAIN;
 * -ENOBUFS: there is payload, and not one page fits under a max, after reclaim, or the pool is at
 * its `bytes`: it stays in the socket, and memory.events counts sock_throttled; -ESHUTDOWN;
 * -EINVAL. A socket that has nothing, has ended or failed is told as at any other time, counts
 * nothing and reclaims nothing, and who may sleep sleeps (what is no socket, and
 * MSG_ERRQUEUE of memcg_pool_recvmsg, are refused without a look).
 * flags: MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL (for as many pages as fit), MSG_OOB, MSG_NOSIGNAL,
 * MEMCG_RECV_STREAM; others are -EINVAL. A datagram longer than n pages is lost, and -EMSGSIZE:
 * memcg_pool_recvmsg. One that n pages would hold, and those that fit would not, stays in the
 * socket: -ENOBUFS, as above; a smaller n reads past it. A small read goes on in the page where the
 * group's last one ended, behind it, at the next multiple of 16: the page is shared with the
 * group's other fragments there; a datagram begins a page of its own. While cg or a group above it
 * is over its memory.high one page is read (of datagrams one, whole) at a time, which is owed for
 * as every charge is, the socket's SO_RCVBUF is lowered until the first call through fd, not
 * through a copy of it, that finds cg under it, and sock_throttled counts each read. n: from 1 on;
 * no more than 256 are used. A thread that sleeps for a socket has no page and no charge meanwhile,
 * but with MSG_WAITALL; for other files it has. Where the descriptor does not block, MSG_DONTWAIT
 * saves a system call. Not a cancellation point. May run the program's inline shrinkers.
 */
MEMCG_API ssize_t memcg_pool_recv(struct memcg_pool *pool, int fd, struct memcg *cg,
				  struct memcg_frag *frags, size_t n, int flags);
/**
 * The same for datagrams and control messages, of sockets only: msg's name, control and flags are
 * used as by recvmsg(2), its iov is neither looked at nor changed. A datagram begins a page of its
 * own; that it was longer than n pages msg_flags says (MSG_TRUNC). flags
 * besides: MSG_ERRQUEUE, MSG_CMSG_CLOEXEC, and MSG_TRUNC where messages are kept apart: the
 * length is returned that the datagram had, its fragments hold what was stored.
 */
MEMCG_API ssize_t memcg_pool_recvmsg(struct memcg_pool *pool, int fd, struct memcg *cg,
				     struct msghdr *msg, struct memcg_frag *frags, size_t n,
				     int flags);
/**
 * Reads many connections of one group into pages: by io_uring where the system has it (Linux 6.1)
 * and allows it, else by epoll and memcg_pool_recv. The calls behave alike. A receiver is the
 * thread's that creates it: the others get -EPERM, but memcg_receiver_destroy once that has ended.
 * A call made from inside another one, by a shrinker, gets -EBUSY. What a thread adds ends with the
 * thread. The child of a fork may destroy it, and nothing else.
 */
struct memcg_receiver;

enum memcg_receiver_flags {
	MEMCG_RECEIVER_POLL = 1u << 0 /**< by epoll, whatever the system has */
};

struct memcg_receiver_config {
	size_t size;	/**< of this struct */
	unsigned flags; /**< enum memcg_receiver_flags */
	/**
	 * Most pages that io_uring has to receive into, 256 at most; 0: 64. They are charged to the
	 * group when the system gets them, as long as there are connections, and are out of the
	 * pool. By epoll there are none.
	 */
	unsigned pages;
};
#define MEMCG_RECEIVER_CONFIG_INIT                          \
	{                                                   \
		sizeof(struct memcg_receiver_config), 0, 0, \
	}

/** What was received. Passed with its size: it grows at the end. */
struct memcg_received {
	uint64_t data;	/**< of the connection, as it was added */
	int64_t bytes;	/**< in the fragments; 0: the other end has closed; or -errno */
	uint32_t id;	/**< of the connection; free if there are no bytes */
	uint32_t frags; /**< how many there are, from the first on */
};

/**
 * Makes a receiver. cg pays (NULL: the active group; the receiver has a reference). Destroyed, its
 * nearest ancestor online pays for what it had and for what comes. The pool may be destroyed:
 * -ESHUTDOWN, when what has been received is told. config NULL: defaults. NULL and errno: EINVAL
 * (no pool, size, unknown flags, pages), E2BIG, ENOMEM, EMFILE, ENOSPC.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_receiver *
memcg_receiver_create(struct memcg_pool *pool, struct memcg *cg,
		      const struct memcg_receiver_config *config);
/**
 * What has been received and not told is lost; pages that nobody received into go back with their
 * charge. NULL is allowed: 0. -EPERM: another thread's, which has not ended (it is waited
 * for, a second), or whose number a third has by now; -EBUSY: from inside a call; -errno: the
 * system does not let go, nothing is lost, and the receiver is good for being destroyed only. By
 * io_uring its own thread sleeps in it some ten milliseconds, for what the system has to tell that
 * thread: no call after ends with EINTR for it. Where a child of a fork still has the ring that
 * takes a second, and one call of the thread's may end so when the child has gone.
 */
MEMCG_API int memcg_receiver_destroy(struct memcg_receiver *r);

/**
 * A connection to be read from, by a copy of fd: that may be closed at any time, and the connection
 * stays until it is told of its end, of an error, or that it was removed. So it is a second
 * descriptor for each connection (RLIMIT_NOFILE), and a receiver has three itself, by epoll two.
 * data comes with all that is told of it. Nobody else should read from it,
 * or use SO_PEEK_OFF. Its id; -ENOTSOCK;
 * -EPROTOTYPE: no stream, it keeps messages apart; -EBADF and other -errno, nothing changed.
 */
MEMCG_API int memcg_receiver_add(struct memcg_receiver *r, int fd, uint64_t data);
/**
 * It is not read from any more. What has been is told by memcg_receiver_next, then -ECANCELED, the
 * last (or an end or error that was faster); then its id is free. What it has not read stays in the
 * socket. 0; -ENOENT: no such connection; -EALREADY: it was.
 */
MEMCG_API int memcg_receiver_remove(struct memcg_receiver *r, int id);

/**
 * The next piece that has come of any connection, in order for each: up to n fragments (no more
 * than 256 are used), one reference on each page, the caller's. Waits for one up to timeout_ms (0:
 * not at all; negative: without end). 1: *out is filled; 0: there was none. With bytes <= 0 in *out
 * the connection is gone. Else nothing was received, and connections are as they were: -ENOBUFS:
 * some have payload and wait for memory, the group is at a max, or the pool at its `bytes`, and
 * memory.events counts sock_throttled, once for each such call; payload stays in the sockets. Ends
 * and errors are told at a max, too, and who has nothing to be read is waited for; -ESHUTDOWN: the
 * pool is destroyed; -EINTR; -EINVAL. Over memory.high the system gets a page at a time, when it
 * has used up those it had; the time is owed for, SO_RCVBUF of the sockets read from is lowered
 * until they are read from under it, and sock_throttled counts each piece. A limit takes no page
 * back that the system has. May run the program's inline shrinkers. Not a cancellation point.
 */
MEMCG_API int memcg_receiver_next(struct memcg_receiver *r, struct memcg_received *out, size_t size,
				  struct memcg_frag *frags, size_t n, int timeout_ms);
/**
 * The receiver's descriptor, for poll or epoll: readable as long as memcg_receiver_next would have
 * something to tell, -ENOBUFS too. That it is readable may come to nothing. -EINVAL: NULL.
 */
MEMCG_API int memcg_receiver_fd(const struct memcg_receiver *r);
/** By io_uring. */
MEMCG_API bool memcg_receiver_uses_ring(const struct memcg_receiver *r);

/**
 * n whole pages charged to cg, adjacent where that can be: to be filled by hand, or by a
 * device. How many, at least 1; -ENOBUFS, -ESHUTDOWN, -EINVAL. What they hold is undefined.
 */
MEMCG_API ssize_t memcg_pool_alloc(struct memcg_pool *pool, struct memcg *cg,
				   struct memcg_frag *frags, size_t n);

/** One reference more on each, for a copy of the fragments. Entries without a page are skipped. */
MEMCG_API void memcg_frags_get(const struct memcg_frag *frags, size_t n);
/** Puts them, one counter update for each run of one owner; pages are NULL after. errno stays. */
MEMCG_API void memcg_frags_put(struct memcg_frag *frags, size_t n);

enum memcg_send_flags {
	/**
	 * Bit of memcg_frags_send's flags, alone: the system sends the pages themselves, by
	 * sendfile(2) from the pool's memory, and not a copy. For fragments of network pages on a
	 * stream, which nobody writes to until the peer has them; they may be put at once: a page
	 * that was sent so gets new memory before it is used again. That costs far more than the
	 * copy (at any length: 6 us a page against 1), so it is for pages that are kept and sent
	 * again and again. SIGPIPE is raised; a descriptor that blocks, blocks.
	 */
	MEMCG_SEND_UNCOPIED = 1 << 24
};

/**
 * sendmsg(2) of the fragments, in order; writev(2) where fd is no socket and flags are none but
 * MSG_MORE and MSG_ZEROCOPY (else -ENOTSOCK). Bytes, fewer than all
 * where the socket takes no more; -errno. The fragments stay the caller's, and may be put or
 * written to when it returns. Entries without a page are skipped. flags: as for sendmsg(2), or
 * MEMCG_SEND_UNCOPIED. -EINVAL: a fragment that is not in its page, or what MEMCG_SEND_UNCOPIED is
 * not for, or, in the child of a fork, a page of its parent, which has no memory there; -EMSGSIZE:
 * a message of more than 256 pieces that do not lie side by side; a stream takes more in several
 * calls. Not a cancellation point; SIGPIPE as sendmsg(2) has it. MSG_ZEROCOPY: the peer may get the
 * bytes as they are when it reads, so nobody writes to them before memcg_frags_complete. They may
 * be put at once: each page has one reference more until then, stays charged, and does not come
 * home. It is a wish: what cannot be followed is copied. That is everything but TCP and network
 * pages; a socket for which SO_ZEROCOPY is set already (somebody else counts: it is set here, with
 * the first such send); what is sent while another thread sends so; and what the system has no room
 * to note down (net.core.optmem_max, RLIMIT_MEMLOCK). A socket is known by the descriptor it was
 * first sent through; through a copy of that it is copied. Its error queue is the library's from
 * then on: other messages there, time stamps for instance, are lost, and nobody else may send
 * through it by MSG_ZEROCOPY. Over loopback the system makes the copy all the same
 * (SO_EE_CODE_ZEROCOPY_COPIED).
 */
MEMCG_API ssize_t memcg_frags_send(int fd, const struct memcg_frag *frags, size_t n, int flags);

/**
 * What the system says to be through of the MSG_ZEROCOPY sends through fd loses the references that
 * these had: on how many pages, one that a send had in several fragments side by side counted once;
 * 0: nothing new. To be called when fd polls POLLERR, or now and then. -EBADF, -ENOTSOCK. fd -1: of
 * all sockets, also of those that are closed.
 * When a socket is closed with sends in flight, its pages are let go as soon as that is noticed: by
 * the next such call for its number, by -1, or by a purge (in slow paths, about every second). What
 * the peer has yet to read it reads as it was sent: such a page gets new memory before it is used
 * again. In the child of a fork what its parent has sent is let go so too. Never sleeps.
 * What the system tells of sends that were let go so nobody reads any more: where the socket lives
 * on, by a copy of the descriptor or in the child of a fork, it polls POLLERR from then on. So who
 * hands a connection on calls this until it is 0 and nothing is in flight, or closes it.
 */
MEMCG_API ssize_t memcg_frags_complete(int fd);

/** Addresses that payload can be mapped to, as the system has received it. */
struct memcg_zerocopy;
/** At least two pages; no memory yet, charged to nobody. NULL and errno: EINVAL, ENOMEM, EMFILE. */
MEMCG_API MEMCG_NODISCARD struct memcg_zerocopy *memcg_zerocopy_create(size_t bytes);
/** With what is mapped, which is uncharged. NULL is allowed. */
MEMCG_API void memcg_zerocopy_destroy(struct memcg_zerocopy *z);
/**
 * Nothing that z has mapped may be read any more (SIGBUS); the pages go back to the system and are
 * uncharged. 0; -errno, from the system: then everything stays, and is charged (locked memory).
 */
MEMCG_API int memcg_zerocopy_zap(struct memcg_zerocopy *z);

/** What one call has received: the mapped bytes, not to be written to, then the copied ones. */
struct memcg_zerocopy_part {
	const void *mapped; /**< until the next zap; NULL: none */
	size_t mapped_bytes;
	size_t copied; /**< in the buffer */
};

/**
 * Payload of the stream socket fd, by the system's own pages where those can be had
 * (TCP_ZEROCOPY_RECEIVE): cg (NULL: the active group) is charged for as many bytes as may be mapped
 * before they are, as for memory it did not allocate (memcg_charge); what was not mapped is
 * returned before the call is back, and the rest by memcg_zerocopy_zap. What cannot be mapped now
 * is copied to buf (n bytes; 0: none). That is everything unless MEMCG_ZEROCOPY_RECV or the setting
 * zerocopy_recv is 1; where z is full, or has 64 parts; and what does not fit under a max, which
 * memory.events counts as sock_throttled. Nothing mapped and no buffer: -ENOBUFS, the
 * payload stays in the socket. Bytes; 0: the other end has closed; else -errno of recv(2).
 * flags: 0, MSG_DONTWAIT; others -EINVAL. Who sleeps in it is charged for nothing by that.
 * For large streams from a network card that puts headers apart from pages full of payload. What
 * comes over loopback is mapped only from some senders (bench/RESULTS.md). The pages are the
 * system's, which no other call here knows: they cannot be passed on by reference.
 * One thread at a time for each z, and for what it reads from. May run the program's inline
 * shrinkers.
 */
MEMCG_API ssize_t memcg_zerocopy_recv(struct memcg_zerocopy *z, int fd, struct memcg *cg, void *buf,
				      size_t n, struct memcg_zerocopy_part *part, int flags);

/**
 * The page of the fragment, paid for by `to` (NULL: the root) from now on. 0; -EBUSY: somebody has
 * another reference on the page, another fragment of it or a view for instance; -ENOMEM: over a
 * max, after reclaim; -EINVAL: no network page. Nothing changed then. Reclaims as an allocation.
 * The caller must have a reference of its own: without one it may find the page while its last view
 * is ended, and take the view's reference for its own.
 */
MEMCG_API int memcg_frag_recharge(struct memcg_frag *frag, struct memcg *to);

/**
 * A view of the fragments side by side, through the mm: the first may begin anywhere in its page
 * and the last end anywhere; of those between each goes on where the one before ended, in the same
 * page or, when that is full, at the start of another. Whole pages are seen, to be read and
 * written; what is stored through one address is seen through the other. The view has its own
 * reference on each page until memcg_munmap(mm, the view rounded down to its page, length rounded
 * up) has ended it, or has ended it for that page. Pages keep their payer; memcg_mm_move with
 * MEMCG_MOVE_ANON moves those that mm's group pays for. The view itself costs that group its tables
 * and nothing else; advice does nothing in it, and it cannot be mapped again (memcg_mmap_same).
 * NULL and errno: EINVAL (also: not a network page that somebody has), E2BIG (more than 16
 * runs of adjacent pages), ENOMEM. Costs some ten microseconds, five for each further run and a
 * quarter for each page; ending it a tenth for each page, and three. Not for the child of a fork
 * (EINVAL). May sleep, and run the program's inline shrinkers.
 */
MEMCG_API void *memcg_frags_map(struct memcg_mm *mm, const struct memcg_frag *frags, size_t n);

MEMCG_END_DECLS

#endif
