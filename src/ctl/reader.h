/*
 * reader.h - one who reads a file of a group again and again: memcg_ctl_*.
 *
 * 1. A reader is what an open file is in the kernel: it goes on naming its group after that was
 *    destroyed (it holds a reference, not a name), and then answers -ENODEV.
 * 2. memory.peak, memory.swap.peak. Once reset, a reader has its own: the most since then. The
 * counter has one local peak for all of them. Whoever resets starts that afresh, and first gives
 * what it had reached to the others of the same file: so what a reader shows is the larger of what
 * it was given and the local peak of now, and no reader sees another's reset. A group's readers
 * that have their own peak are on a list.
 * 3. News. A reader that was asked for a descriptor has a watch (group/event.h) on an eventfd
 *    of its own. Reading makes the descriptor unreadable, arms the watch, and then reads the
 *    counts: what happens after that makes it readable again.
 *    memory.pressure has news when its trigger says so (reclaim/psi.h): that writes to the same
 *    descriptor, and is not armed, as it writes no more than once a window.
 * 4. reader_lock covers lists, peaks, watches and descriptors of all readers: none of
 *    this is asked for often.
 * 5. In the child of a fork readers go on; the descriptors stay the parent's business, and
 *    memcg_ctl_fd makes another.
 */
#ifndef MEMCG_CTL_READER_H
#define MEMCG_CTL_READER_H

#include "base/compiler.h"

__hidden_ void reader_fork_prepare(void);
__hidden_ void reader_fork_parent(void);
__hidden_ void reader_fork_child(void);

#endif
