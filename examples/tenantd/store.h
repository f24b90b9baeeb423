/*
 * store.h - the keys of a tenant: a hash table of objects that the tenant pays for.
 *
 * 1. An entry is one object: header, pieces, key, bytes. A value that fits an object lies in it; a
 *    large one stays in the network pages it arrived in, a piece with a reference for each, and
 * only what would hold a page for less than a quarter of it is copied.
 * 2. The top bits of the hash are the bucket, so a larger table has the same order. A table that
 *    grows or shrinks does so by a few buckets with each write: those below `moved` are in the new
 *    table. Each key is in one place, and a cursor of SCAN is a hash.
 * 3. Eviction is a sampled LRU, and is run by the tenant's shrinker when its group is at its
 *    limit: inside an allocation, that is, perhaps one of the store's own. Those are made
 *    only where any entry may go (store_alloc); everywhere else `open` is false.
 * 4. All of it is under the tenant's lock.
 */
#ifndef TENANTD_STORE_H
#define TENANTD_STORE_H

#include "input.h"

#define STORE_LARGE PAGE /* bytes from which on a value stays in its pages */

struct entry {
	struct entry *next;
	uint64_t hash;
	int64_t expires;      /* ms as of the clock on the wall; 0: never */
	uint32_t used;	      /* ms, when it was last looked for */
	uint32_t key, length; /* bytes, of the value all in all */
	uint32_t here;	      /* bytes of the value in the entry */
	uint32_t pieces;
	struct memcg_frag piece[]; /* without a page: the next `length` bytes of those here */
};

struct table {
	unsigned bits;
	struct entry *bucket[];
};

struct store {
	struct table *table, *old;
	size_t moved; /* buckets of old that are empty now */
	uint64_t keys;
	uint64_t expiring; /* read without the lock, too, as is the next */
	uint64_t bytes;	   /* of entries and what they keep */
	uint64_t evicted, expired, hits, misses;
	uint64_t random;
	uint64_t sweep; /* the hash that store_expire_some goes on from */
	bool open;	/* entries may go: the thread with the lock is in store_alloc */
};

struct key {
	const char *bytes;
	size_t length;
	uint64_t hash;
};

static inline char *entry_key(const struct entry *e)
{
	return (char *)&e->piece[e->pieces];
}

static inline char *entry_bytes(const struct entry *e)
{
	return entry_key(e) + e->key;
}

struct key key_of(const char *bytes, size_t length);

/* The entry, used just now; NULL: none, or its time is over. */
struct entry *store_find(struct store *s, struct key key);
/*
 * An entry for that value, in no store yet. keep: large values may stay in their pages. NULL: over
 * the limit. Any entry of the store may have gone.
 */
struct entry *entry_new(struct store *s, struct key key, const struct input *in,
			const struct slice *value, bool keep);
/* It is in the store, and what had its key is not. */
void store_put(struct store *s, struct entry *e);
/* A value of the same length is written over where it lies. False: it cannot be. */
bool store_overwrite(struct entry *e, const struct slice *value);
bool store_delete(struct store *s, struct key key);
void store_set_expiry(struct store *s, struct entry *e, int64_t expires);

/* Frees about so many bytes of what was not used for longest; returns bytes. */
uint64_t store_evict(struct store *s, uint64_t bytes, uint64_t deadline_ns);
/* Looks at some keys, and drops those whose time is over. True: the deadline was first. */
bool store_expire_some(struct store *s, uint64_t deadline_ns);
/* Calls for each of a bucket or more, until there were n, or many more buckets than that had none;
 * returns the cursor to go on from, 0 at the end. visit says for how many of the n
 * entries the work on this one counts, and may not allocate from the tenant. */
uint64_t store_scan(struct store *s, uint64_t cursor, size_t n,
		    size_t (*visit)(struct entry *e, void *arg), void *arg);
/* Everything in *s goes to *gone, to be freed by store_free_some; s is empty. */
void store_take(struct store *s, struct store *gone);
/* Frees up to n entries; false: nothing is left, the tables neither. */
bool store_free_some(struct store *s, size_t n);

/* Milliseconds: what the entries' times are compared with. Set by each thread, once a turn. */
extern _Thread_local int64_t wall_ms;
/* Nanoseconds: what deadlines are compared with. */
uint64_t mono_ns(void);

#endif
