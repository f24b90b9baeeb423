/*
 * source.h - where memcg(1) and its kin get groups from: a process that listens, or `memcg run`.
 *
 * A target is what the user names: nothing (the only one there is), a PID, or a path.
 *
 *   SOURCE_SOCKET  a process with a control socket (docs/control.md)
 *   SOURCE_RUN     a `memcg run` and the processes below it, seen through the file in memory that
 * it shares with them (ctl/slot.h): / is all of them, /PID one, /PID/NAME a group of its. Limits
 * can be set at / (they hold for each process). Where a process has a control socket (`memcg run
 * --control`), what lies below its /PID is asked of it, and everything works; without, making,
 * removing and moving groups is -EOPNOTSUPP, and source_why() names --control.
 *
 * Not for threads: one at a time may use a source. Nothing here prints. Functions return 0 or a
 * negative errno; source_why() then has one line for the user. -EPIPE: the process is gone.
 */
#ifndef MEMCG_SOURCE_H
#define MEMCG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum source_kind { SOURCE_SOCKET, SOURCE_RUN };

struct source;

struct source_info {
	enum source_kind kind;
	pid_t pid; /* of the process, or of `memcg run` */
	char comm[16];
	char command[256]; /* arguments with blanks between, cut short */
	char version[32];  /* of the library; "" where not known */
	char where[256];   /* the socket's path, or /proc/PID/fd/N */
};

/* NULL and *why: nobody there, several (they are named), not ours, another protocol. */
struct source *source_open(const char *target, char *why, size_t size);
void source_close(struct source *s);
const struct source_info *source_info(const struct source *s);
const char *source_why(const struct source *s);
/*
 * For all sources of this program: how long an answer may take at most. 0, as it is in the
 * beginning: 10 s for the first, 60 s for the others. Before threads use sources.
 */
void source_patience(unsigned ms);
/* To wait for events or the end with poll(2); -1: this kind has none, look again now and then. */
int source_fd(const struct source *s);

/*
 * All that could be opened, for `memcg ls` without a target: *list to be freed. `others`: root
 * finds those of other users, too.
 */
int source_find(bool others, struct source_info **list, size_t *n);
/* The directory where they are looked for. Returns buf. */
#define SOURCE_PLACE 96
const char *source_place(char buf[SOURCE_PLACE]);
/* One of them: NULL and *why when it is not that process any more. */
struct source *source_open_found(const struct source_info *info, char *why, size_t size);

/* ---- looking ---- */

/* clang-format off */
#define SOURCE_FIELDS(X) \
	X(current) X(peak) X(min) X(low) X(high) X(max) \
	X(swap_current) X(swap_high) X(swap_max) X(zswap_current) X(zswap_max) \
	X(anon) X(file) X(shmem) X(sock) X(slab) X(large) X(buffer) X(kernel_stack) \
	X(pagetables) X(external) X(maps) X(zswap) X(cached) X(metadata) X(stock) X(reclaimable) \
	X(low_events) X(high_events) X(max_events) X(oom) X(oom_kill) X(refused) \
	X(sock_throttled) X(pgfault) X(pgmajfault) X(pgscan) X(pgsteal) X(pswpin) X(pswpout) \
	X(zswpin) X(zswpout) X(some_avg10) X(full_avg10) X(some_total) X(full_total) \
	X(threads) X(children) X(inactive_file)
/* clang-format on */

#define SOURCE_MAX     UINT64_MAX	/* `max`: no limit */
#define SOURCE_UNKNOWN (UINT64_MAX - 1) /* `-` */

struct row {
	const char *path; /* "/web/tenant-7" */
	const char *name; /* what is behind its last slash; "/" for the root */
	uint64_t id;
	unsigned depth; /* below the row that was asked for, which has 0 */
	size_t parent;	/* its row; of the first its own */
	/*
	 * Of a run: its numbers are sums over `each` processes, its limits are for every one of
	 * them, and `fullest` is what that one uses that uses most: it is the one to hold against
	 * a limit. Elsewhere 0, and the row's own usage is held against its limits.
	 */
	uint64_t each, fullest;
#define SOURCE_FIELD(name) uint64_t name;
	SOURCE_FIELDS(SOURCE_FIELD)
#undef SOURCE_FIELD
};

/* Parents first. Keeps its memory from one call to the next: begin with {0}. */
struct rows {
	struct row *row;
	size_t n;
	size_t most;	 /* set by who asks: no more rows than that, the first ones; 0: all */
	size_t left_out; /* those there would be, beyond */
	uint64_t taken;	 /* CLOCK_MONOTONIC, ns */
	size_t room;
	char *text;
	size_t text_room;
};

/* depth: levels below path, 0 for its own row alone, UINT_MAX for all. */
int source_rows(struct source *s, const char *path, unsigned depth, struct rows *rows);
void rows_free(struct rows *rows);

/* The value of a field by its column's name; NULL: no such name. */
const uint64_t *row_field(const struct row *row, const char *name);

/* The whole text, with its length; at most size - 1 bytes and a NUL. -ERANGE: does not fit. */
ssize_t source_read(struct source *s, const char *path, const char *file, char *buf, size_t size);

struct source_file {
	char name[48];
	bool readable, writable, tells;
};
/* *list to be freed. */
int source_files(struct source *s, const char *path, struct source_file **list, size_t *n);

/* ---- changing ---- */

int source_write(struct source *s, const char *path, const char *file, const char *text);
int source_mkdir(struct source *s, const char *path);
int source_rmdir(struct source *s, const char *path);

struct source_move {
	uint64_t moved, mapped_elsewhere, busy, not_ours, refused, nsec;
};
int source_move(struct source *s, const char *path, const char *to, bool dry,
		struct source_move *out);

/* ---- events ---- */

struct source_event {
	char path[4096];
	char file[48], name[48];
	uint64_t count;
};

int source_watch(struct source *s, const char *path);
/* 1: *e is one. 0: none within timeout_ms (-1: for ever). */
int source_event(struct source *s, struct source_event *e, int timeout_ms);

#endif
