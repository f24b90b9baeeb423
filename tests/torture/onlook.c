/* onlook.c - see onlook.h. What is read is of a moment; that it is consistent is asked. */
#include "onlook.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "groups.h"

/* --- files -------------------------------------------------------------------------- */

/* Not memory.owners and memory.report: these walk over all memory, for quiet points (recount.h). */
static const char *const file[] = {
	"memory.current",   "memory.peak",	"memory.min",	 "memory.low",
	"memory.high",	    "memory.max",	"memory.events", "memory.stat",
	"memory.slack",	    "memory.pressure",	"memory.fail",	 "memory.events.local",
	"cgroup.stat",	    "cgroup.threads",	"cgroup.events", "cgroup.procs",
	"memory.numa_stat", "memory.oom.group",
};

void onlook_files(struct chance *c)
{
	struct memcg *cg = group_random(c);
	char text[8192];

	for (unsigned i = 0; i < ARRAY_SIZE(file); i++) {
		ssize_t n = memcg_read(cg, file[i], text, sizeof(text));

		EXPECT((n > 0 && text[n - 1] == '\n') || n == 0 || !memcg_online(cg),
		       "reading %s: %zd", file[i], n);
	}
	memcg_put(cg);
}

/* --- the tree ----------------------------------------------------------------------- */

static void look_up(struct memcg *cg)
{
	struct memcg *found, *parent = memcg_parent(cg);
	char path[1024];

	if (memcg_path(cg, path, sizeof(path)) > 0) {
		found = memcg_lookup(path);
		EXPECT(found == cg || !memcg_online(cg), "%s is not found by its path", path);
		memcg_put(found);
	}
	memcg_put(parent);
}

static void walk_some(struct memcg *from, unsigned steps)
{
	struct memcg *cg = NULL;
	u64 last = 0;

	while (steps-- && (cg = memcg_next(from, cg))) {
		EXPECT(memcg_id(cg) != last, "a walk stands still");
		last = memcg_id(cg);
	}
	memcg_put(cg);
}

/* Memory is copied as it stands: what does not fit together is a difference, not a crash
 * (walk.h 2.2). That it is read while it changes is tolerated, and ThreadSanitizer would say so. */
static void report_now(bool recount)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0)
		return;
#ifndef MEMCG_TSAN
	memcg_report(null, recount ? 0 : MEMCG_REPORT_NO_RECOUNT);
#else
	(void)recount;
#endif
	close(null);
}

void onlook_tree(struct chance *c)
{
	struct memcg *cg = group_random(c);
	struct memcg_stat s;

	look_up(cg);
	walk_some(cg, 1 + (unsigned)below(c, 100));
	EXPECT(!memcg_stat(cg, &s, sizeof(s)), "no statistics");
	memcg_slack(cg);
	memcg_headroom(cg);
	if (one_in(c, 16))
		report_now(one_in(c, 4));
	memcg_put(cg);
}

/* --- events ---------------------------------------------------------------------------- */

void onlook_watch(struct chance *c)
{
	static const char trigger[] = "some 1000 500000";
	struct memcg_events ev = {.rose = 0};
	struct memcg *cg = group_random(c);
	struct memcg_ctl *pressure = memcg_ctl_open(cg, "memory.pressure");
	struct memcg_ctl *events = memcg_ctl_open(cg, "memory.events");
	int fd = memcg_eventfd(cg, MEMCG_EVENT_MAX | MEMCG_EVENT_OOM);
	char text[1024];

	if (pressure) {
		memcg_ctl_write(pressure, trigger, sizeof(trigger) - 1);
		memcg_ctl_read(pressure, text, sizeof(text));
	}
	if (events && memcg_ctl_fd(events) >= 0)
		memcg_ctl_read(events, text, sizeof(text));
	memcg_event_read(cg, &ev, sizeof(ev));
	memcg_throttle();
	memcg_ctl_close(events);
	memcg_ctl_close(pressure);
	EXPECT(fd < 0 || memcg_eventfd_close(fd) == 0, "closing an eventfd");
	memcg_put(cg);
}

/* --- addresses --------------------------------------------------------------------------- */

#define NOTED 256u

static const void *noted[NOTED]; /* atomic */

void onlook_note(const void *address)
{
	atomic_store(&noted[chance_mix((u64)(uintptr_t)address) % NOTED], address);
}

/*
 * Whatever lies at an address by now, no more than a counted page can be got. (The owner is asked
 * for objects that are held: of memory that was freed memcg_owner() promises nothing.)
 */
void onlook_stray(struct chance *c)
{
	for (unsigned i = 0; i < 32; i++) {
		const char *at = atomic_load(&noted[below(c, NOTED)]);
		struct memcg_page *page = at ? memcg_page_of(at + below(c, 8192)) : NULL;

		if (page && memcg_page_tryget(page))
			memcg_page_put(page);
	}
}
