/* rcvbuf.c - lowering and setting back. Theory in rcvbuf.h. */
#include "net/rcvbuf.h"

#include "page/page.h"
#include "sync/lock.h"
#include "sys/io.h"
#include "sys/sock.h"

#define CHAINS 256u

struct record {
	struct record *next;
	u64 device, inode;
	struct sys_window was; /* before it was lowered */
	int low;	       /* what the system has made of RCVBUF_LOW */
	int fd;
	bool busy;
};

u32 rcvbuf_lowered;
static struct record *chains[CHAINS]; /* records_lock; read racily for NULL */
static struct lock records_lock = LOCK_INIT(RANK_RCVBUF);

static struct record **chain_of(int fd)
{
	return &chains[(u32)fd % CHAINS];
}

static struct record *find_locked(int fd)
{
	struct record *r = *chain_of(fd);

	while (r && r->fd != fd)
		r = r->next;
	return r;
}

static struct record *add_locked(int fd)
{
	struct record *r = meta_alloc(sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct record){.next = *chain_of(fd), .fd = fd};
	atomic_store(chain_of(fd), r);
	atomic_add(&rcvbuf_lowered, 1u);
	return r;
}

static void forget(struct record *r)
{
	struct record **at = chain_of(r->fd);

	lock_acquire(&records_lock);
	while (*at != r)
		at = &(*at)->next;
	atomic_store(at, r->next);
	atomic_sub(&rcvbuf_lowered, 1u);
	lock_release(&records_lock);
	meta_free(r, sizeof(*r));
}

static bool is_of(const struct record *r, const struct sys_file_info *f)
{
	return r->device == f->device && r->inode == f->inode;
}

/* The record of a socket that is to be lowered, busy; NULL: it is, or somebody is at it. */
static struct record *begin(int fd, const struct sys_file_info *f)
{
	struct record *r;

	lock_acquire(&records_lock);
	r = find_locked(fd);
	if (!r)
		r = add_locked(fd);
	else if (r->busy || is_of(r, f))
		r = NULL;
	if (r) {
		r->device = f->device;
		r->inode = f->inode;
		r->busy = true;
	}
	lock_release(&records_lock);
	return r;
}

static void end(struct record *r)
{
	lock_acquire(&records_lock);
	r->busy = false;
	lock_release(&records_lock);
}

/* Not of what is lower already: it would be raised. */
static bool lower(struct record *r)
{
	struct sys_window now;

	if (sys_window_get(r->fd, &r->was) || r->was.size <= 2 * RCVBUF_LOW)
		return false;
	if (sys_window_set(r->fd, RCVBUF_LOW) || sys_window_get(r->fd, &now))
		return false;
	r->low = now.size;
	return true;
}

void rcvbuf_lower(int fd)
{
	struct sys_file_info f;
	struct record *r;

	if (sys_file_info(fd, &f))
		return;
	r = begin(fd, &f);
	if (!r)
		return;
	if (lower(r))
		end(r);
	else
		forget(r);
}

static struct record *begin_restore(int fd)
{
	struct record *r;

	if (!atomic_load(chain_of(fd)))
		return NULL;
	lock_acquire(&records_lock);
	r = find_locked(fd);
	if (r && r->busy)
		r = NULL;
	if (r)
		r->busy = true;
	lock_release(&records_lock);
	return r;
}

void rcvbuf_restore_slow(int fd)
{
	struct record *r = begin_restore(fd);
	struct sys_file_info f;
	struct sys_window now;

	if (!r)
		return;
	if (!sys_file_info(fd, &f) && is_of(r, &f) && !sys_window_get(fd, &now) &&
	    now.size == r->low)
		sys_window_restore(fd, &r->was);
	forget(r);
}

/* Whoever had the lock, or was at a record, is not here. */
void rcvbuf_fork_child(void)
{
	lock_init(&records_lock, RANK_RCVBUF);
	for (u32 i = 0; i < CHAINS; i++)
		for (struct record *r = chains[i]; r; r = r->next)
			r->busy = false;
}
