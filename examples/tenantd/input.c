/* input.c - see input.h. */
#include "input.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void input_init(struct input *in)
{
	in->frag = in->own;
	in->room = 2;
	in->count = in->first = 0;
	in->payer = 0;
}

static int make_room(struct input *in, unsigned pages)
{
	uint32_t room = in->count + pages + in->room;
	struct memcg_frag *more;

	if (in->count + pages <= in->room)
		return 0;
	more = memcg_realloc(in->frag == in->own ? NULL : in->frag, room * sizeof(*more));
	if (!more)
		return -ENOBUFS;
	if (in->frag == in->own)
		memcpy(more, in->own, in->count * sizeof(*more));
	in->frag = more;
	in->room = room;
	return 0;
}

ssize_t input_receive(struct input *in, struct memcg_pool *pool, int fd, struct memcg *cg,
		      unsigned pages)
{
	struct memcg_frag *to;
	uint64_t id;
	ssize_t n;

	if (make_room(in, pages))
		return -ENOBUFS;
	to = in->frag + in->count;
	n = memcg_pool_recv(pool, fd, cg, to, pages, MSG_DONTWAIT | MEMCG_RECV_STREAM);
	if (n <= 0)
		return n;
	id = memcg_id(cg);
	in->payer = !in->count || in->payer == id ? id : 0;
	for (size_t sum = 0; sum < (size_t)n; in->count++)
		sum += in->frag[in->count].length;
	return n;
}

static void shrink(struct input *in)
{
	if (in->count || in->frag == in->own)
		return;
	memcg_free(in->frag);
	in->frag = in->own;
	in->room = 2;
}

void input_drop(struct input *in, struct place *at)
{
	uint32_t gone = in->first;

	if (!gone)
		return;
	memcg_frags_put(in->frag, gone);
	in->count -= gone;
	memmove(in->frag, in->frag + gone, in->count * sizeof(*in->frag));
	in->first = 0;
	at->frag -= gone;
	shrink(in);
}

void input_clear(struct input *in)
{
	memcg_frags_put(in->frag, in->count);
	in->count = in->first = 0;
	shrink(in);
}

void slice_copy(const struct input *in, const struct slice *s, char *to)
{
	struct part p = slice_begin(in, s);

	while (slice_part(&p)) {
		memcpy(to, frag_bytes(p.frag) + p.at, p.length);
		to += p.length;
	}
}
