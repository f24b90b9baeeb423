/* ring.c - the rings' memory and order, and what is in the places. Theory in ring.h. */
#include "net/ring.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/fill.h"
#include "net/net.h"
#include "sys/map.h"

#define SQ_ENTRIES    32u
#define SLOTS_SIZE(r) ((r)->size * sizeof(*(r)->slots))

/* --- submitting -------------------------------------------------------------------------------
 */

int ring_enter(struct ring *r, bool wait, s64 timeout_ns)
{
	int got;

	/* Release: the system finds the entries written. */
	atomic_store_release(r->u.sq_tail, r->sq_tail);
	got = sys_uring_enter(&r->u, r->unsubmitted, wait, timeout_ns);
	/* What the system took is told by its head, also where waiting has failed after it. */
	r->unsubmitted = r->sq_tail - atomic_load_acquire(r->u.sq_head);
	return got < 0 ? got : 0;
}

static struct io_uring_sqe *entry(struct ring *r, int *err)
{
	u32 i = r->sq_tail & r->u.sq_mask;

	*err = 0;
	if (r->unsubmitted > r->u.sq_mask) {
		*err = ring_enter(r, false, 0);
		if (r->unsubmitted <= r->u.sq_mask)
			*err = 0;
	}
	if (*err)
		return NULL;
	r->u.sq_array[i] = i;
	r->u.sqes[i] = (struct io_uring_sqe){0};
	r->sq_tail++;
	r->unsubmitted++;
	return &r->u.sqes[i];
}

int ring_receive(struct ring *r, int fd, u64 tag)
{
	int err;
	struct io_uring_sqe *e = entry(r, &err);

	if (!e)
		return err;
	e->opcode = IORING_OP_RECV;
	e->flags = IOSQE_BUFFER_SELECT;
	e->ioprio = (u16)(IORING_RECV_MULTISHOT | (r->bundle ? URING_RECV_BUNDLE : 0));
	e->fd = fd;
	e->user_data = tag;
	return 0;
}

int ring_look(struct ring *r, int fd, u64 tag, char *byte)
{
	int err;
	struct io_uring_sqe *e = entry(r, &err);

	if (!e)
		return err;
	e->opcode = IORING_OP_RECV;
	e->addr = (u64)(uintptr_t)byte;
	e->len = 1;
	e->msg_flags = MSG_PEEK;
	e->fd = fd;
	e->user_data = tag;
	return 0;
}

static int cancel(struct ring *r, u64 tag, u32 flags, u64 own_tag)
{
	int err;
	struct io_uring_sqe *e = entry(r, &err);

	if (!e)
		return err;
	e->opcode = IORING_OP_ASYNC_CANCEL;
	e->addr = tag;
	e->cancel_flags = flags;
	e->user_data = own_tag;
	return 0;
}

int ring_cancel(struct ring *r, u64 tag, u64 own_tag)
{
	return cancel(r, tag, 0, own_tag);
}

int ring_cancel_all(struct ring *r, u64 own_tag)
{
	return cancel(r, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL, own_tag);
}

/* --- completions --------------------------------------------------------------------------------
 */

static const struct io_uring_cqe *peek(const struct ring *r)
{
	u32 head = atomic_load(r->u.cq_head); /* ours */

	/* Acquire: pairs with the system's release, the entry is written. */
	if (head == atomic_load_acquire(r->u.cq_tail))
		return NULL;
	return &r->u.cqes[head & r->u.cq_mask];
}

static bool system_has_more(const struct ring *r)
{
	return atomic_load(r->u.sq_flags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

bool ring_has(const struct ring *r)
{
	return peek(r) || system_has_more(r);
}

const struct io_uring_cqe *ring_peek(struct ring *r)
{
	const struct io_uring_cqe *c = peek(r);

	if (c || !system_has_more(r))
		return c;
	(void)ring_enter(r, false, 0); /* interrupted: the flag stays, and who waits enters again */
	return peek(r);
}

void ring_seen(struct ring *r)
{
	/* Release: the system may write there again, what was read has been. */
	atomic_store_release(r->u.cq_head, atomic_load(r->u.cq_head) + 1);
}

/* --- pages -----------------------------------------------------------------------------------
 */

static u32 place_after(const struct ring *r, u32 place)
{
	return place & (r->size - 1);
}

u32 ring_room(const struct ring *r)
{
	u32 n = 0;

	while (n < r->size - r->held && !r->slots[place_after(r, r->tail + n)].pg)
		n++;
	return n;
}

static int registered(struct ring *r)
{
	int err = r->registered ? 0 : -EINVAL;

	if (err && r->partial)
		err = sys_uring_buffers(&r->u, r->bufs, r->size, URING_BUFFERS_PARTIAL);
	if (err) {
		r->partial = false; /* before Linux 6.12 */
		err = sys_uring_buffers(&r->u, r->bufs, r->size, 0);
	}
	r->registered = !err;
	return err;
}

static void provide(struct ring *r, struct page *pg, u32 handle)
{
	u32 place = place_after(r, r->tail++);
	struct io_uring_buf *b = &r->bufs[place];

	r->slots[place] = (struct ring_slot){pg, handle, 0};
	r->held++;
	b->addr = (u64)(uintptr_t)page_address(pg);
	b->len = (u32)PAGE_SIZE;
	b->bid = (u16)place;
}

int ring_provide(struct ring *r, struct memcg_pool *p, struct page **pages, u32 n, u32 handle)
{
	struct handle *h = handle ? handle_of(handle) : NULL;
	int err = registered(r);

	if (err) {
		net_uncharge_pages(handle, n);
		net_untake(p, pages, n);
		return err;
	}
	for (u32 i = 0; i < n; i++) {
		net_publish(pages[i], h);
		atomic_store(&pages[i]->net.fill, NET_FILL_WRITING);
		provide(r, pages[i], handle);
	}
	if (h)
		stat_add(handle, STAT_SOCK, (s64)n << PAGE_SHIFT);
	/* Release: pairs with the system's acquire. The tail lies in the first entry's rest. */
	atomic_store_release(&((struct io_uring_buf_ring *)r->bufs)->tail, (u16)r->tail);
	return 0;
}

/* The system is done with the page. */
static void leave_place(struct ring *r, struct ring_slot *s)
{
	s->pg = NULL;
	r->held--;
}

u32 ring_take(struct ring *r, struct memcg_pool *p, u32 place, u32 left, struct memcg_frag *frag)
{
	struct ring_slot *s = &r->slots[place_after(r, place)];
	u32 length = MIN(left, (u32)PAGE_SIZE - s->at);

	BUG_ON(!s->pg); /* the system names what it was not provided with */
	*frag = (struct memcg_frag){(struct memcg_page *)s->pg, s->at, length};
	s->at += length;
	if (r->partial && s->at < PAGE_SIZE) {
		page_get(s->pg);
		return length;
	}
	fill_offer(p, s->handle, s->pg, s->at);
	leave_place(r, s);
	return length;
}

/* --- as a whole -------------------------------------------------------------------------------
 */

static void put_all(struct ring *r)
{
	for (u32 i = 0; i < r->size; i++) {
		struct page *pg = r->slots[i].pg;

		if (!pg)
			continue;
		leave_place(r, &r->slots[i]);
		atomic_store(&pg->net.fill, 0u);
		page_put(pg);
	}
}

int ring_empty(struct ring *r)
{
	int err = r->registered ? sys_uring_no_buffers(&r->u) : 0;

	if (err)
		return err;
	r->registered = false;
	put_all(r);
	r->tail = 0;
	atomic_store(&((struct io_uring_buf_ring *)r->bufs)->tail, (u16)0);
	return 0;
}

void ring_close(struct ring *r)
{
	sys_uring_close(&r->u);
	if (r->slots) {
		put_all(r);
		meta_free(r->slots, SLOTS_SIZE(r));
	}
	if (r->bufs)
		sys_unmap(r->bufs, PAGE_SIZE);
	*r = (struct ring){.u.fd = -1};
}

static u32 size_for(u32 pages)
{
	u32 size = 1;

	while (size < pages)
		size *= 2;
	return size;
}

/* Registered once, to see that it can be: what follows has no other way left. */
int ring_open(struct ring *r, u32 pages)
{
	int err;

	*r = (struct ring){.size = size_for(pages), .partial = true};
	err = sys_uring_setup(&r->u, SQ_ENTRIES, MAX(2 * SQ_ENTRIES, 2 * r->size));
	if (err)
		return err;
	r->bundle = r->u.features & URING_FEAT_BUNDLE;
	r->slots = meta_alloc(SLOTS_SIZE(r));
	r->bufs = sys_map(PAGE_SIZE);
	err = r->slots && r->bufs ? registered(r) : -ENOMEM;
	if (err)
		ring_close(r);
	return err;
}
