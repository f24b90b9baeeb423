/*
 * input.h - what came from a client and is not done with: fragments of network pages, in order.
 *
 * The tenant pays for the pages from before the bytes leave the socket. A request is parsed where
 * it lies; its arguments are slices. A large value is kept by a reference on the pages it lies in
 * (store.h), everything else goes home with the pages at the end of the turn. One thread, the
 * connection's.
 */
#ifndef TENANTD_INPUT_H
#define TENANTD_INPUT_H

#include <memcg.h>

#define PAGE		4096u
#define INPUT_PAGES_MAX 64u /* in one read */

struct input {
	struct memcg_frag *frag; /* own[], or an object that the tenant pays for */
	uint32_t count, room;
	uint32_t first; /* the fragment that the request begins in which is being parsed */
	uint64_t payer; /* memcg_id of who pays for all of it; 0: that changed in the middle */
	struct memcg_frag own[2];
};

struct place {
	uint32_t frag, at;
};

/* Bytes of a request. */
struct slice {
	const char *bytes; /* where they begin, NULL: not side by side (slice_copy) */
	uint32_t frag, at; /* where they begin, counted from input.first */
	size_t length;
};

void input_init(struct input *in);
/* Reads once. Bytes, 0 at the end, -errno; -ENOBUFS: the tenant is at its limit. */
ssize_t input_receive(struct input *in, struct memcg_pool *pool, int fd, struct memcg *cg,
		      unsigned pages);
/* What lies before the request that is being parsed goes. *at is a place in the rest. */
void input_drop(struct input *in, struct place *at);
void input_clear(struct input *in);
void slice_copy(const struct input *in, const struct slice *s, char *to);

static inline const char *frag_bytes(const struct memcg_frag *f)
{
	return (const char *)memcg_page_address(f->page) + f->offset;
}

/* Side by side from *at on: 0 where nothing has come yet. Steps over the end of a fragment. */
static inline size_t input_ahead(const struct input *in, struct place *at, const char **bytes)
{
	while (at->frag < in->count && at->at == in->frag[at->frag].length) {
		at->frag++;
		at->at = 0;
	}
	if (at->frag == in->count)
		return 0;
	*bytes = frag_bytes(&in->frag[at->frag]) + at->at;
	return in->frag[at->frag].length - at->at;
}

/* The part of a slice in its i-th fragment. False: it has no more. */
struct part {
	const struct memcg_frag *frag;
	uint32_t at, length;
	size_t left;
};

static inline struct part slice_begin(const struct input *in, const struct slice *s)
{
	return (struct part){
		.frag = &in->frag[in->first + s->frag] - 1, .at = s->at, .left = s->length};
}

static inline bool slice_part(struct part *p)
{
	if (!p->left)
		return false;
	p->at = p->length ? 0 : p->at;
	p->frag++;
	p->length = p->frag->length - p->at;
	if (p->length > p->left)
		p->length = (uint32_t)p->left;
	p->left -= p->length;
	return true;
}

#endif
