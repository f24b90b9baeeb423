/* feed.c - see feed.h. */
#include "feed.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STOP_PATIENCE_MS 200

struct order {
	char path[4096], file[48], text[256];
};

struct sight {
	struct rows rows;
	struct labels labels;
};

struct feed {
	/* Set before the thread starts. */
	struct source *source;
	double delay;
	int news, wake; /* eventfds: to the screen, to the thread */
	pthread_t thread;

	bool hung_up; /* the thread's alone: the other side has closed */

	pthread_mutex_t lock;
	/* Under the lock. */
	bool stop, refresh, ordered, ended;
	char detail[4096]; /* path; "": none */
	struct order order;
	struct sight *waiting; /* NULL: taken, or none yet */
	struct sight *spare[3];
	unsigned spares;
	struct sight *looked_at;
	struct feed_news told; /* without rows */
	double asked;	       /* when, s; 0: nothing is */

	struct sight sights[3];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ring(int fd)
{
	uint64_t one = 1;

	/* It fails only when the counter is full: then it rings already. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void hush(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;
}

/* ---- the thread ---- */

static void asks(struct feed *f, bool does)
{
	pthread_mutex_lock(&f->lock);
	f->asked = does ? now() : 0;
	pthread_mutex_unlock(&f->lock);
}

static struct sight *take_spare(struct feed *f)
{
	struct sight *sight;

	pthread_mutex_lock(&f->lock);
	sight = f->spare[--f->spares];
	pthread_mutex_unlock(&f->lock);
	return sight;
}

/* Rows that nobody took yet are old now. */
static void hand_over(struct feed *f, struct sight *sight, int err)
{
	pthread_mutex_lock(&f->lock);
	if (err) {
		f->spare[f->spares++] = sight;
	} else {
		if (f->waiting)
			f->spare[f->spares++] = f->waiting;
		f->waiting = sight;
	}
	f->told.err = err;
	snprintf(f->told.why, sizeof(f->told.why), "%s", err ? source_why(f->source) : "");
	f->ended = err == -EPIPE || (err && f->hung_up);
	pthread_mutex_unlock(&f->lock);
	ring(f->news);
}

static void read_rows(struct feed *f)
{
	struct sight *sight = take_spare(f);
	int err = source_rows(f->source, "/", UINT32_MAX, &sight->rows);

	if (!err)
		labels_read(f->source, &sight->rows, &sight->labels);
	hand_over(f, sight, err);
}

/* The files of a group that there are, each under its name (view_detail.c). */
static void collect(struct source *s, const char *path, char *text, size_t size)
{
	static const char *const files[] = {"memory.events", "memory.pressure",
					    "memory.swap.events", "memory.stat"};
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		size_t title = (size_t)snprintf(text + n, size - n, "= %s\n", files[i]);

		if (title >= size - n ||
		    source_read(s, path, files[i], text + n + title, size - n - title) < 0)
			text[n] = '\0';
		n += strlen(text + n);
	}
}

static void read_detail(struct feed *f)
{
	static char text[FEED_TEXT]; /* this thread's alone */
	char path[sizeof(f->detail)];

	pthread_mutex_lock(&f->lock);
	strcpy(path, f->detail);
	pthread_mutex_unlock(&f->lock);
	if (!*path)
		return;
	collect(f->source, path, text, sizeof(text));
	pthread_mutex_lock(&f->lock);
	strcpy(f->told.detail_path, path);
	strcpy(f->told.detail, text);
	f->told.detailed = true;
	pthread_mutex_unlock(&f->lock);
	ring(f->news);
}

static void carry_out(struct feed *f)
{
	struct order order;
	bool ordered;
	int err;

	pthread_mutex_lock(&f->lock);
	ordered = f->ordered;
	order = f->order;
	pthread_mutex_unlock(&f->lock);
	if (!ordered)
		return;
	err = source_write(f->source, order.path, order.file, order.text);
	pthread_mutex_lock(&f->lock);
	f->told.done = true;
	f->told.done_err = err;
	snprintf(f->told.done_why, sizeof(f->told.done_why), "%s",
		 err ? source_why(f->source) : "");
	f->ordered = false;
	pthread_mutex_unlock(&f->lock);
	ring(f->news);
}

/* Until it is time, somebody wakes us, or the other side goes. */
static void wait_until(struct feed *f, double when)
{
	struct pollfd fds[2] = {{.fd = f->wake, .events = POLLIN},
				{.fd = source_fd(f->source), .events = POLLRDHUP}};
	double left = when - now();

	poll(fds, 2, left > 0 ? (int)(left * 1000) + 1 : 0);
	hush(f->wake);
	f->hung_up = fds[1].revents;
}

/* What to do: 0 to end, 1 for details alone or an order, 2 for all. */
static int next_task(struct feed *f, double when)
{
	int task = 1;

	pthread_mutex_lock(&f->lock);
	if (f->refresh || f->ordered || f->hung_up || now() >= when)
		task = 2;
	if (f->stop || f->ended)
		task = 0;
	f->refresh = false;
	pthread_mutex_unlock(&f->lock);
	return task;
}

static void *feed_main(void *arg)
{
	struct feed *f = arg;
	double when = 0;
	int task;

	while ((task = next_task(f, when))) {
		asks(f, true);
		carry_out(f);
		if (task == 2) {
			when = now() + f->delay;
			read_rows(f);
		}
		read_detail(f);
		asks(f, false);
		wait_until(f, when);
	}
	return NULL;
}

/* ---- the screen ---- */

static int start_thread(struct feed *f)
{
	sigset_t all, before;
	int err;

	/* Signals are the screen's, whatever state this thread is in. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&f->thread, NULL, feed_main, f);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int feed_start(struct feed **out, struct source *s, double delay)
{
	struct feed *f = calloc(1, sizeof(*f));
	int err = -ENOMEM;

	if (!f)
		return err;
	f->source = s;
	f->delay = delay;
	pthread_mutex_init(&f->lock, NULL);
	for (unsigned i = 0; i < 3; i++)
		f->spare[f->spares++] = &f->sights[i];
	f->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->news < 0 || f->wake < 0)
		err = -errno;
	else
		err = start_thread(f);
	if (!err) {
		*out = f;
		return 0;
	}
	close(f->news);
	close(f->wake);
	free(f);
	return err;
}

void feed_stop(struct feed *f)
{
	struct timespec patience;

	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_mutex_unlock(&f->lock);
	ring(f->wake);
	clock_gettime(CLOCK_REALTIME, &patience);
	patience.tv_nsec += STOP_PATIENCE_MS * 1000000L;
	patience.tv_sec += patience.tv_nsec / 1000000000L;
	patience.tv_nsec %= 1000000000L;
	/* It is in the source, and nothing there may go. We end, and it with us. */
	if (pthread_timedjoin_np(f->thread, NULL, &patience))
		return;
	source_close(f->source);
	for (unsigned i = 0; i < 3; i++) {
		rows_free(&f->sights[i].rows);
		labels_free(&f->sights[i].labels);
	}
	close(f->news);
	close(f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

int feed_fd(const struct feed *f)
{
	return f->news;
}

void feed_take(struct feed *f, struct feed_news *news)
{
	hush(f->news);
	pthread_mutex_lock(&f->lock);
	*news = f->told;
	f->told.done = f->told.detailed = false;
	news->rows = f->waiting ? &f->waiting->rows : NULL;
	news->labels = f->waiting ? &f->waiting->labels : NULL;
	if (f->waiting) {
		if (f->looked_at)
			f->spare[f->spares++] = f->looked_at;
		f->looked_at = f->waiting;
		f->waiting = NULL;
	}
	pthread_mutex_unlock(&f->lock);
}

void feed_refresh(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->refresh = true;
	pthread_mutex_unlock(&f->lock);
	ring(f->wake);
}

void feed_detail(struct feed *f, const char *path)
{
	bool new;

	pthread_mutex_lock(&f->lock);
	new = path &&strcmp(f->detail, path) != 0;
	snprintf(f->detail, sizeof(f->detail), "%s", path ? path : "");
	pthread_mutex_unlock(&f->lock);
	if (new)
		ring(f->wake);
}

bool feed_order(struct feed *f, const char *path, const char *file, const char *text)
{
	bool busy;

	pthread_mutex_lock(&f->lock);
	busy = f->ordered;
	if (!busy) {
		snprintf(f->order.path, sizeof(f->order.path), "%s", path);
		snprintf(f->order.file, sizeof(f->order.file), "%s", file);
		snprintf(f->order.text, sizeof(f->order.text), "%s", text);
		f->ordered = true;
	}
	pthread_mutex_unlock(&f->lock);
	ring(f->wake);
	return !busy;
}

double feed_waits(struct feed *f)
{
	double asked;

	pthread_mutex_lock(&f->lock);
	asked = f->asked;
	pthread_mutex_unlock(&f->lock);
	return asked > 0 ? now() - asked : 0;
}
