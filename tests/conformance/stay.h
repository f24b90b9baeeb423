/*
 * stay.h - a thread that does its work and then stays, as the kernel's tests have processes that
 * fill something and then sleep: what it allocated lies in slabs that a living thread holds, and is
 * freed by others.
 */
#ifndef CONFORMANCE_STAY_H
#define CONFORMANCE_STAY_H

#include <pthread.h>
#include <stdbool.h>

struct stay {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*work)(void *arg);
	void *arg;
	bool done, over; /* lock */
};

void stay_begin(struct stay *s, void (*work)(void *arg), void *arg);
void stay_wait(struct stay *s); /* until its work is done */
void stay_end(struct stay *s);	/* the thread is over when this returns */

/* Begin and wait. */
static inline void stay_start(struct stay *s, void (*work)(void *arg), void *arg)
{
	stay_begin(s, work, arg);
	stay_wait(s);
}

#endif
