/*
 * run_watch.c - events of a run: by looking again now and then.
 *
 * Nobody tells us when a number in a slot changes, so what is watched is compared with what it
 * was. Below a process with a control socket the process tells; whichever has something
 * first is served.
 */
#include "rows.h"
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 100

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t refused_at(struct run *r, const struct place *at)
{
	struct run_totals t;

	if (at->kind == PLACE_PROCESS)
		return at->process.view.refusals;
	if (at->kind == PLACE_GROUP)
		return at->row->refusals;
	run_totals(r, &t);
	return t.refused;
}

int run_watch(struct source *s, const char *path)
{
	struct run *r = (struct run *)s;
	struct run_watch *w;
	struct place at;
	int err = run_place(r, path, &at);

	if (err)
		return err;
	if (r->nr_watches == RUN_WATCHES)
		return source_fail(s, -ENOSPC, "%s: more than %u groups of a run are watched", path,
				   RUN_WATCHES);
	err = at.peer ? source_watch(at.peer, at.rest) : 0;
	if (err)
		return source_fail(s, err, "%s", source_why(at.peer));
	w = &r->watches[r->nr_watches];
	*w = (struct run_watch){strdup(path), at.peer ? 0 : refused_at(r, &at)};
	if (!w->path)
		return source_fail(s, -ENOMEM, "no memory");
	r->nr_watches++;
	return 0;
}

static void make_event(struct source_event *e, const char *path, const char *file, const char *name,
		       uint64_t count)
{
	snprintf(e->path, sizeof(e->path), "%s", path);
	snprintf(e->file, sizeof(e->file), "%s", file);
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->count = count;
}

static void end_watch(struct run *r, unsigned i)
{
	free(r->watches[i].path);
	r->watches[i] = r->watches[--r->nr_watches];
}

/* 1: *e is one; 0; or an error, and the watch has ended. */
static int look_at(struct run *r, unsigned i, struct source_event *e)
{
	struct run_watch *w = &r->watches[i];
	struct place at;
	uint64_t refused;
	int err = run_place(r, w->path, &at);

	if (err == -ENOENT) {
		make_event(e, w->path, "cgroup.events", "offline", 1);
		end_watch(r, i);
		return 1;
	}
	if (err)
		return err;
	if (at.peer)
		return 0;
	/* The sum of a run falls when a process ends. */
	refused = refused_at(r, &at);
	if (refused <= w->refused) {
		w->refused = refused;
		return 0;
	}
	w->refused = refused;
	make_event(e, w->path, "memory.events", "max", refused);
	return 1;
}

/* The group that told last is looked at last. */
static int look(struct run *r, struct source_event *e)
{
	int err;

	for (unsigned i = 0; i < r->nr_watches; i++) {
		r->turn = (r->turn + 1) % r->nr_watches;
		err = look_at(r, r->turn, e);
		if (err)
			return err;
	}
	return 0;
}

/* Told by the process: it is not to be told again when that ends. */
static void see_end(struct run *r, const struct source_event *e)
{
	if (strcmp(e->name, "offline"))
		return;
	for (unsigned i = 0; i < r->nr_watches; i++)
		if (!strcmp(r->watches[i].path, e->path)) {
			end_watch(r, i);
			return;
		}
}

static int ask_peers(struct run *r, struct source_event *e)
{
	char path[sizeof(e->path)], process[16];
	int got;

	for (unsigned i = 0; i < r->nr_peers; i++) {
		got = source_event(r->peers[i].source, e, 0);
		if (got <= 0)
			continue; /* one that is gone is seen by its slot */
		run_process_path(r, r->peers[i].pid, process, sizeof(process));
		if (process[1]) {
			strcpy(path, e->path);
			snprintf(e->path, sizeof(e->path), "%s%s", process,
				 strcmp(path, "/") ? path : "");
		}
		see_end(r, e);
		return 1;
	}
	return 0;
}

static void wait_for_peers(struct run *r, int timeout_ms)
{
	struct pollfd fds[RUN_PEERS];

	for (unsigned i = 0; i < r->nr_peers; i++)
		fds[i] = (struct pollfd){.fd = source_fd(r->peers[i].source), .events = POLLIN};
	poll(fds, r->nr_peers, timeout_ms);
}

int run_event(struct source *s, struct source_event *e, int timeout_ms)
{
	struct run *r = (struct run *)s;
	int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms, left;
	int got;

	for (;;) {
		if (!slots_run_lives(&r->slots))
			return source_fail(s, -EPIPE, "memcg run %d has ended", (int)r->slots.pid);
		got = look(r, e);
		if (!got)
			got = ask_peers(r, e);
		if (got)
			return got;
		left = end - now_ms();
		if (left <= 0)
			return 0;
		wait_for_peers(r, left < LOOK_MS ? (int)left : LOOK_MS);
	}
}
