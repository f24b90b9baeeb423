/*
 * event.h - what happened to a group: counts, and descriptors that say there are news.
 *
 * 1. Counts. An event is counted in the group it is about and in every ancestor up to the root
 *    (events), and the kernel's seven also in that group alone (events_local). Nobody ever
 *    subtracts: what happened in a group stays in its ancestors when the group is gone.
 * 2. Watches. A watch is an eventfd of somebody who waits for some of a group's events. They hang
 *    off the group by one pointer that is NULL until the first comes: an event costs a group
 *    that nobody watches one load.
 * 3. Armed. A watch is written to only while it is armed, and is not armed any more once it has
 *    been written to: however many events there are, its reader is told once. The reader
 *    arms it again and reads the counts after that, in this order. So an event is either in the
 *    counts he reads, or finds the watch armed:
 *	raise: count, then load the pointer and `armed`
 *	read:  store the pointer or `armed`, then load the counts
 *    Each side's second access must not pass its first: all four are sequentially consistent.
 * 4. event_lock (the last rank: whoever raises an event may hold any lock, or be in an RCU section)
 *    covers lists of watches and their fields, and is held while a descriptor is written to: so
 *    a number is never written to once it is closed. eventfds are made O_NONBLOCK. No memory is
 *    taken or given back under it.
 * 5. Offline no more events can happen: all watches are written to once, armed or not, and their
 *    readers see memcg_online(). The child of a fork has no watches: the files behind them
 *    are its parent's too.
 */
#ifndef MEMCG_GROUP_EVENT_H
#define MEMCG_GROUP_EVENT_H

#include <memcg/event.h>

#include "base/bits.h"

/* The kernel's, in the order of its memory.events; then ours, which no watch and no file of events
 * shows: charges refused; of those the ones of MEMCG_NOWAIT; charges made past a max; and writes to
 * memory.move_charge_at_immigrate. */
enum group_event {
	EV_LOW,
	EV_HIGH,
	EV_MAX,
	EV_OOM,
	EV_OOM_KILL,
	EV_OOM_GROUP_KILL,
	EV_SOCK_THROTTLED,
	EV_REFUSED,
	EV_NOWAIT,
	EV_NOFAIL,
	EV_RESERVE,
	EV_MOVE_CHARGE,
	EV_NR
};
#define EV_KERNEL_NR (EV_SOCK_THROTTLED + 1u)

struct event_watch;
struct event_set;

/* Raises one. From wherever memory is charged: takes none (but for a group that was never charged:
 * record.h), waits for nobody, runs no code of the program. cg is kept by a reference or an RCU
 * section of the caller's. */
__hidden_ void group_event(struct memcg *cg, enum group_event ev);

/* The counts, as a reader must read them after event_watch_arm(). */
__hidden_ u64 event_count(const struct memcg *cg, enum group_event ev); /* of the subtree */

/*
 * A watch, armed, of the events in mask: bits of enum memcg_event for those of the subtree,
 * EVENT_LOCAL() of them for the group's own. With mask 0 it is told of the group's end
 * alone. fd is an eventfd and becomes the watch's: event_watch_del() closes it. The
 * caller keeps a reference of the group until then. NULL and errno: ENOMEM, ENODEV (offline).
 */
#define EVENT_LOCAL(mask) ((u32)(mask) << 16)
__hidden_ struct event_watch *event_watch_add(struct memcg *cg, u32 mask, int fd);
/* fd stays the caller's, who closes it after the watch's end: many watches may have one. */
__hidden_ struct event_watch *event_watch_add_lent(struct memcg *cg, u32 mask, int fd);
__hidden_ void event_watch_del(struct event_watch *w);
__hidden_ void event_watch_arm(struct event_watch *w); /* then read the counts */

__hidden_ void event_offline(struct memcg *cg); /* after the tree says so; no lock held */
__hidden_ void event_free(struct memcg *cg);	/* the struct goes */
__hidden_ void event_fork_prepare(void);
__hidden_ void event_fork_parent(void);
__hidden_ void event_fork_child(void);

#endif
