/*
 * slot.h - what `memcg run` and the processes it started tell each other.
 *
 * `memcg run` makes a memfd: one page of header, one slot for each process, then the execs that
 * no new image has answered yet (ctl/pending.h). The
 * environment says where (MEMCG_SLOT=/proc/PID-OF-RUN/fd/N). A process maps the header and the
 * slot it claims by adding one to `next`; it closes the descriptor and prints nothing: `run`
 * alone speaks to the user. Nobody waits for anybody: a process that is killed, or finds the
 * file gone, leaves the others as they were.
 *
 * Limits go the other way. They stand in the header, may change at any time, and are read
 * at every refill of a stock.
 *
 * Who writes what:
 *   header   `run`, before the first process; then only max and high, and `next` by claimers
 *   slot     the process that claimed it, one thread at a time (others skip their turn);
 *            identity before `state` leaves SLOT_EMPTY, numbers between two changes of `seq`;
 *            the root's numbers also at any time, word by word, by any of its threads
 *
 * Torn numbers. `seq` is odd while numbers change. Each word is stored with release and loaded
 * with acquire: a reader that sees one new word also sees the odd `seq` stored before it,
 * and begins again. The root's may be newer than the rows below it. A process killed half way
 * leaves `seq` odd for ever; the reader then takes what there is and is told so.
 *
 * An exec keeps the pid and claims another slot: of two slots with one pid and one start
 * time, the later is the process and the earlier what it was before. A child of fork claims
 * its own.
 */
#ifndef MEMCG_CTL_SLOT_H
#define MEMCG_CTL_SLOT_H

#include "base/types.h"
#include "sync/atomic.h"

#define SLOT_MAGIC    0x746f6c7367636d65ull /* "emcgslot" */
#define SLOT_VERSION  2u
#define SLOT_SIZE     4096u /* of the header too: each is mapped alone */
#define SLOT_DEFAULT  4096u /* processes that find room */
#define SLOT_ROWS     24u
#define SLOT_NAME_MAX 32u
#define SLOT_OTHERS   "/others" /* no group can have this name */
#define SLOT_COMMAND  256u
#define SLOT_EXECS    8192u /* execs under way, or of images that never came: ctl/pending.h */

enum slot_state {
	SLOT_EMPTY = 0,	    /* not claimed, or its claimer is still writing who it is */
	SLOT_STARTING = 1,  /* claimed by a new image */
	SLOT_RUNNING = 2,   /* numbers have been published */
	SLOT_EXITED = 3,    /* left by exit(): the last numbers are final */
	SLOT_EXECED = 4,    /* the image said that it goes */
	SLOT_FORKED = 5,    /* claimed by a child of fork, nothing published yet */
	SLOT_TOO_SMALL = 6, /* max is below what the program needs to start: it never ran */
};

enum slot_group_by {
	SLOT_GROUP_NONE = 0,
	SLOT_GROUP_THREAD = 1,
	SLOT_GROUP_NAME = 2,   /* of threads */
	SLOT_GROUP_OBJECT = 3, /* who allocates: the file its code came from */
};

enum slot_recount_state {
	SLOT_RECOUNT_NONE = 0,
	SLOT_RECOUNT_TAKEN = 1,
	SLOT_RECOUNT_BUSY = 2, /* other threads were allocating: a count would prove nothing */
};

struct slot_header {
	u64 magic;
	u32 version;
	u32 slot_size;
	u32 nr_slots;
	u32 next;     /* claims so far; beyond nr_slots: processes without room */
	u32 group_by; /* enum slot_group_by */
	u32 lost;     /* execs that found no entry */
	u64 max;      /* limits of each process's root; MEMCG_UNLIMITED: none */
	u64 high;
};

/* An exec, from before the call until the new image claims its slot. */
struct slot_exec {
	u32 pid; /* 0: free */
	u32 pad;
	u64 since;     /* CLOCK_MONOTONIC, ns; 0: not written yet */
	char name[16]; /* of the file */
};

/* One group; the row SLOT_OTHERS sums up those that have no row of their own. */
struct slot_row {
	char name[SLOT_NAME_MAX];
	u64 current;
	u64 peak;
	u64 max;
	u64 refusals;
};

struct slot_recount {
	u64 state; /* enum slot_recount_state */
	u64 differences;
	u64 memory;   /* bytes found in the memory */
	u64 counters; /* bytes the counters claim */
	u64 groups;
};

/* Everything that is published together; bytes unless it says otherwise. */
struct slot_view {
	u64 current; /* the root, cached and metadata within */
	u64 peak;
	u64 max;
	u64 high;
	u64 refusals; /* charges refused for max */
	u64 allocated;
	u64 cached;
	u64 metadata;
	u64 maps;     /* private anonymous maps of the program, charged */
	u64 foreign;  /* frees of blocks that were not ours, a number */
	u64 rss_anon; /* the process's own look at its end; 0: not taken */
	u64 groups;   /* number of groups, the root included */
	u64 nr_rows;
	struct slot_recount recount;
	struct slot_row rows[SLOT_ROWS];
};

struct slot {
	u32 seq;   /* odd: numbers are changing */
	u32 state; /* enum slot_state */
	u32 pid;
	u32 ppid;
	u64 start;   /* of the process, ticks since boot as in /proc/PID/stat */
	u64 exe_dev; /* the image: an exec that escapes us changes it */
	u64 exe_ino;
	u64 refreshed; /* publications, a number */
	u64 claimed;   /* CLOCK_MONOTONIC, ns */
	u64 forked;    /* 1: began as a copy of its parent */
	char comm[16];
	char command[SLOT_COMMAND]; /* arguments with spaces between, cut short */
	struct slot_view view __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct slot_header) <= SLOT_SIZE, "the header has one page");
_Static_assert(sizeof(struct slot) <= SLOT_SIZE, "a slot has one page");
_Static_assert(SLOT_EXECS * sizeof(struct slot_exec) % SLOT_SIZE == 0, "mapped by pages");
_Static_assert(sizeof(struct slot_view) % sizeof(u64) == 0, "a view is copied by words");

static inline u64 slot_execs_offset(u32 nr_slots)
{
	return ((u64)nr_slots + 1) * SLOT_SIZE;
}

static inline u64 slot_file_size(u32 nr_slots)
{
	return slot_execs_offset(nr_slots) + SLOT_EXECS * sizeof(struct slot_exec);
}

static inline u64 slot_offset(u32 index)
{
	return ((u64)index + 1) * SLOT_SIZE;
}

/* ---- the process's side (slot.c) ---- */

/*
 * Claims a slot in the file at `path`. 0; -ENOSPC: no slot left, limits are read all the same;
 * another -errno: nothing is mapped. Allocates nothing, keeps no descriptor, prints nothing.
 */
__hidden_ int slot_attach(const char *path);

/* In the child of fork, first thing: leaves the parent's slot, claims one. As slot_attach. */
__hidden_ int slot_fork_child(void);

/*
 * Copies numbers (rows beyond SLOT_ROWS are dropped); rss_anon and recount are left alone.
 * False: no slot, or another thread is publishing this moment, which will do.
 */
__hidden_ bool slot_publish(const struct slot_view *view);

/*
 * The numbers of the row that has this name. -ENOENT: none has; -ENOSPC: none, and there is no room
 * for it; -EBUSY: another thread is publishing.
 */
__hidden_ int slot_publish_row(const struct slot_row *row);

/* Where the root's numbers may be stored at any time, each by one relaxed store. NULL: no slot. */
__hidden_ struct slot_view *slot_live(void);

/* Our slot, NULL: none. Of a parent in vfork's child, whose memory it is. */
__hidden_ struct slot *slot_mine(void);

/* The header and the table of execs behind it; NULL: not mapped. */
__hidden_ struct slot_header *slot_header(void);
__hidden_ struct slot_exec *slot_execs(void);

/* False: no header is mapped, and both are as they were. */
__hidden_ bool slot_limits(u64 *max, u64 *high);

__hidden_ unsigned slot_group_by(void); /* SLOT_GROUP_NONE where nothing is mapped */

/* SLOT_EXITED also takes down how much anonymous memory the process has. */
__hidden_ void slot_mark(enum slot_state state);

__hidden_ void slot_recount(const struct slot_recount *recount);

__hidden_ bool slot_attached(void); /* a slot of our own is mapped */

/* ---- the reader's side: here, because the command links no internals ---- */

static inline void slot_load_words(void *dst, const void *src, size_t bytes)
{
	const u64 *from = (const u64 *)src;
	u64 *to = (u64 *)dst;

	for (size_t i = 0; i < bytes / sizeof(u64); i++)
		to[i] = atomic_load_acquire(&from[i]);
}

/* True: all rows are of one moment. False: the writer died while writing, or never rests. */
static inline bool slot_read(const struct slot *slot, struct slot_view *view)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		u32 seq = atomic_load_acquire(&slot->seq);

		slot_load_words(view, &slot->view, sizeof(*view));
		if (!(seq & 1) && atomic_load(&slot->seq) == seq)
			return true;
		cpu_relax();
	}
	return false;
}

#endif
