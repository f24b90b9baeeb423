/* flight.c - records, flights and what ends them. Theory in flight.h. */
#include "net/flight.h"

#include <errno.h>

#include "base/list.h"
#include "page/free.h"
#include "sync/lock.h"
#include "sys/sock.h"

#define CHAINS 256u
#define RANGES 32u /* read before they are looked at */

/* All under the lock, but what is constant. */
struct record {
	struct record *next; /* of its chain */
	u64 cookie;	     /* constant */
	int fd;		     /* constant */
	u32 number;	     /* of the next send */
	struct flight *sending;
	bool lost; /* no number is to be believed: given up once nobody sends */
	struct list flights;
};

/* Its sender's while it is `sending`, but for the link and done; then constant. */
struct flight {
	struct list link; /* record.flights, by number */
	struct record *of;
	u32 number;
	u32 n, room; /* pages that have a reference of it; of the array */
	bool done;
	u32 page[];
};

static struct record *chains[CHAINS];
static struct lock flight_lock = LOCK_INIT(RANK_FLIGHT);
static u32 in_flight; /* flights; the lock, read racily for 0 */

HOOK_DEFINE(flight_sent);
HOOK_DEFINE(flight_told);

/* --- records ------------------------------------------------------------------------- */

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

static bool is_of(const struct record *r, u64 cookie)
{
	return r->cookie == cookie && !r->lost;
}

/* Off its chain, its flights onto the list: to be given up. */
static void detach_locked(struct record *r, struct list *flights)
{
	struct record **at = chain_of(r->fd);

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	list_splice(flights, &r->flights);
	meta_free(r, sizeof(*r));
}

/* What has this number and is another socket's, or lost, goes. Not while a thread sends. */
static void forget_stale_locked(int fd, u64 cookie, struct list *flights)
{
	struct record *r = find_locked(fd);

	if (r && !r->sending && !is_of(r, cookie))
		detach_locked(r, flights);
}

/* --- references --------------------------------------------------------------------------- */

/*
 * The pages of the first `bytes` of the fragments, in order, one that goes on in the next fragment
 * once: how many; into page[] if that is not NULL.
 */
static u32 pages_of(const struct memcg_frag *frags, size_t n, size_t bytes, u32 *page)
{
	const struct memcg_page *last = NULL;
	u32 count = 0;

	for (size_t i = 0; i < n && bytes; i++) {
		if (!frags[i].page || !frags[i].length)
			continue;
		bytes -= MIN(bytes, (size_t)frags[i].length);
		if (frags[i].page == last)
			continue;
		last = frags[i].page;
		if (page)
			page[count] = page_to_index((const struct page *)last);
		count++;
	}
	return count;
}

static void put_pages(const u32 *index, u32 n, bool given_up)
{
	struct page *pages[FLIGHT_FRAGS];

	for (u32 i = 0; i < n; i++) {
		pages[i] = page_at(index[i]);
		if (given_up)
			atomic_or(&pages[i]->net.flags, (u8)NET_SENT);
	}
	pages_release(pages, n);
}

/* All of the list, which is the caller's; references dropped. */
static long put_flights(struct list *flights, bool given_up)
{
	struct list *at, *next;
	long count = 0;

	list_for_each_safe(at, next, flights)
	{
		struct flight *f = list_entry(at, struct flight, link);

		count += f->n;
		put_pages(f->page, f->n, given_up);
		meta_free(f, sizeof(*f) + f->room * sizeof(f->page[0]));
		atomic_sub(&in_flight, 1u);
	}
	return count;
}

static struct flight *flight_new(const struct memcg_frag *frags, size_t n)
{
	u32 room = pages_of(frags, n, SIZE_MAX, NULL);
	struct flight *f = meta_alloc(sizeof(*f) + room * sizeof(f->page[0]));

	if (!f)
		return NULL;
	list_init(&f->link);
	f->n = f->room = pages_of(frags, n, SIZE_MAX, f->page);
	f->done = false;
	for (u32 i = 0; i < f->n; i++)
		page_get(page_at(f->page[i]));
	atomic_add(&in_flight, 1u);
	return f;
}

static void flight_drop(struct flight *f)
{
	struct list one = LIST_INIT(one);

	list_add(&one, &f->link);
	put_flights(&one, false);
}

/* --- sending ------------------------------------------------------------------------------ */

static bool add_to_locked(struct record *r, struct flight *f)
{
	if (r->sending)
		return false;
	f->of = r;
	f->number = r->number;
	r->sending = f;
	list_add_tail(&r->flights, &f->link);
	return true;
}

/* True: f is of the socket's record now. *known: there is one. */
static bool add(int fd, u64 cookie, struct flight *f, bool *known)
{
	struct list stale = LIST_INIT(stale);
	struct record *r;
	bool added;

	lock_acquire(&flight_lock);
	forget_stale_locked(fd, cookie, &stale);
	r = find_locked(fd);
	*known = r;
	added = r && is_of(r, cookie) && add_to_locked(r, f);
	lock_release(&flight_lock);
	put_flights(&stale, true);
	return added;
}

/* SO_ZEROCOPY has been set by this thread: numbers begin at 0. False: no room for a record. */
static bool record_make(int fd, u64 cookie)
{
	struct record *r = meta_alloc(sizeof(*r));

	if (!r)
		return false;
	*r = (struct record){.cookie = cookie, .fd = fd};
	list_init(&r->flights);
	lock_acquire(&flight_lock);
	if (!find_locked(fd)) {
		r->next = *chain_of(fd);
		*chain_of(fd) = r;
		r = NULL;
	}
	lock_release(&flight_lock);
	if (r) /* another thread was faster */
		meta_free(r, sizeof(*r));
	return true;
}

struct flight *flight_begin(int fd, const struct memcg_frag *frags, size_t n)
{
	struct flight *f;
	bool known;
	u64 cookie;

	if (sys_cookie(fd, &cookie))
		return NULL;
	f = flight_new(frags, n);
	if (!f || add(fd, cookie, f, &known))
		return f;
	if (!known && !sys_zerocopy_begin(fd) && record_make(fd, cookie) &&
	    add(fd, cookie, f, &known))
		return f;
	flight_drop(f);
	return NULL;
}

/* What did not go has no reference of it any more. */
static void trim(struct flight *f, u32 n)
{
	u32 had = f->n;

	f->n = n;
	put_pages(f->page + n, had - n, false);
}

void flight_end(struct flight *f, const struct memcg_frag *frags, size_t n, size_t sent)
{
	struct list through = LIST_INIT(through), stale = LIST_INIT(stale);
	struct record *r = f->of;
	u64 cookie;

	HOOK(flight_sent);
	trim(f, pages_of(frags, n, sent, NULL));
	if (sys_cookie(r->fd, &cookie) || cookie != r->cookie)
		cookie = 0;
	lock_acquire(&flight_lock);
	r->sending = NULL;
	r->number += sent != 0;
	if (!sent || f->done) {
		list_del(&f->link);
		list_add(&through, &f->link);
	}
	forget_stale_locked(r->fd, cookie, &stale);
	lock_release(&flight_lock);
	put_flights(&through, false);
	put_flights(&stale, true);
}

/* --- what the system tells ------------------------------------------------------------------ */

static void told_locked(struct record *r, const struct flight_range *told, struct list *through)
{
	struct list *at, *next;

	list_for_each_safe(at, next, &r->flights)
	{
		struct flight *f = list_entry(at, struct flight, link);

		if (!flight_within(f->number, told))
			continue;
		if (f == r->sending) {
			f->done = true; /* its sender's */
			continue;
		}
		list_del(at);
		list_add(through, at);
	}
}

/* How many ranges there were, up to RANGES; what else is on the queue is nobody's. */
static u32 read_ranges(int fd, struct flight_range *told)
{
	u32 n = 0;
	int err = 0;

	while (n < RANGES && (!err || err == -ENOMSG)) {
		err = sys_zerocopy_done(fd, &told[n].first, &told[n].last);
		n += !err;
	}
	return n;
}

static bool is_known(int fd, u64 cookie)
{
	struct record *r;
	bool known;

	lock_acquire(&flight_lock);
	r = find_locked(fd);
	known = r && is_of(r, cookie);
	lock_release(&flight_lock);
	return known;
}

/* The ranges are of this socket: it was there before they were read and after. */
static long believe(int fd, u64 cookie, const struct flight_range *told, u32 n)
{
	struct list through = LIST_INIT(through);
	struct record *r;

	lock_acquire(&flight_lock);
	r = find_locked(fd);
	for (u32 i = 0; i < n && r && is_of(r, cookie); i++)
		told_locked(r, &told[i], &through);
	lock_release(&flight_lock);
	return put_flights(&through, false);
}

/* A descriptor that is not what it was: what it was is given up. cookie 0: no socket. */
static long forget_stale(int fd, u64 cookie)
{
	struct list stale = LIST_INIT(stale);

	lock_acquire(&flight_lock);
	forget_stale_locked(fd, cookie, &stale);
	lock_release(&flight_lock);
	return put_flights(&stale, true);
}

long flight_complete(int fd)
{
	struct flight_range told[RANGES];
	u64 cookie, after;
	long count;
	int err = sys_cookie(fd, &cookie);
	u32 n = RANGES;

	count = forget_stale(fd, err ? 0 : cookie);
	if (err)
		return count ? count : err;
	while (n == RANGES && is_known(fd, cookie)) {
		n = read_ranges(fd, told);
		HOOK(flight_told);
		if (sys_cookie(fd, &after) || after != cookie)
			return count + forget_stale(fd, 0);
		count += believe(fd, cookie, told, n);
	}
	return count;
}

/* The next descriptor of the chain, by number, that has flights; -1: none. */
static int next_fd(u32 chain, int after)
{
	int next = -1;

	lock_acquire(&flight_lock);
	for (struct record *r = chains[chain]; r; r = r->next)
		if (r->fd > after && !list_empty(&r->flights) && (next < 0 || r->fd < next))
			next = r->fd;
	lock_release(&flight_lock);
	return next;
}

static long sweep_one(int fd, bool all)
{
	u64 cookie;
	long n;

	if (!all)
		return forget_stale(fd, sys_cookie(fd, &cookie) ? 0 : cookie);
	n = flight_complete(fd);
	return n > 0 ? n : 0;
}

/*
 * Tolerated: a descriptor that is opened anew between the look at the system and the look at the
 * record may have its new record given up.
 */
long flight_sweep(bool all)
{
	long count = 0;

	for (u32 chain = 0; atomic_load(&in_flight) && chain < CHAINS; chain++)
		for (int fd = next_fd(chain, -1); fd >= 0; fd = next_fd(chain, fd))
			count += sweep_one(fd, all);
	return count;
}

ssize_t memcg_frags_complete(int fd)
{
	return fd < 0 ? flight_sweep(true) : flight_complete(fd);
}

/* --- fork ----------------------------------------------------------------------------------- */

void flight_fork_prepare(void)
{
	lock_acquire(&flight_lock);
}

void flight_fork_parent(void)
{
	lock_release(&flight_lock);
}

/* Whoever was sending is not here. */
void flight_fork_child(void)
{
	for (u32 i = 0; i < CHAINS; i++)
		for (struct record *r = chains[i]; r; r = r->next) {
			r->sending = NULL;
			r->lost = true;
		}
	lock_release(&flight_lock);
}
