/*
 * memcg/mm.h - managed memory: addresses whose pages come when they are touched and go when their
 * group is over its limit, to compressed memory and to a file. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_MM_H
#define MEMCG_MM_H

#include <memcg/group.h>

MEMCG_BEGIN_DECLS

/** An address space: ranges that one group pays for. Threads need not be in the group. */
struct memcg_mm;
struct memcg_file;
struct iovec;

/**
 * Makes an address space. Whatever is first touched through it from now on is charged to cg (NULL:
 * the active group; after its destruction, to its parent). NULL and ENOMEM, or ENOSYS where the
 * system has no file in memory. The first one installs a handler for SIGBUS and chains the one it
 * finds, for what is not its own (what somebody sent, memory that is broken: BUS_MCEERR_AR, AO): a
 * program that sets its own later must call ours. Where the system refuses userfaultfd one log line
 * says so, and ranges must be pinned (memcg_pin) before they are used. mlockall(MCL_FUTURE) before
 * it does no harm; mlockall(MCL_CURRENT) after it brings in all that could ever be managed: a
 * program that wants that says MCL_ONFAULT too.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_mm *memcg_mm_create(struct memcg *cg);
/** Unmaps all of it. NULL is allowed. What others hold of its pages stays theirs. */
MEMCG_API void memcg_mm_destroy(struct memcg_mm *mm);

enum memcg_map_flags {
	MEMCG_MAP_SHARED = 1u << 0,   /**< anonymous pages that memcg_mmap_same may map again */
	MEMCG_MAP_PREFAULT = 1u << 1, /**< all pages are brought in at once, or ENOMEM */
	MEMCG_MAP_LOCKED = 1u << 2    /**< and stay until they are unmapped */
};

/**
 * A range of length bytes, rounded up to pages, at addresses of the library's choice, multiples of
 * 2 MiB. prot: PROT_READ, with PROT_WRITE or without. file NULL: anonymous, zero, private to the
 * range unless MEMCG_MAP_SHARED; offset is then 0. NULL and errno: EINVAL (length 0, offset
 * not of a page, unknown prot or flags), EOVERFLOW, ENOMEM; of a file EACCES and EFBIG as with
 * memcg_file_open, and with MEMCG_MAP_PREFAULT or _LOCKED ENXIO (behind its end) and EIO (it cannot
 * be read). Not inherited by fork: the child must not use it. A system call on a page that is not
 * in memory gives EFAULT: pin it. Touching it after memcg_munmap is SIGSEGV.
 */
MEMCG_API void *memcg_mmap(struct memcg_mm *mm, size_t length, int prot, unsigned flags,
			   struct memcg_file *file, uint64_t offset);
/**
 * The pages of a shared range, from addr on, mapped once more, in this or another mm; each page
 * goes on being paid for by whoever brought it in. EINVAL: not the addresses of a shared range.
 */
MEMCG_API void *memcg_mmap_same(struct memcg_mm *mm, const void *addr, size_t length, int prot,
				unsigned flags);

/**
 * The file of fd, cached in managed memory; fd may be closed after. Opening a file twice, by
 * whatever descriptors, gives the same pages; whoever brings one in pays for it. Map it with
 * memcg_mmap: what is written there is the file's after memcg_file_sync, or when the page is
 * reclaimed. Flags: 0. NULL and errno: EBADF; EINVAL (not a regular file, O_APPEND or O_DIRECT,
 * flags); EACCES (not open for reading); ENOMEM, EMFILE. Writes to the file by other means than its
 * windows are not seen as long as the pages are cached, nor that it was made shorter and as long
 * again in between; that it is longer or shorter than before is. Mapping it fails with EACCES
 * (PROT_WRITE and fd is for reading), EFBIG (it has grown by more than half, and 16 MiB, since it
 * was first opened). Touching a page behind its end, or one that cannot be read, is a SIGBUS for
 * the program.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_file *memcg_file_open(int fd, unsigned flags);

/**
 * Everything written through windows of the file before the call is on its device: 0. Else an error
 * of writing it back, now or since the last sync of this handle (EIO, ENOSPC, EFBIG): what could
 * not be written stays in memory and is tried again. Each handle gets an error once. -EINVAL: NULL,
 * or nothing could be written because fd's file has been given O_APPEND since (fcntl). EIO also
 * when the program has closed the library's own descriptor.
 */
MEMCG_API int memcg_file_sync(struct memcg_file *file);

/**
 * Copies from the file's pages, brought in and paid for by the active group where they are not yet;
 * with what was written through windows. Bytes, fewer than n only at the end; 0 there. -EINVAL,
 * -ENOMEM, -EIO, and -EFBIG as for mapping: then it may have filled a part of buf, which may be
 * managed memory.
 */
MEMCG_API ssize_t memcg_file_read(struct memcg_file *file, void *buf, size_t n, uint64_t offset);
/**
 * Windows of it stay. When the last handle and window are gone, what is not yet in the file is
 * written, without waiting for the device, and the pages go. NULL is allowed.
 */
MEMCG_API void memcg_file_close(struct memcg_file *file);

/**
 * Unmaps [addr, addr + length), of one range or several. Private pages go with it, at once; one
 * that is pinned, with its pin. 0; -EINVAL (addr not of a page, not all of it this mm's), -ENOMEM.
 */
MEMCG_API int memcg_munmap(struct memcg_mm *mm, void *addr, size_t length);

enum memcg_advice {
	MEMCG_COLD = 1,	    /**< will not be used soon: first to go */
	MEMCG_PAGEOUT = 2,  /**< goes now, as far as it can */
	MEMCG_WILLNEED = 3, /**< comes in now */
	/** private: the content goes, it reads as zero; else only unmapped. What is pinned stays */
	MEMCG_DONTNEED = 4
};
/**
 * As madvise(2), for pages of this mm; also when they are locked (mlock), which holds back the
 * system, not this. 0; -EINVAL. WILLNEED, if not all came in: as memcg_pin. DONTNEED: -EBUSY, some
 * stay because the system keeps them mapped (locked ones before Linux 5.18).
 */
MEMCG_API int memcg_madvise(struct memcg_mm *mm, void *addr, size_t length, unsigned advice);

/**
 * Brings every page of the range in, mapped, and keeps it there until memcg_unpin: for system calls
 * and devices. Nests. 0; -EFAULT: not managed memory, or unmapped; -ENXIO: behind the end of its
 * file; -ENOMEM, -EIO: nothing is pinned. An unpin too many ends the process when it is noticed.
 * Pinned memory is not reclaimed: pin what is in use, not more. Unmapped meanwhile, a page goes
 * with its last unpin, and its range's addresses are not used again before.
 */
MEMCG_API int memcg_pin(const void *addr, size_t length);
MEMCG_API void memcg_unpin(const void *addr, size_t length);

/** Passed as unsigned. Neither ANON nor FILE: memory.move_charge_at_immigrate of `to` says which.
 */
enum memcg_move_flags {
	/** private anonymous memory, what of it is swapped out too, and views of network pages */
	MEMCG_MOVE_ANON = 1u << 0,
	MEMCG_MOVE_FILE = 1u << 1,   /**< in memory: of files, and shared anonymous memory */
	MEMCG_MOVE_DRY_RUN = 1u << 2 /**< nothing is changed: says what would be */
};

/**
 * Bytes of the mm's ranges, 4096 for each page in memory, compressed or swapped out. Pages never
 * touched are in none, nor is anything in 2 MiB of a range where nothing was ever touched
 * through the mm. Passed with its size: it grows at the end.
 */
struct memcg_move {
	uint64_t moved;
	uint64_t mapped_elsewhere; /**< not mapped in the mm, but in another: stays */
	uint64_t busy;		   /**< in use this moment, or no room for it any more: stays */
	uint64_t not_ours;	   /**< another group's, the target's own too: stays */
	uint64_t refused;	   /**< ENOMEM: what was wanted, memory and swap; else 0 */
	uint64_t nsec;		   /**< what it took; of a dry run an estimate */
	uint64_t swapped;	   /**< shared memory that is swapped out: stays with who paid */
};

/**
 * Moves the mm to another group (NULL: the root), with what its group pays for in its ranges. All
 * of it is charged first, on the groups below the common ancestor only; then page after page
 * follows. From then on what is first touched through the mm is charged to `to`. Other threads
 * may go on using the mm. out may be NULL. Rate: MEMCG_MOVE_RATE.
 * 0; -EINVAL: no mm, unknown flags; -EBUSY: it is being moved; -ENOMEM: over a max of `to` or
 * above it, after reclaim, which runs the program's shrinkers: nothing has moved, the mm is
 * where it was. A dry run says so in `refused` and gives 0. Some 0.3 us a page.
 */
MEMCG_API int memcg_mm_move(struct memcg_mm *mm, struct memcg *to, unsigned flags,
			    struct memcg_move *out, size_t size);

/**
 * read(2), write(2), recv(2), send(2), readv(2) and writev(2) with the buffers pinned around the
 * call: any buffers, managed or not; the array of a vector itself is not managed memory. -1 and
 * errno: the call's, or memcg_pin's (ENOMEM, EIO, EFAULT), and then there was no call. Pins as long
 * as the call waits.
 */
MEMCG_API ssize_t memcg_io_read(int fd, void *buf, size_t n);
MEMCG_API ssize_t memcg_io_write(int fd, const void *buf, size_t n);
MEMCG_API ssize_t memcg_io_recv(int fd, void *buf, size_t n, int flags);
MEMCG_API ssize_t memcg_io_send(int fd, const void *buf, size_t n, int flags);
MEMCG_API ssize_t memcg_io_readv(int fd, const struct iovec *iov, int n);
MEMCG_API ssize_t memcg_io_writev(int fd, const struct iovec *iov, int n);

MEMCG_END_DECLS

#endif
