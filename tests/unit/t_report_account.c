/* t_report_account.c - the account of a run: final numbers, what was recorded, and what has gone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* The command is no library: its modules are compiled into the test. */
#include "../../tools/memcg/account.c"
#include "../../tools/memcg/account_run.c"
#include "../../tools/memcg/elf.c"
#include "../../tools/memcg/procfs.c"
#include "../../tools/memcg/program.c"
#include "../../tools/memcg/record.c"
#include "../../tools/memcg/room.c"
#include "../../tools/memcg/section.c"
#include "../../tools/memcg/series.c"
#include "../../tools/memcg/track.c"
#include "../../tools/source/proc.c"

#define MS	   1000000u
#define NO_PROCESS 0x7ffffff0u /* no system has as many */

uint64_t run_clock_ns(void)
{
	return 1000ull * MS;
}

struct scene {
	struct room room;
	struct track track;
	struct record *record;
	struct account account;
	uint64_t now;
};

static void set_up(struct scene *s, uint32_t processes)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(room_create(&s->room, 1 << 20, UINT64_MAX, 0), 0);
	assert_int_equal(track_init(&s->track, &s->room, true), 0);
	s->record = record_create(&s->room, 0);
	assert_non_null(s->record);
	s->room.header->next = processes;
	for (uint32_t i = 0; i < processes; i++) {
		struct slot *slot = room_slot(&s->room, i);

		slot->pid = NO_PROCESS + i;
		slot->refreshed = 1;
		slot->state = SLOT_RUNNING;
		slot->claimed = i * 10 * MS;
		slot->view.max = 1 << 20;
		slot->view.high = UINT64_MAX;
		strcpy(slot->command, "a command");
		s->track.slots[i].alive = true;
	}
}

static void tear_down(struct scene *s)
{
	account_free(&s->account);
	record_destroy(s->record);
	track_exit(&s->track);
	munmap(s->room.header, slot_file_size(SLOT_DEFAULT));
	close(s->room.fd);
}

static struct slot_view *view(struct scene *s)
{
	return &room_slot(&s->room, 0)->view;
}

static void row(struct scene *s, uint64_t i, const char *name, uint64_t current)
{
	struct slot_row *r = &view(s)->rows[i];

	*r = (struct slot_row){.current = current, .peak = current, .max = UINT64_MAX};
	strncpy(r->name, name, SLOT_NAME_MAX - 1);
	if (view(s)->nr_rows <= i)
		view(s)->nr_rows = i + 1;
}

static void look(struct scene *s)
{
	s->now += 60 * MS;
	record_look(s->record, &s->track, s->now);
}

static void make(struct scene *s)
{
	static char *command[] = {(char *)"a", (char *)"b", NULL};
	const struct run_options options = {.max = 1 << 20, .high = UINT64_MAX, .command = command};

	assert_int_equal(account_run(&s->account, &s->track, s->record, &options, "text"), 0);
	assert_string_equal(s->account.command, "a b");
}

static const struct account_group *group(const struct scene *s, const char *path)
{
	const struct account_process *p = &s->account.processes[0];

	for (size_t i = 0; i < p->nr_groups; i++)
		if (!strcmp(p->groups[i].path, path))
			return &p->groups[i];
	return NULL;
}

/* It has no row any more: the page shows it as it was seen last. */
static void who_has_gone_stays(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s, 1);
	row(&s, 0, "early", 500);
	row(&s, 1, "stays", 10);
	look(&s);
	row(&s, 0, "late", 20);
	look(&s);
	make(&s);
	assert_int_equal(s.account.nr_processes, 1);
	assert_int_equal(s.account.processes[0].nr_groups, 4);
	assert_non_null(group(&s, "/early"));
	assert_true(group(&s, "/early")->gone);
	assert_int_equal(group(&s, "/early")->peak, 500);
	assert_int_equal(group(&s, "/early")->series->n, 1);
	assert_false(group(&s, "/stays")->gone);
	assert_int_equal(group(&s, "/stays")->series->n, 2);
	assert_false(group(&s, "/late")->gone);
	tear_down(&s);
}

static const struct account_event *event(const struct scene *s, enum account_what what, size_t nth)
{
	for (size_t i = 0; i < s->account.nr_events; i++)
		if (s->account.events[i].what == what && !nth--)
			return &s->account.events[i];
	return NULL;
}

/* Points in a row that had refusals are one event; a quiet one between ends it. */
static void refusals_in_a_row(void **state)
{
	const uint64_t refusals[] = {0, 3, 5, 5, 5, 9};
	struct scene s;

	(void)state;
	set_up(&s, 1);
	for (unsigned i = 0; i < 6; i++) {
		view(&s)->refusals = refusals[i];
		look(&s);
	}
	make(&s);
	assert_int_equal(event(&s, EVENT_REFUSED, 0)->count, 5);
	assert_int_equal(event(&s, EVENT_REFUSED, 1)->count, 4);
	assert_null(event(&s, EVENT_REFUSED, 2));
	assert_true(event(&s, EVENT_REFUSED, 0)->until <= event(&s, EVENT_REFUSED, 1)->when);
	tear_down(&s);
}

static void starts_ends_and_limits(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s, 2);
	look(&s);
	s.room.header->max = 5 << 20;
	s.track.slots[1].alive = false;
	look(&s);
	look(&s);
	make(&s);
	assert_int_equal(s.account.nr_processes, 2);
	assert_int_equal(event(&s, EVENT_START, 0)->pid, NO_PROCESS);
	assert_int_equal(event(&s, EVENT_START, 1)->when, 10 * MS);
	assert_int_equal(event(&s, EVENT_END, 0)->pid, NO_PROCESS + 1);
	assert_int_equal(event(&s, EVENT_END, 0)->when, 120 * MS);
	assert_null(event(&s, EVENT_END, 1));
	assert_int_equal(event(&s, EVENT_MAX, 0)->from, 1 << 20);
	assert_int_equal(event(&s, EVENT_MAX, 0)->to, 5 << 20);
	assert_int_equal(event(&s, EVENT_MAX, 0)->pid, 0);
	for (size_t i = 1; i < s.account.nr_events; i++)
		assert_true(s.account.events[i - 1].when <= s.account.events[i].when);
	assert_int_equal(s.account.processes[0].to, ACCOUNT_NONE);
	/* Of several processes the limit is what was set for all. */
	assert_int_equal(s.account.max, 5 << 20);
	assert_int_equal(s.account.max_was, 1 << 20);
	assert_true(s.account.high == UINT64_MAX && s.account.high_was == UINT64_MAX);
	tear_down(&s);
}

/* The limit that a page names is the one at the end. */
static void limits_at_the_end(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s, 1);
	row(&s, 0, "group", 10);
	look(&s);
	s.room.header->max = 5 << 20;
	look(&s);
	view(&s)->max = 3 << 20; /* of this process alone */
	view(&s)->high = 2 << 20;
	view(&s)->rows[0].max = 4096;
	look(&s);
	make(&s);
	assert_int_equal(s.account.max, 3 << 20);
	assert_int_equal(s.account.max_was, 1 << 20);
	assert_int_equal(s.account.high, 2 << 20);
	assert_true(s.account.high_was == UINT64_MAX);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_gone_stays),
		cmocka_unit_test(refusals_in_a_row),
		cmocka_unit_test(starts_ends_and_limits),
		cmocka_unit_test(limits_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
