/* serve.c - the thread, its clients, its end, and forks. Theory in serve.h. */
#include "ctl/serve.h"

#include <errno.h>
#include <string.h>

#include "alloc/thread.h"
#include "page/page.h"
#include "sync/lock.h"
#include "sys/clock.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/id.h"
#include "sys/io.h"
#include "sys/log.h"
#include "sys/poller.h"
#include "sys/thread.h"
#include "sys/unix.h"

#define NAME	     "memcg-control"
#define KEY_LISTEN   0u
#define KEY_BELL     1u
#define KEY_FIRST    2u
#define IDLE	     2000 /* ms: who waits at a closed descriptor is not told, and has to look */
#define ACCEPT_AGAIN 100  /* ms, when there was no descriptor for who comes */

/* LOST: the thread found its descriptors closed and has ended; it is not joined yet. */
enum state { NONE, STARTING, RUNNING, STOPPING, LOST };

static u32 state;				  /* enum state; by compare-and-swap */
static u32 generation;				  /* of processes; written in the child of a fork */
static u32 thread_tid;				  /* the thread's number, once it runs */
static pthread_t thread;			  /* of who is RUNNING, STOPPING or LOST */
static struct lock table = LOCK_INIT(RANK_SERVE); /* serve_lock */

/* The thread's, between start and stop; the table of clients under serve_lock. */
static struct {
	struct serve_place place;
	u32 process; /* that made it */
	int poll, bell;
	u32 next_key;
	u64 deaf_since; /* who comes is not asked for until ACCEPT_AGAIN is over; 0: he is */
	struct serve_client *client[SERVE_CLIENTS];
} serve;

void serve_lock(void)
{
	lock_acquire(&table);
}

void serve_unlock(void)
{
	lock_release(&table);
}

int serve_poll_add(int fd, u64 key)
{
	return sys_poll_add(serve.poll, fd, key, SYS_POLL_IN);
}

void serve_poll_remove(int fd)
{
	sys_poll_remove(serve.poll, fd);
}

static bool change(u32 from, u32 to)
{
	return atomic_cas(&state, &from, to);
}

/* --- clients come and go ------------------------------------------------------------------------
 */

bool serve_peer_allowed(u32 peer, u32 self)
{
	return peer == self || peer == 0;
}

/* NULL: the table is full. */
static struct serve_client **free_place(void)
{
	for (unsigned i = 0; i < SERVE_CLIENTS; i++)
		if (!serve.client[i])
			return &serve.client[i];
	return NULL;
}

/* Keys are not used again before 2^32 others: an event that was waiting names its client. */
static struct serve_client *client_new(struct serve_client **at, int fd)
{
	struct serve_client *c = meta_alloc(sizeof(*c));

	if (!c)
		return NULL;
	serve.next_key = MAX(serve.next_key + 1, KEY_FIRST);
	*c = (struct serve_client){
		.fd = fd, .key = serve.next_key, .polled = SYS_POLL_IN, .watch.bell = -1};
	serve_own_note(&c->is, fd);
	if (sys_poll_add(serve.poll, fd, c->key, c->polled)) {
		meta_free(c, sizeof(*c));
		return NULL;
	}
	serve_lock();
	*at = c;
	serve_unlock();
	return c;
}

/*
 * Off the table first: a child that begins meanwhile has an open descriptor more, no more. It is
 * taken out of the poll although it is closed: a copy that a child has would keep it there.
 */
static void client_drop(struct serve_client **at)
{
	struct serve_client *c = *at;

	serve_lock();
	*at = NULL;
	serve_unlock();
	sys_poll_remove(serve.poll, c->fd);
	serve_client_end(c);
	meta_free(c, sizeof(*c));
}

static void refuse(int fd, const char *name, const char *why)
{
	struct serve_client c = {.fd = fd, .watch.bell = -1};

	serve_client_refuse(&c, name, why);
	serve_client_end(&c);
}

static void welcome(int fd)
{
	struct serve_client **at = free_place();
	u32 user;

	if (sys_unix_peer(fd, &user) || !serve_peer_allowed(user, sys_user_id()))
		refuse(fd, "EACCES", "another user's process");
	else if (!at)
		refuse(fd, "EMFILE", "64 clients are here already");
	else if (!client_new(at, fd))
		refuse(fd, "ENOMEM", "no memory for another client");
}

/* One at a time: the others are told of again. Where no descriptor is left, they wait for one. */
static void accept_one(void)
{
	int fd = sys_unix_accept(serve.place.listen);

	if (fd >= 0)
		welcome(sys_fd_high(fd));
	else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		serve.deaf_since = sys_poll_change(serve.poll, serve.place.listen, KEY_LISTEN, 0)
					   ? 0
					   : sys_clock_ns();
}

/* By the clock, whatever others have to say meanwhile. */
static void hear_again(void)
{
	if (serve.deaf_since && sys_clock_ns() - serve.deaf_since >= ACCEPT_AGAIN * 1000000ul &&
	    !sys_poll_change(serve.poll, serve.place.listen, KEY_LISTEN, SYS_POLL_IN))
		serve.deaf_since = 0;
}

/* The poll first: in the child of a fork it is the parent's too, and goes on knowing the clients.
 */
static void close_poll(void)
{
	if (serve.poll >= 0)
		sys_close(serve.poll);
	if (serve.bell >= 0)
		sys_close(serve.bell);
	serve.poll = serve.bell = -1;
}

/* The program may have other files by the numbers of ours. */
static void forget_lost(void)
{
	if (!serve_own_poll(&serve.place, serve.poll, serve.bell))
		serve.poll = -1;
	if (serve.poll < 0 || !sys_poll_has(serve.poll, serve.bell))
		serve.bell = -1;
	for (unsigned i = 0; i < SERVE_CLIENTS; i++)
		if (serve.client[i])
			serve_own_client(serve.client[i], serve.poll);
	serve_own_place(&serve.place);
}

static void close_rest(void)
{
	close_poll();
	for (unsigned i = 0; i < SERVE_CLIENTS; i++)
		if (serve.client[i])
			client_drop(&serve.client[i]);
	serve_place_close(&serve.place);
}

static void close_all(void)
{
	forget_lost();
	close_rest();
}

/* --- the thread
 * ------------------------------------------------------------------------------------ */

static struct serve_client *client_of(u32 key)
{
	for (unsigned i = 0; i < SERVE_CLIENTS; i++)
		if (serve.client[i] && serve.client[i]->key == key)
			return serve.client[i];
	return NULL;
}

/* What a client sends while it is being answered waits in its socket. */
static void tell_client(struct serve_client *c, unsigned what)
{
	if (what & (SYS_POLL_OUT | SYS_POLL_END))
		c->blocked = false; /* the next step finds out */
	c->hung |= (what & SYS_POLL_END) != 0;
	if (what & (SYS_POLL_IN | SYS_POLL_END) && !serve_client_ready(c))
		serve_client_receive(c);
}

static void tell(const struct sys_polled *e)
{
	struct serve_client *c;

	if (e->key == KEY_LISTEN) {
		accept_one();
		return;
	}
	c = e->key == KEY_BELL ? NULL : client_of((u32)e->key);
	if (c && e->key == c->key)
		tell_client(c, e->what);
	else if (c)
		serve_watch_look(c);
}

/* True: it could go on at once. */
static bool step(struct serve_client **at)
{
	struct serve_client *c = *at;
	unsigned wants;

	if (serve_client_ready(c))
		serve_client_step(c);
	if (c->over) {
		serve_own_client(c, serve.poll);
		client_drop(at);
		return false;
	}
	wants = serve_client_wants(c);
	if (wants != c->polled && !sys_poll_change(serve.poll, c->fd, c->key, wants))
		c->polled = wants;
	if (serve_client_ready(c))
		return true;
	if (!c->blocked)
		serve_client_rest(c);
	return false;
}

static bool step_all(u32 mine)
{
	bool more = false;

	for (unsigned i = 0; i < SERVE_CLIENTS && mine == generation; i++)
		if (serve.client[i])
			more |= step(&serve.client[i]);
	return more;
}

/* False: there is nothing to wait with any more; the program has closed what it did not open. */
static bool wait_and_tell(bool more)
{
	struct sys_polled events[SYS_POLLED_MAX];
	int ms = more ? 0 : serve.deaf_since ? ACCEPT_AGAIN : IDLE;
	int n = sys_poll_wait(serve.poll, events, SYS_POLLED_MAX, ms);

	hear_again();
	for (int i = 0; i < n; i++)
		tell(&events[i]);
	return n >= 0;
}

/* Ours are the poll, and the socket that is listened on, which tells it. */
static bool all_there(void)
{
	return serve_own_is(&serve.place.listen_is, serve.place.listen) &&
	       sys_poll_has(serve.poll, serve.place.listen);
}

/* Who stops it meanwhile, or the child of a fork, does what is to be done here. */
static void give_up(void)
{
	if (!change(RUNNING, LOST))
		return;
	log_line("control socket %s: closed by the program; it is over", serve.place.path);
	serve_place_unlink(&serve.place);
	close_all();
}

/* A callback that forks finds itself the only thread of the child: it ends with the callback. */
static void *control(void *arg)
{
	u32 mine = generation;
	bool more = false;

	(void)arg;
	thread_make_ours();
	atomic_store(&thread_tid, memcg__self->tid);
	while (mine == generation && atomic_load_acquire(&state) != STOPPING) {
		if (!all_there() || !wait_and_tell(more)) {
			give_up();
			break;
		}
		more = step_all(mine);
	}
	return NULL;
}

/* --- start and stop
 * ---------------------------------------------------------------------------------- */

static int open_poll(void)
{
	int err;

	serve.bell = -1;
	serve.poll = sys_poll_new();
	if (serve.poll < 0)
		return serve.poll;
	serve.poll = sys_fd_high(serve.poll);
	serve.bell = sys_eventfd();
	if (serve.bell < 0)
		return serve.bell;
	serve.bell = sys_fd_high(serve.bell);
	err = sys_poll_add(serve.poll, serve.place.listen, KEY_LISTEN, SYS_POLL_IN);
	return err ? err : sys_poll_add(serve.poll, serve.bell, KEY_BELL, SYS_POLL_IN);
}

static int start(const char *path)
{
	struct memcg *before;
	int err = serve_place_open(&serve.place, path);

	if (err)
		return err;
	serve.deaf_since = 0;
	serve.process = sys_process_id();
	memset(serve.client, 0, sizeof(serve.client));
	err = open_poll();
	if (!err) {
		before = memcg_enter(NULL); /* what libc allocates for it */
		err = sys_thread_start(&thread, NAME, control, NULL);
		memcg_leave(before);
	}
	if (err) {
		serve_place_unlink(&serve.place);
		close_rest(); /* a poll that has nothing in it yet is ours all the same */
	}
	return err;
}

static void join_thread(void)
{
	sys_thread_join(thread);
	atomic_store(&thread_tid, 0u);
}

int memcg_serve(const char *path)
{
	int err;

	lib_up();
	if (change(LOST, STARTING))
		join_thread();
	else if (!change(NONE, STARTING))
		return -EALREADY;
	err = start(path);
	atomic_store_release(&state, err ? NONE : RUNNING);
	return err;
}

static bool inside(void)
{
	const struct task *self = task_self();

	return self && (self->tid == atomic_load(&thread_tid) || self->reclaiming);
}

/* Without a bell the thread finds out by itself, after IDLE. */
static void ring(void)
{
	if (serve_own_poll(&serve.place, serve.poll, -1) && sys_poll_has(serve.poll, serve.bell))
		sys_eventfd_signal(serve.bell);
}

int memcg_serve_stop(void)
{
	if (atomic_load_acquire(&state) == RUNNING && inside())
		return -EDEADLK;
	if (change(LOST, STOPPING)) {
		join_thread();
	} else if (change(RUNNING, STOPPING)) {
		serve_place_unlink(&serve.place);
		ring();
		join_thread();
		close_all();
	} else {
		return -ESRCH;
	}
	atomic_store_release(&state, NONE);
	return 0;
}

void serve_as_configured(const char *path)
{
	int err = memcg_serve(strcmp(path, "1") ? path : NULL);

	if (err && err != -EALREADY)
		log_line("MEMCG_CONTROL=%.200s: no control socket: %s", path,
			 strerrordesc_np(-err));
}

/* Not that of a process which had this one by a fork that nobody told us of. */
void serve_exit(void)
{
	if (atomic_load_acquire(&state) == RUNNING && serve.process == sys_process_id())
		serve_place_unlink(&serve.place);
}

/* --- forks
 * ---------------------------------------------------------------------------------------------- */

void serve_fork_prepare(void)
{
	lock_acquire(&table);
}

void serve_fork_parent(void)
{
	lock_release(&table);
}

/* The thread itself is here, in a callback that forked: it will drop them, when it gets there. */
static void disown_clients(void)
{
	forget_lost();
	for (unsigned i = 0; i < SERVE_CLIENTS; i++)
		if (serve.client[i]) {
			if (serve.client[i]->fd >= 0)
				sys_close(serve.client[i]->fd);
			serve.client[i]->fd = -1;
		}
	close_poll();
	serve_place_close(&serve.place);
}

/*
 * The parent's socket goes on: here are copies of its descriptors, and of what its clients have.
 * Tolerated: a start that was under way leaves its descriptors here until an exec.
 */
void serve_fork_child(void)
{
	u32 was = state;
	bool self = task_self() && memcg__self->tid == thread_tid;

	lock_release(&table);
	generation++;
	state = NONE;
	thread_tid = 0;
	if (was != RUNNING && was != STOPPING && was != LOST)
		return;
	if (self)
		disown_clients();
	else
		close_all();
}
