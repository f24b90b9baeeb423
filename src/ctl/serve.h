/*
 * serve.h - the control socket (docs/control.md): one thread that answers those who look at the
 * groups of this process and change them from outside.
 *
 * 1. The thread (serve.c) is made by memcg_serve and by nothing else. It waits for all descriptors
 *    at once (sys/poller.h) and then gives every client that can go on one step: a piece of an
 *    answer, or one request. So nobody waits for a client longer than for a step of each other one.
 *    What a request does is done in it, also if that takes long: reclaim, a recount.
 * 2. A client (serve_client.c) is a line being received and a piece being sent, each of at most
 *    64 KiB, there only while it is needed. One that does not read is not written to; one that
 *    sends half a line is waited for; neither costs a thread or anybody's time.
 * 3. An answer that does not fit a piece is `more` of the client: a function that fills the next
 *    one when that is out. It keeps its place by references (serve_rows.c) or has a text (4).
 * 4. A file's text that is longer than a piece is made whole, in a mapping of its own, and sent
 * from there: a file cannot be made in pieces.
 * 5. The program's code runs on this thread where memcg_write, memcg_destroy and memcg_mm_move run
 *    it, and nowhere else: references are given back by group_put.
 * 6. serve_lock (RANK_SERVE) is held for moments, while what a client has comes or goes, so that
 *    the child of a fork finds it whole and can give it up (serve_fork_child). Everything else
 *    here is the thread's own. References that an answer holds while it is being made are
 *    missing in the client's struct: a child keeps them, tolerated, a struct of a group that
 *    owns nothing.
 */
#ifndef MEMCG_CTL_SERVE_H
#define MEMCG_CTL_SERVE_H

#include <memcg/report.h>

#include "ctl/text.h"
#include "group/group.h"

#define SERVE_PROTOCOL 1
#define SERVE_CLIENTS  64u
#define SERVE_LINE     ((u32)(64 * KIB)) /* of a request, its newline with it */
#define SERVE_LINE_MIN 4096u
#define SERVE_PIECE    ((u32)(64 * KIB)) /* of an answer, head and all */
#define SERVE_HEAD     32u		 /* before the text: "more 65504" and such */

/* --- serve.c ------------------------------------------------------------------- */

__hidden_ void serve_fork_prepare(void);
__hidden_ void serve_fork_parent(void);
__hidden_ void serve_fork_child(void);
/* As MEMCG_CONTROL asked: a line when it cannot be. Threads can be made, no lock is held. */
__hidden_ void serve_as_configured(const char *path);
/* The process ends: the name goes, the thread goes on. */
__hidden_ void serve_exit(void);
__hidden_ void serve_lock(void);
__hidden_ void serve_unlock(void);
__hidden_ bool serve_peer_allowed(u32 peer, u32 self); /* users */

/* --- serve_place.c: the name that is listened on ----------------------------------- */

/* Which file a descriptor was opened for: serve_own.c. */
struct serve_own {
	u64 device, inode; /* 0: not known */
};

struct serve_place {
	int listen, dir; /* descriptors */
	struct serve_own listen_is, dir_is;
	u64 device, inode;   /* of the name, as it was made */
	char name[80];	     /* in dir */
	char path[4096 + 8]; /* whole, for lines */
};
/* path NULL: the default. 0, or as memcg_serve. */
__hidden_ int serve_place_open(struct serve_place *p, const char *path);
__hidden_ void serve_place_unlink(struct serve_place *p); /* if it is ours still */
__hidden_ void serve_place_close(struct serve_place *p);

/* --- serve_client.c: one connection ------------------------------------------------- */

struct serve_client;

/* Fills the next piece of the answer; true: it was not the last. */
typedef bool (*serve_more)(struct serve_client *c, struct text *t);

struct serve_rows {
	struct memcg *top, *at; /* referenced; at: whose row is next */
	u32 deepest;
};

struct serve_long {
	char *text; /* sys_map */
	size_t size, len, at;
};

/* Groups that a client is told of: serve_watch.c. */
struct serve_watch;
struct serve_watches {
	struct serve_watch *first;
	unsigned nr;
	int bell;   /* an eventfd that all of them write to; -1: there has been none */
	char *told; /* lines that are not on their way yet; NULL: none */
	u32 told_len;
};

struct serve_client {
	int fd;
	struct serve_own is;
	u32 key; /* of sys/poller.h: which client this is, not to be taken for one before it */
	unsigned polled; /* what is asked for there */
	/* What arrived: in[at, len) is not taken yet; lines are looked for from `seen` on. */
	char *in;
	u32 in_size, in_at, in_len, in_seen;
	/* The piece on its way: out[at, end). */
	char *out;
	u32 out_at, out_end;
	bool blocked; /* the socket took no more */
	bool eof;     /* nothing more will come, */
	bool hung;    /* and nobody reads */
	bool last;    /* after this piece it is over */
	bool over;
	serve_more more;			 /* NULL: the answer is whole */
	void (*give_up)(struct serve_client *c); /* of what `more` works on */
	union {
		struct serve_rows rows;
		struct serve_long text;
	};
	struct serve_watches watch;
};

__hidden_ void serve_client_receive(struct serve_client *c);	 /* what is there now */
__hidden_ bool serve_client_ready(const struct serve_client *c); /* a step would do something */
__hidden_ void serve_client_step(struct serve_client *c);
__hidden_ unsigned serve_client_wants(const struct serve_client *c); /* enum sys_poll */
/* Gives up what is not needed while nothing goes on. */
__hidden_ void serve_client_rest(struct serve_client *c);
/* Refused: the one line there is, if it can be had at once. */
__hidden_ void serve_client_refuse(struct serve_client *c, const char *name, const char *why);
__hidden_ void serve_client_end(struct serve_client *c); /* all but its struct and serve_lock */

/* --- serve_own.c: which descriptors are ours still ---------------------------------- */

__hidden_ void serve_own_note(struct serve_own *own, int fd);
__hidden_ bool serve_own_is(const struct serve_own *own, int fd);
__hidden_ bool serve_own_poll(const struct serve_place *p, int poll, int bell);
/* -1 instead of what is not. poll: ours, or -1. */
__hidden_ void serve_own_place(struct serve_place *p);
__hidden_ void serve_own_client(struct serve_client *c, int poll);

/* --- serve_request.c: what is asked ------------------------------------------------- */

/* One request. The answer goes to t, or is c->more's. */
struct serve_call {
	struct serve_client *client;
	char *arg[3]; /* NUL-terminated */
	size_t len[3];
	unsigned n;
	struct text *t;
	char why[256]; /* of a refusal, for people; "": what errno says */
};

/* line: without its newline; is taken apart. 0 or -errno, and c->why for that. */
__hidden_ int serve_dispatch(struct serve_call *call, char *line, size_t len);
/* New reference, or NULL, and the call is refused with ENOENT or EINVAL: *err. */
__hidden_ struct memcg *serve_group(struct serve_call *call, unsigned arg, int *err);

/* --- serve_rows.c, serve_read.c ------------------------------------------------------- */

__hidden_ int serve_rows(struct serve_call *call);
__hidden_ int serve_read(struct serve_call *call);
__hidden_ int serve_files(struct serve_call *call);

/* --- serve_watch.c ------------------------------------------------------------------- */

#define SERVE_WATCHES	   256u			      /* of one client */
#define SERVE_TOLD	   (SERVE_PIECE - SERVE_HEAD) /* bytes of events that wait for it */
#define SERVE_KEY_WATCH(k) ((u64)(k) | 1ul << 32)     /* of its bell, beside its own */

__hidden_ int serve_watch(struct serve_call *call);
__hidden_ int serve_unwatch(struct serve_call *call);
/* Its bell has rung: what rose is noted to be told. */
__hidden_ void serve_watch_look(struct serve_client *c);
__hidden_ void serve_watch_said(struct serve_client *c); /* what was noted is on its way */
__hidden_ void serve_watch_end(struct serve_client *c);

/* --- serve_move.c -------------------------------------------------------------------- */

__hidden_ int serve_move(struct serve_call *call);

/* For who opens more descriptors of a client: they are asked for in the same place. */
__hidden_ int serve_poll_add(int fd, u64 key);
__hidden_ void serve_poll_remove(int fd);

#endif
