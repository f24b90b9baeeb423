/*
 * hatch.h - things on their way between threads that may have to share a CPU: who finds nothing
 * sleeps. It is for parcels of many blocks, so that the lock is none of what is measured; single
 * blocks between two threads that each have a CPU go through ring.h.
 *
 * What circulates is bounded by its maker: there is room for all of it, and nobody waits to put.
 */
#ifndef MEMCG_BENCH_HATCH_H
#define MEMCG_BENCH_HATCH_H

#include <pthread.h>

#define HATCH_ROOM 512u

struct hatch {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	unsigned in, out; /* written under the lock; wrap */
	void *thing[HATCH_ROOM];
};

static inline void hatch_init(struct hatch *h)
{
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->filled, NULL);
	h->in = h->out = 0;
}

static inline void hatch_put(struct hatch *h, void *thing)
{
	pthread_mutex_lock(&h->lock);
	h->thing[h->in++ % HATCH_ROOM] = thing;
	pthread_cond_signal(&h->filled);
	pthread_mutex_unlock(&h->lock);
}

static inline void *hatch_take(struct hatch *h)
{
	void *thing;

	pthread_mutex_lock(&h->lock);
	while (h->in == h->out)
		pthread_cond_wait(&h->filled, &h->lock);
	thing = h->thing[h->out++ % HATCH_ROOM];
	pthread_mutex_unlock(&h->lock);
	return thing;
}

#endif
