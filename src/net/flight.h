/*
 * flight.h - pages on their way: sent by MSG_ZEROCOPY, and not yet told to be through.
 *
 * 1. The system reads such a page until the peer has acknowledged it, and then says so on the
 *    socket's error queue. Until it is read there, each page of a send has one counted reference
 *    more: this is a *flight*. What the program does with its own references changes nothing.
 * 2. The system numbers the sends of a socket from 0 on, 32 bits that come round, one for each call
 *    that has sent a byte, and tells of ranges [first, last] in any order. We count along. So
 *    nobody else may send so through the socket, or read its error queue: we set SO_ZEROCOPY
 *    ourselves, and where it is set already somebody counts whom we do not know. Then we copy.
 *    Only TCP: elsewhere a call may fail whose number is gone.
 * 3. A *record* is of a socket, found by descriptor and by cookie, which the system gives to no
 *    other socket, where device and inode come round. There is one for a number at most.
 *    A socket is known by the descriptor it was first sent through, and not by copies of that.
 * 4. One thread at a time sends (record.sending), for the order of the numbers is that of the
 *    calls. Another copies meanwhile: that takes no number. The flight is on the list before the
 *    call, since it may be told of before the call is back: then it is `done`, and its sender's.
 * 5. A call is on a descriptor that may be closed, and opened anew, by another thread meanwhile.
 *    So the cookie is asked for before and after: what was read in between is believed only when
 *    both say the same.
 * 6. A socket that is closed tells nothing any more, and the system may send what it has for as
 *    long as it likes. Whoever finds that the descriptor is not that socket any more (the next
 *    send through it, memcg_frags_complete, a purge) *gives its flights up*: the references go, but
 *    the pages are marked NET_SENT, so that the pool gives them new memory before they are used
 *    again (punch.c), and the system keeps the old: so of huge pages there are none
 *    (sys/memfd.c). Giving up is right at any time, and is what
 *    happens whenever we are in doubt; it costs the memory anew.
 * 7. lock (RANK_FLIGHT) covers records and lists. No system call and no put under it.
 * 8. The child of a fork shares the sockets, and must not read what its parent waits for: there all
 *    flights are given up by the next purge, and its sends are copied.
 */
#ifndef MEMCG_NET_FLIGHT_H
#define MEMCG_NET_FLIGHT_H

#include "base/hook.h"
#include "net/pool.h"

#define FLIGHT_FRAGS 256u /* fragments in one */

struct flight;

/* Numbers of sends, the last included. */
struct flight_range {
	u32 first, last;
};

/* Numbers come round: what counts is the distance. */
static inline bool flight_within(u32 number, const struct flight_range *r)
{
	return number - r->first <= r->last - r->first;
}

/*
 * References for the pages of n fragments (network pages all), which the caller sends now, by one
 * call. NULL: it is to be copied.
 */
__hidden_ struct flight *flight_begin(int fd, const struct memcg_frag *frags, size_t n);
/* That has been; so many bytes went, 0: none, nor a number. */
__hidden_ void flight_end(struct flight *f, const struct memcg_frag *frags, size_t n, size_t sent);
/* What the system has told of: references dropped; -errno. */
__hidden_ long flight_complete(int fd);
/* Of sockets that are closed; *all: what others were told of as well. How many. */
__hidden_ long flight_sweep(bool all);

__hidden_ void flight_fork_prepare(void);
__hidden_ void flight_fork_parent(void);
__hidden_ void flight_fork_child(void);

HOOK_DECLARE(flight_sent); /* the call is back, and nothing was done since */
HOOK_DECLARE(flight_told); /* ranges are read, and not looked at yet */

#endif
