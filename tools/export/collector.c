/* collector.c - see collector.h. */
#include "collector.h"

#include <pthread.h>
#include <stdlib.h>

struct collector {
	struct fleet_wish wish; /* does not change */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted; /* waiting or stop has changed */
	/* Under the lock. */
	struct waiter *waiting;
	struct fleet *current; /* NULL: none yet */
	bool stop;
};

/* Waits for who waits. NULL: it is the end. */
static struct waiter *next_round(struct collector *c, bool *stop)
{
	struct waiter *list;

	pthread_mutex_lock(&c->lock);
	while (!c->waiting && !c->stop)
		pthread_cond_wait(&c->wanted, &c->lock);
	list = c->waiting;
	c->waiting = NULL;
	*stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return list;
}

static void keep(struct collector *c, struct fleet *fleet)
{
	struct fleet *old;

	pthread_mutex_lock(&c->lock);
	old = c->current;
	c->current = fleet;
	pthread_mutex_unlock(&c->lock);
	fleet_put(old);
}

static void call_all(struct waiter *list, struct fleet *fleet)
{
	while (list) {
		struct waiter *w = list;

		list = w->next;
		if (fleet)
			fleet_get(fleet);
		w->call(w, fleet);
	}
}

static void *collect(void *arg)
{
	struct collector *c = arg;
	bool stop = false;

	while (!stop) {
		struct waiter *list = next_round(c, &stop);
		struct fleet *fleet = stop ? NULL : fleet_ask(&c->wish);

		call_all(list, fleet);
		if (fleet)
			keep(c, fleet);
	}
	return NULL;
}

struct collector *collector_start(const struct fleet_wish *wish)
{
	struct collector *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->wish = *wish;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wanted, NULL);
	if (!pthread_create(&c->thread, NULL, collect, c))
		return c;
	free(c);
	return NULL;
}

void collector_stop(struct collector *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wanted);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
}

void collector_free(struct collector *c)
{
	fleet_put(c->current);
	pthread_cond_destroy(&c->wanted);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct fleet *collector_fresh(struct collector *c)
{
	struct fleet *fleet = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->current && fleet_now_ms() - c->current->taken_ms < FRESH_MS) {
		fleet = c->current;
		fleet_get(fleet);
	}
	pthread_mutex_unlock(&c->lock);
	return fleet;
}

/* Whether another fleet may be made; one that nobody reads goes when it is replaced. */
static bool may_ask(struct collector *c)
{
	unsigned held = fleets_alive();

	if (c->current && atomic_load(&c->current->refs) == 1)
		held--;
	return held < FLEETS_MOST;
}

bool collector_wait(struct collector *c, struct waiter *w)
{
	bool may;

	pthread_mutex_lock(&c->lock);
	may = !c->stop && may_ask(c);
	if (may) {
		w->next = c->waiting;
		c->waiting = w;
		pthread_cond_signal(&c->wanted);
	}
	pthread_mutex_unlock(&c->lock);
	return may;
}
