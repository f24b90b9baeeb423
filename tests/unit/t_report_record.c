/* t_report_record.c - what is taken down of slots while a program runs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* The command is no library: its modules are compiled into the test. */
#include "../../tools/memcg/record.c"
#include "../../tools/memcg/room.c"
#include "../../tools/memcg/series.c"

#define MS 1000000u

struct scene {
	struct room room;
	struct track track;
	struct record *record;
	uint64_t now;
};

static struct slot *slot_of(struct scene *s, uint32_t i)
{
	return room_slot(&s->room, i);
}

static void set_up(struct scene *s, uint32_t processes)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(room_create(&s->room, 1 << 20, UINT64_MAX, 0), 0);
	s->track.room = &s->room;
	s->track.slots = calloc(SLOT_DEFAULT, sizeof(*s->track.slots));
	assert_non_null(s->track.slots);
	s->record = record_create(&s->room, 0);
	assert_non_null(s->record);
	s->room.header->next = processes;
	for (uint32_t i = 0; i < processes; i++) {
		slot_of(s, i)->pid = 100 + i;
		slot_of(s, i)->refreshed = 1;
		slot_of(s, i)->state = SLOT_RUNNING;
		slot_of(s, i)->view.max = 1 << 20;
		slot_of(s, i)->view.high = UINT64_MAX;
		s->track.slots[i].alive = true;
		s->track.slots[i].rss = 5000;
	}
}

static void tear_down(struct scene *s)
{
	record_destroy(s->record);
	free(s->track.slots);
	munmap(s->room.header, slot_file_size(SLOT_DEFAULT));
	close(s->room.fd);
}

static void look(struct scene *s)
{
	s->now += 60 * MS; /* each in a point of its own */
	record_look(s->record, &s->track, s->now);
}

static void root(struct scene *s, uint64_t current, uint64_t peak, uint64_t refusals)
{
	struct slot_view *v = &slot_of(s, 0)->view;

	v->current = current;
	v->peak = peak;
	v->refusals = refusals;
}

static void row(struct scene *s, uint64_t i, const char *name, uint64_t current)
{
	struct slot_view *v = &slot_of(s, 0)->view;

	v->rows[i] = (struct slot_row){.current = current, .peak = current, .max = UINT64_MAX};
	strncpy(v->rows[i].name, name, SLOT_NAME_MAX - 1);
	if (v->nr_rows <= i)
		v->nr_rows = i + 1;
}

static const struct cell *last_cell(const struct series *s)
{
	assert_true(s->n > 0);
	return &s->cell[s->n - 1];
}

/* It went up and down between two looks: the slot's peak tells. */
static void a_spike_between_looks(void **state)
{
	const struct series *series;
	struct scene s;

	(void)state;
	set_up(&s, 1);
	root(&s, 100, 100, 0);
	look(&s);
	root(&s, 110, 900, 0);
	look(&s);
	series = &s.record->processes[0].groups[0]->series;
	assert_int_equal(last_cell(series)->last, 110);
	assert_int_equal(last_cell(series)->max, 900);
	look(&s); /* once: the peak is not of this point */
	assert_int_equal(last_cell(series)->max, 110);
	tear_down(&s);
}

static void refusals_are_of_their_point(void **state)
{
	const struct series *series;
	struct scene s;

	(void)state;
	set_up(&s, 1);
	root(&s, 1, 1, 0);
	look(&s);
	root(&s, 1, 1, 7);
	look(&s);
	series = &s.record->processes[0].groups[0]->series;
	assert_int_equal(last_cell(series)->refusals, 7);
	look(&s);
	assert_int_equal(last_cell(series)->refusals, 0);
	root(&s, 1, 1, 9);
	look(&s);
	assert_int_equal(last_cell(series)->refusals, 2);
	tear_down(&s);
}

/* Rows change places as groups come and go; of two of one name each stays the one it is. */
static void groups_by_name(void **state)
{
	const struct record_process *p;
	struct scene s;

	(void)state;
	set_up(&s, 1);
	row(&s, 0, "a", 10);
	row(&s, 1, "b", 20);
	row(&s, 2, "b", 30);
	look(&s);
	row(&s, 0, "b", 21);
	row(&s, 1, "b", 31);
	row(&s, 2, "c", 40);
	look(&s);
	p = &s.record->processes[0];
	assert_int_equal(p->nr_groups, 5);
	assert_string_equal(p->groups[1]->name, "a");
	assert_int_equal(p->groups[1]->series.n, 1); /* it has gone */
	assert_int_equal(last_cell(&p->groups[2]->series)->last, 21);
	assert_int_equal(last_cell(&p->groups[3]->series)->last, 31);
	assert_string_equal(p->groups[4]->name, "c");
	tear_down(&s);
}

static void groups_are_bounded(void **state)
{
	struct scene s;
	char name[16];

	(void)state;
	set_up(&s, 1);
	for (unsigned i = 0; i < 3 * RECORD_GROUPS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		row(&s, 0, name, 1);
		look(&s);
	}
	assert_int_equal(s.record->processes[0].nr_groups, RECORD_GROUPS);
	assert_true(s.record->lost_groups);
	tear_down(&s);
}

static void limits_as_they_change(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s, 2);
	row(&s, 0, "a", 10);
	look(&s);
	assert_int_equal(s.record->nr_changes, 0);
	s.room.header->max = 2 << 20; /* for everybody, and both follow */
	slot_of(&s, 0)->view.max = slot_of(&s, 1)->view.max = 2 << 20;
	look(&s);
	assert_int_equal(s.record->nr_changes, 1);
	assert_int_equal(s.record->changes[0].slot, RECORD_EVERYBODY);
	assert_int_equal(s.record->changes[0].from, 1 << 20);
	assert_int_equal(s.record->changes[0].to, 2 << 20);
	slot_of(&s, 1)->view.high = 12345; /* of one alone */
	slot_of(&s, 0)->view.rows[0].max = 777;
	look(&s);
	assert_int_equal(s.record->nr_changes, 3);
	assert_string_equal(s.record->changes[1].name, "a");
	assert_int_equal(s.record->changes[1].to, 777);
	assert_true(s.record->changes[2].high);
	assert_int_equal(s.record->changes[2].slot, 1);
	look(&s);
	assert_int_equal(s.record->nr_changes, 3);
	tear_down(&s);
}

static void who_ends_has_final_numbers(void **state)
{
	const struct record_process *p;
	struct scene s;

	(void)state;
	set_up(&s, 1);
	root(&s, 10, 10, 0);
	look(&s);
	s.track.slots[0].alive = false;
	root(&s, 20, 50, 3);
	slot_of(&s, 0)->state = SLOT_EXITED;
	look(&s);
	look(&s);
	p = &s.record->processes[0];
	assert_true(p->ended);
	assert_int_equal(p->ended_at, 120 * MS); /* when it was first missed */
	assert_int_equal(last_cell(&p->groups[0]->series)->last, 20);
	assert_int_equal(last_cell(&p->groups[0]->series)->max, 50);
	assert_int_equal(last_cell(&p->groups[0]->series)->refusals, 3);
	assert_int_equal(p->resident.n, 1);
	root(&s, 99, 99, 9); /* nobody looks at the dead again */
	look(&s);
	assert_int_equal(last_cell(&p->groups[0]->series)->last, 20);
	tear_down(&s);
}

/* It came after the look at /proc: it has not ended. */
static void who_came_late_lives(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s, 1);
	s.track.slots[0].alive = false;
	look(&s);
	assert_false(s.record->processes[0].ended);
	s.track.slots[0].alive = true;
	look(&s);
	look(&s);
	assert_false(s.record->processes[0].ended);
	s.track.slots[0].alive = false;
	record_finish(s.record, &s.track, s.now + MS);
	assert_true(s.record->processes[0].ended);
	tear_down(&s);
}

static void zeros_are_no_numbers(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s, 1);
	slot_of(&s, 0)->refreshed = 0;
	slot_of(&s, 0)->state = SLOT_STARTING;
	look(&s);
	assert_int_equal(s.record->processes[0].nr_groups, 0);
	assert_int_equal(s.record->processes[0].resident.n, 1);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spike_between_looks),
		cmocka_unit_test(refusals_are_of_their_point),
		cmocka_unit_test(groups_by_name),
		cmocka_unit_test(groups_are_bounded),
		cmocka_unit_test(limits_as_they_change),
		cmocka_unit_test(who_ends_has_final_numbers),
		cmocka_unit_test(who_came_late_lives),
		cmocka_unit_test(zeros_are_no_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
