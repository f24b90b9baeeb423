/*
 * work.c - high, when who charges cannot be held. In the kernel packets are charged in interrupts,
 * and a work item reclaims for them; here a thread allocates in a scope that it does not leave, and
 * the reclaimer thread does it.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "row.h"
#include "rows.h"
#include "stay.h"

#define CONNECTIONS 16u
#define BUFFER	    MIB(8)
#define PIECE	    16384u
#define PIECES	    (CONNECTIONS * BUFFER / PIECE)

static struct memcg *cg;
static void *piece[PIECES];

static void receive(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < PIECES; i++) {
		piece[i] = memcg_malloc_in(cg, PIECE);
		EXPECT(piece[i]);
	}
}

static uint64_t stalled_us(void)
{
	char buf[512], *total;

	file_read(cg, "memory.pressure", buf, sizeof(buf));
	total = strstr(buf, "total=");
	EXPECT(!strncmp(buf, "some ", 5) && total);
	return strtoull(total + 6, NULL, 10);
}

/* The reclaimer has done what there was to do: nothing is left in the cache. */
static bool cache_is_empty(struct cache *c)
{
	for (unsigned i = 0; i < 3000 && cache_bytes(c); i++)
		poll(NULL, 0, 10);
	return !cache_bytes(c);
}

/*
 * The kernel has 256M of memory without swap for the work item to be busy with; here it is a cache,
 * so that what it achieves can be asked for: 128M are received, the cache goes.
 */
void row_high_work(void)
{
	struct cache cache;
	struct stay receiver;
	char high[32];

	cg = group_make(NULL, "high_work");
	cache_init(&cache, cg);
	cache_read(&cache, MIB(64));
	EXPECT_IS(memcg_reclaimer_start(), ==, 0);
	snprintf(high, sizeof(high), "%ju", (uintmax_t)(current_of(cg) + MIB(2)));
	file_write(cg, "memory.high", high);
	EXPECT_IS(event_of(cg, "high"), ==, 0);
	EXPECT_IS(stalled_us(), ==, 0);

	stay_start(&receiver, receive, NULL);
	EXPECT(cache_is_empty(&cache));
	EXPECT_IS(event_of(cg, "high"), >, 0);
	EXPECT_IS(event_of(cg, "max"), ==, 0);
	EXPECT_IS(stalled_us(), >, 0);
	note("high %ju, stalled %.1f ms", (uintmax_t)event_of(cg, "high"),
	     (double)stalled_us() / 1000);
	EXPECT_IS(memcg_reclaimer_stop(), ==, 0);
	for (unsigned i = 0; i < PIECES; i++)
		memcg_free(piece[i]);
	stay_end(&receiver);
	cache_exit(&cache);
	group_end(cg);
}
