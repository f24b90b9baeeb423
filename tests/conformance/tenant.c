/* tenant.c - see tenant.h. */
#include "tenant.h"

#include <errno.h>

#include "row.h"

#define BLOCK KIB(64) /* a large object: it costs its pages, and nothing beside them */
#define PAGE  4096u

struct block {
	struct block *next;
	char rest[BLOCK - sizeof(struct block *)];
};

static struct block *block_new(void)
{
	struct block *b = memcg_malloc(BLOCK);

	if (!b) {
		EXPECT_IS(errno, ==, ENOMEM);
		return NULL;
	}
	for (unsigned i = PAGE; i < BLOCK; i += PAGE)
		((volatile char *)b)[i] = 1;
	return b;
}

static bool ended(struct tenant *t)
{
	return __atomic_load_n(&t->ended, __ATOMIC_ACQUIRE);
}

/* A handler may have ended it inside block_new: what that returns is nobody's then. */
static bool grow_one(struct tenant *t)
{
	struct block *b = block_new();

	if (b && ended(t)) {
		memcg_free(b);
		return false;
	}
	if (!b)
		return false;
	b->next = t->blocks;
	t->blocks = b;
	t->bytes += BLOCK;
	return true;
}

static bool request(struct tenant *t, uint64_t bytes)
{
	MEMCG_SCOPE(t->cg);

	for (; bytes; bytes -= BLOCK)
		if (!grow_one(t))
			return false;
	return true;
}

bool tenant_grow(struct tenant *t, uint64_t bytes)
{
	for (; bytes; bytes -= REQUEST) {
		if (ended(t) || !request(t, bytes < REQUEST ? bytes : REQUEST))
			return false;
		if (bytes < REQUEST)
			break;
	}
	return true;
}

void tenant_free(struct tenant *t)
{
	struct block *b;

	while ((b = t->blocks)) {
		t->blocks = b->next;
		memcg_free(b);
	}
	t->bytes = 0;
}

void tenant_end(struct tenant *t)
{
	__atomic_store_n(&t->ended, true, __ATOMIC_RELEASE);
	tenant_free(t);
}
