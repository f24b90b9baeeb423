/*
 * run.h - the kind SOURCE_RUN: a tree made of slots.
 *
 *   /            all living processes of the run: numbers are sums, limits those of the header
 *   /PID         one process
 *   /PID/NAME    a group directly below its root, as its slot has a row for it
 *
 * A run seen as one of its processes (`only`) has that process as / and its groups below. A
 * process with a control socket answers for itself and all below it (run_peer.c).
 */
#ifndef MEMCG_SOURCE_RUN_H
#define MEMCG_SOURCE_RUN_H

#include "inside.h"
#include "slots.h"

#define RUN_PEERS   256u
#define RUN_WATCHES 256u

struct peer {
	pid_t pid;
	uint64_t start;
	struct source *source; /* NULL: it has none */
};

struct run_watch {
	char *path;
	uint64_t refused;
};

struct run {
	struct source base;
	struct slots slots;
	pid_t only;
	struct peer peers[RUN_PEERS];
	unsigned nr_peers;
	struct run_watch watches[RUN_WATCHES];
	unsigned nr_watches;
	unsigned turn; /* whose watch is looked at next */
};

enum place_kind { PLACE_RUN, PLACE_PROCESS, PLACE_GROUP };

/* What a path leads to. */
struct place {
	enum place_kind kind;
	struct process_view process; /* not of PLACE_RUN */
	const struct slot_row *row;  /* of PLACE_GROUP: in process.view */
	struct source *peer;	     /* not NULL: it is to be asked, for */
	const char *rest;	     /* this path */
};

/* 0; -ENOENT and why. */
int run_place(struct run *r, const char *path, struct place *out);

/* A process's own path, "/" when it is all there is. */
void run_process_path(const struct run *r, pid_t pid, char *buf, size_t size);

/* Sums over all processes; their number. */
struct run_totals {
	uint64_t current, peak, refused, cached, metadata, maps, processes;
	uint64_t fullest; /* the largest current of one */
};
void run_totals(struct run *r, struct run_totals *out);

/* NULL: the process has no control socket. Kept until the process or the source goes. */
struct source *run_peer(struct run *r, pid_t pid, uint64_t start);
void run_peers_close(struct run *r);

/* ---- run_rows.c, run_files.c, run_watch.c: of the table of the kind ---- */

int run_rows(struct source *s, const char *path, unsigned depth, struct rows *rows);
ssize_t run_read(struct source *s, const char *path, const char *file, char *buf, size_t size);
int run_files(struct source *s, const char *path, struct source_file **list, size_t *n);
int run_write(struct source *s, const char *path, const char *file, const char *text);
int run_watch(struct source *s, const char *path);
int run_event(struct source *s, struct source_event *e, int timeout_ms);

#endif
