/* live.c - plain lines about once a second, the same for a terminal and a pipe. */
#include "run.h"

#include "size.h"
#include "holders.h"
#include "quote.h"

#define MAX_PROCESSES 16 /* a build that starts hundreds must not fill the screen */
#define MAX_ROWS      8

struct line {
	const char *comm, *group;
	uint32_t pid;
	uint64_t current, peak, max, refusals;
};

static void print_line(uint64_t elapsed_ns, const struct line *l)
{
	char current[SIZE_TEXT], peak[SIZE_TEXT], max[SIZE_TEXT];

	fprintf(stderr, "memcg: %3u.%us %.15s[%u] %s current %s peak %s max %s refusals %llu\n",
		(unsigned)(elapsed_ns / 1000000000u), (unsigned)(elapsed_ns / 100000000u % 10),
		l->comm, l->pid, l->group, size_human(l->current, current),
		size_human(l->peak, peak), size_human(l->max, max),
		(unsigned long long)l->refusals);
}

static void print_process(const struct slot *s, uint64_t elapsed_ns, unsigned top)
{
	uint64_t rows = top ? SLOT_ROWS : MAX_ROWS;
	struct slot_view v;
	struct line l;

	char comm[sizeof(s->comm) + 1];

	room_read(s, &v);
	holders_pick(&v, top, false);
	snprintf(comm, sizeof(comm), "%.16s", s->comm); /* of the program: anything */
	quote_plain(comm);
	l = (struct line){comm, "/", s->pid, v.current, v.peak, v.max, v.refusals};
	print_line(elapsed_ns, &l);
	for (uint64_t i = 0; i < v.nr_rows && i < rows; i++) {
		const struct slot_row *r = &v.rows[i];
		char name[SLOT_NAME_MAX + 2];

		snprintf(name, sizeof(name), "/%.31s", r->name);
		l = (struct line){comm,	  quote_plain(name), s->pid, r->current, r->peak,
				  r->max, r->refusals};
		print_line(elapsed_ns, &l);
	}
}

void live_print(const struct track *t, uint64_t elapsed_ns, unsigned top)
{
	unsigned printed = 0, left_out = 0;

	for (uint32_t i = 0; i < room_used(t->room); i++) {
		const struct slot *s = room_slot(t->room, i);

		if (!t->slots[i].alive || s->state != SLOT_RUNNING)
			continue;
		if (printed++ < MAX_PROCESSES)
			print_process(s, elapsed_ns, top);
		else
			left_out++;
	}
	if (left_out)
		fprintf(stderr, "memcg: and %u more processes\n", left_out);
}
