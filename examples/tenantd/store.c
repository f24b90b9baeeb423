/* store.c - see store.h. */
#include "store.h"

#include <string.h>
#include <time.h>

#include "hash.h"

#define FEWEST_BITS 4u
#define SAMPLES	    8
#define STEP	    4	  /* buckets of the old table that a write moves */
#define WALK	    65536 /* empty buckets between two looks at the clock: some 100 us */
#define SPARSE	    10	  /* buckets for each key that a scan is to find */

_Thread_local int64_t wall_ms;
uint64_t hash_secret[2];

struct key key_of(const char *bytes, size_t length)
{
	return (struct key){bytes, length, hash_bytes(bytes, length)};
}

/* The lock's, and looked at without it by who can do with what it was a moment ago. */
static void count(uint64_t *n, uint64_t more)
{
	__atomic_store_n(n, *n + more, __ATOMIC_RELAXED);
}

/* ---- tables ---- */

static size_t buckets(const struct table *t)
{
	return (size_t)1 << t->bits;
}

static size_t index_of(const struct table *t, uint64_t hash)
{
	return hash >> (64 - t->bits);
}

static struct entry **bucket_of(const struct store *s, uint64_t hash)
{
	if (s->old && index_of(s->old, hash) >= s->moved)
		return &s->old->bucket[index_of(s->old, hash)];
	return &s->table->bucket[index_of(s->table, hash)];
}

/* The one way in which the store takes memory: entries may go meanwhile. */
static void *store_alloc(struct store *s, size_t size)
{
	void *p;

	s->open = true;
	p = memcg_malloc(size);
	s->open = false;
	return p;
}

static struct table *table_new(struct store *s, unsigned bits)
{
	size_t bytes = sizeof(struct entry *) << bits;
	struct table *t = store_alloc(s, sizeof(*t) + bytes);

	if (!t)
		return NULL;
	t->bits = bits;
	memset(t->bucket, 0, bytes);
	return t;
}

static void move_bucket(struct store *s)
{
	struct entry *e = s->old->bucket[s->moved], *next, **to;

	s->old->bucket[s->moved] = NULL;
	s->moved++;
	for (; e; e = next) {
		next = e->next;
		to = &s->table->bucket[index_of(s->table, e->hash)];
		e->next = *to;
		*to = e;
	}
}

static void move_some(struct store *s)
{
	for (int i = 0; i < STEP && s->old; i++) {
		if (s->moved < buckets(s->old))
			move_bucket(s);
		if (s->moved < buckets(s->old))
			continue;
		memcg_free(s->old);
		s->old = NULL;
	}
}

/* A larger one that is refused is not needed to go on. */
static void resize(struct store *s)
{
	unsigned bits = s->table->bits;
	struct table *t;

	if (s->old) {
		move_some(s);
		return;
	}
	if (s->keys > buckets(s->table))
		bits++;
	else if (s->keys < buckets(s->table) / 8 && bits > FEWEST_BITS)
		bits--;
	else
		return;
	t = table_new(s, bits);
	if (!t)
		return;
	s->old = s->table;
	s->table = t;
	s->moved = 0;
}

/* ---- entries ---- */

static size_t entry_size(const struct entry *e)
{
	return sizeof(*e) + e->pieces * sizeof(*e->piece) + e->key + e->here;
}

static uint64_t entry_cost(const struct entry *e)
{
	return entry_size(e) + (e->length - e->here);
}

static void entry_free(struct entry *e)
{
	if (e->pieces)
		memcg_frags_put(e->piece, e->pieces);
	memcg_free(e);
}

/* Whether the part of a large value stays where it is. */
static bool kept(const struct part *p)
{
	return p->length >= PAGE / 4;
}

/* How many pieces, and how many bytes are copied. */
static uint32_t count_pieces(const struct input *in, const struct slice *value, uint32_t *here)
{
	struct part p = slice_begin(in, value);
	uint32_t pieces = 0;
	bool copied = false;

	*here = 0;
	while (slice_part(&p)) {
		pieces += kept(&p) || !copied;
		copied = !kept(&p);
		*here += copied ? p.length : 0;
	}
	return pieces;
}

static void add_piece(struct entry *e, uint32_t *n, const struct part *p, char **to)
{
	struct memcg_frag *last = *n ? &e->piece[*n - 1] : NULL;

	if (kept(p)) {
		e->piece[(*n)++] =
			(struct memcg_frag){p->frag->page, p->frag->offset + p->at, p->length};
		return;
	}
	memcpy(*to, frag_bytes(p->frag) + p->at, p->length);
	*to += p->length;
	if (last && !last->page)
		last->length += p->length;
	else
		e->piece[(*n)++] = (struct memcg_frag){NULL, 0, p->length};
}

static void fill_pieces(struct entry *e, const struct input *in, const struct slice *value)
{
	struct part p = slice_begin(in, value);
	char *to = entry_bytes(e);
	uint32_t n = 0;

	while (slice_part(&p))
		add_piece(e, &n, &p, &to);
	memcg_frags_get(e->piece, n);
}

struct entry *entry_new(struct store *s, struct key key, const struct input *in,
			const struct slice *value, bool keep)
{
	struct entry e = {.hash = key.hash, .used = (uint32_t)wall_ms, .key = (uint32_t)key.length};
	struct entry *new;

	if (!s->table)
		s->table = table_new(s, FEWEST_BITS);
	e.length = e.here = (uint32_t)value->length;
	if (keep && e.length >= STORE_LARGE)
		e.pieces = count_pieces(in, value, &e.here);
	if (e.here == e.length)
		e.pieces = 0;
	new = s->table ? store_alloc(s, entry_size(&e)) : NULL;
	if (!new)
		return NULL;
	*new = e;
	memcpy(entry_key(new), key.bytes, key.length);
	if (new->pieces)
		fill_pieces(new, in, value);
	else if (value->bytes)
		memcpy(entry_bytes(new), value->bytes, value->length);
	else
		slice_copy(in, value, entry_bytes(new));
	return new;
}

bool store_overwrite(struct entry *e, const struct slice *value)
{
	if (e->pieces || e->length != value->length || !value->bytes)
		return false;
	memcpy(entry_bytes(e), value->bytes, value->length);
	return true;
}

/* ---- keys ---- */

static bool is_over(const struct entry *e)
{
	return e->expires && e->expires <= wall_ms;
}

static struct entry **link_of(struct store *s, struct key key)
{
	struct entry **at;

	if (!s->table)
		return NULL;
	for (at = bucket_of(s, key.hash); *at; at = &(*at)->next)
		if ((*at)->hash == key.hash && (*at)->key == key.length &&
		    !memcmp(entry_key(*at), key.bytes, key.length))
			return at;
	return NULL;
}

static void unlink_entry(struct store *s, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	s->keys--;
	count(&s->bytes, -entry_cost(e));
	count(&s->expiring, -(uint64_t)(e->expires != 0));
	entry_free(e);
}

struct entry *store_find(struct store *s, struct key key)
{
	struct entry **at = link_of(s, key);

	if (at && is_over(*at)) {
		unlink_entry(s, at);
		s->expired++;
		at = NULL;
	}
	if (!at)
		return NULL;
	(*at)->used = (uint32_t)wall_ms;
	return *at;
}

void store_put(struct store *s, struct entry *e)
{
	struct key key = {entry_key(e), e->key, e->hash};
	struct entry **at = link_of(s, key);

	if (at)
		unlink_entry(s, at);
	at = bucket_of(s, e->hash);
	e->next = *at;
	*at = e;
	s->keys++;
	count(&s->bytes, entry_cost(e));
	count(&s->expiring, e->expires != 0);
	resize(s);
}

bool store_delete(struct store *s, struct key key)
{
	struct entry **at = link_of(s, key);
	bool was = at && !is_over(*at);

	if (!at)
		return false;
	unlink_entry(s, at);
	resize(s);
	return was;
}

void store_set_expiry(struct store *s, struct entry *e, int64_t expires)
{
	count(&s->expiring, (uint64_t)(expires != 0) - (e->expires != 0));
	e->expires = expires;
}

/* ---- many keys ---- */

static uint64_t next_random(struct store *s)
{
	s->random += 0x9e3779b97f4a7c15u;
	return hash_mix(s->random ^ hash_secret[0], 0xd1342543de82ef95u);
}

/* Of the two tables the larger's: hashes that agree in so many bits are in one bucket. */
static unsigned finest(const struct store *s)
{
	return s->old && s->old->bits > s->table->bits ? s->old->bits : s->table->bits;
}

/* One of a bucket at or behind a random place; NULL: there was none in *left buckets, which it
 * counts down. New ones are first in their bucket. */
static struct entry **sample(struct store *s, size_t *left)
{
	uint64_t random = next_random(s), step = 1ul << (64 - finest(s)), hash = random;
	struct entry **at, *e;
	size_t n = 0;

	for (; !*(at = bucket_of(s, hash)); hash += step)
		if (!*left || !--*left)
			return NULL;
	for (e = *at; e; e = e->next)
		n++;
	for (n = random % n; n; n--)
		at = &(*at)->next;
	return at;
}

static struct entry **oldest(struct store *s, size_t *left)
{
	struct entry **best = sample(s, left), **at;

	for (int i = 1; i < SAMPLES && *left; i++) {
		at = sample(s, left);
		if (!at)
			break;
		if (is_over(*at) ||
		    (uint32_t)wall_ms - (*at)->used > (uint32_t)wall_ms - (*best)->used)
			best = at;
	}
	return best;
}

uint64_t mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t store_evict(struct store *s, uint64_t bytes, uint64_t deadline_ns)
{
	uint64_t had = s->bytes;
	size_t left = WALK;

	for (unsigned n = 1; s->keys && had - s->bytes < bytes; n++) {
		struct entry **at = oldest(s, &left);

		if (at) {
			unlink_entry(s, at);
			s->evicted++;
		}
		if (n % 64 && left)
			continue;
		if (mono_ns() > deadline_ns)
			break;
		left = WALK;
	}
	return had - s->bytes;
}

/* Those of a bucket; how many stay. */
static unsigned expire_bucket(struct store *s, struct entry **at)
{
	unsigned kept = 0;

	while (*at) {
		if (is_over(*at)) {
			unlink_entry(s, at);
			s->expired++;
		} else {
			at = &(*at)->next;
			kept++;
		}
	}
	return kept;
}

/* In the order of hashes, which is none of the keys': where one was there are more. */
bool store_expire_some(struct store *s, uint64_t deadline_ns)
{
	unsigned kept = 0;

	for (unsigned n = 1; n < WALK && kept < 20 && s->expiring && s->keys; n++) {
		kept += expire_bucket(s, bucket_of(s, s->sweep));
		s->sweep += 1ul << (64 - finest(s));
		if (n % 16 == 0 && mono_ns() > deadline_ns)
			return true;
	}
	return false;
}

uint64_t store_scan(struct store *s, uint64_t cursor, size_t n,
		    size_t (*visit)(struct entry *e, void *arg), void *arg)
{
	size_t seen = 0, left = n * SPARSE;
	unsigned shift;

	if (!s->table)
		return 0;
	shift = 64 - finest(s);
	do {
		for (struct entry *e = *bucket_of(s, cursor); e; e = e->next)
			if (e->hash >> shift == cursor >> shift && !is_over(e))
				seen += visit(e, arg);
		cursor = ((cursor >> shift) + 1) << shift; /* 0 behind the last */
	} while (cursor && seen < n && --left);
	return cursor;
}

void store_take(struct store *s, struct store *gone)
{
	*gone = *s;
	s->table = s->old = NULL;
	s->moved = 0;
	s->keys = 0;
	count(&s->expiring, -s->expiring);
	count(&s->bytes, -s->bytes);
}

static bool free_tables(struct store *s)
{
	memcg_free(s->table);
	memcg_free(s->old);
	s->table = s->old = NULL;
	return false;
}

bool store_free_some(struct store *s, size_t n)
{
	uint64_t *hash = &s->random; /* nobody samples any more: from here on */

	if (!s->keys)
		return free_tables(s);
	for (; n && s->keys; n--) {
		struct entry **at = bucket_of(s, *hash);

		if (*at)
			unlink_entry(s, at);
		else
			*hash += 1ul << (64 - finest(s));
	}
	return true;
}
