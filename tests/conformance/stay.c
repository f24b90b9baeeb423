/* stay.c - see stay.h. */
#include "stay.h"

#include "row.h"

static void *run(void *arg)
{
	struct stay *s = arg;

	s->work(s->arg);
	pthread_mutex_lock(&s->lock);
	s->done = true;
	pthread_cond_broadcast(&s->changed);
	while (!s->over)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void stay_begin(struct stay *s, void (*work)(void *arg), void *arg)
{
	*s = (struct stay){.lock = PTHREAD_MUTEX_INITIALIZER,
			   .changed = PTHREAD_COND_INITIALIZER,
			   .work = work,
			   .arg = arg};
	EXPECT_IS(pthread_create(&s->thread, NULL, run, s), ==, 0);
}

void stay_wait(struct stay *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->done)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void stay_end(struct stay *s)
{
	pthread_mutex_lock(&s->lock);
	s->over = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
}
