/*
 * memcg/report.h - looking at it. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_REPORT_H
#define MEMCG_REPORT_H

#include <memcg/group.h>

MEMCG_BEGIN_DECLS

enum memcg_report_flags {
	MEMCG_REPORT_NO_RECOUNT = 1u << 0, /**< the tree only */
	MEMCG_REPORT_QUIET = 1u << 1	   /**< print differences only */
};

/**
 * Prints the tree with usage beside limits; then the recount: counts
 * from the memory (descriptors, slots, owner entries; never counters) and names every
 * difference. Exact at a quiet moment: the caller sees to it that no other thread
 * allocates. 0; the number of differences as a positive value; -errno of the write.
 */
MEMCG_API int memcg_report(int fd, unsigned flags);

/** Objects, pages or charges of one kind, and their bytes. */
struct memcg_leftover {
	uint64_t objects, bytes;
};

/** What a destroyed group still owned, by the lines of memory.stat. Grows at the end. */
struct memcg_leftovers {
	size_t size;	/**< of the struct as the library knows it */
	uint64_t id;	/**< the group's */
	char path[256]; /**< it had, cut from the left when longer */
	struct memcg_leftover all;
	struct memcg_leftover slab, large, buffer, pagetables, kernel_stack, external, maps;
	struct memcg_leftover anon, file; /**< managed pages in memory; shared ones are file's */
	/** Managed pages that are swapped out, at their full size, and those in memory that are in
	 * the swap file still. No memory, so not in all; compressed copies are, in slab. */
	struct memcg_leftover swap;
	struct memcg_leftover sock; /**< network pages */
};

/**
 * Has fn told of every group that still owned memory when it was destroyed, itself or for groups
 * that were destroyed below it: in memcg_destroy, after the fact, counted from the memory by the
 * walk of memcg_report(). NULL: nobody is told; that costs nothing. Otherwise each destroy that
 * leaves something costs a walk over all memory: for finding leaks, not for every day. Exact when
 * no other thread allocates or frees. fn runs with no lock of the library's held and may call
 * anything; a call of an fn that is replaced may still be running on another thread when this
 * returns. With MEMCG_LEFTOVERS=1 in the environment each is also a line of the log. 0; -ENOMEM.
 */
MEMCG_API int memcg_set_leftovers(void (*fn)(const struct memcg_leftovers *left, void *arg),
				  void *arg);

/**
 * Opens the control socket of this process, for memcg(1) and whoever speaks docs/control.md: a
 * thread of the library's, named memcg-control, with every signal blocked, that shows the groups
 * and changes them as their files allow. Only processes of this user, and root's, are answered.
 * path: a name with a '/' in an existing directory; NULL: PID.sock in $XDG_RUNTIME_DIR/memcg or,
 * without that variable, in /tmp/memcg-UID, which is made. MEMCG_CONTROL=1 or =PATH in the
 * environment calls it when the library comes up.
 *
 * What a client asks for is done on that thread, the program's code with it: shrinkers and OOM
 * handlers where a client writes memory.reclaim or lowers a limit, drop functions and what
 * memcg_set_leftovers() was given where one removes a group.
 *
 * The socket goes with memcg_serve_stop() and at exit. The child of a fork has neither it nor the
 * thread, and may call this itself; after exec both are gone. A program that becomes a daemon calls
 * it after that.
 *
 * 0; -EALREADY: there is one; -EINVAL: no name in the path; -ENAMETOOLONG: over 107 bytes;
 * -EADDRINUSE: something has that name that is no socket of this user's, or somebody answers there
 * (a socket that nobody listens on is replaced); -EPERM: the default directory is another
 * user's, or others may write to it; -ENOTDIR: that, or a symbolic link; -ENOENT, -EACCES, -ENOSPC:
 * the directory is not there, or not to be written to; -EAGAIN: no thread was to be had; -EMFILE,
 * -ENFILE, -ENOMEM. Nothing is left of a refused one. Any thread, no signal handler. Cost: some 20
 * system calls; while nobody is connected, a look every two seconds.
 */
MEMCG_API int memcg_serve(const char *path);

/**
 * Ends the control socket: removes its name, closes all connections, waits for what it is doing. 0;
 * -ESRCH: there is none; -EDEADLK: on its thread, or in a shrinker or an OOM handler.
 */
MEMCG_API int memcg_serve_stop(void);

MEMCG_END_DECLS

#endif
