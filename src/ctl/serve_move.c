/* serve_move.c - all address spaces of a group go to another: memcg_mm_move of each. */
#include <errno.h>
#include <string.h>

#include "ctl/serve.h"
#include "vm/mm.h"

#define WHAT (MEMCG_MOVE_ANON | MEMCG_MOVE_FILE)

/* Who pays for it at this moment. */
static bool is_of(struct memcg_mm *mm, const struct memcg *cg)
{
	struct handle *h = mm_payer(mm);
	struct rcu_reader *self = self_rcu();
	bool same;

	rcu_read_lock(self);
	same = handle_group(h) == cg;
	rcu_read_unlock(self);
	handle_sub(h, HANDLE_PIN);
	return same;
}

static void add(struct memcg_move *sum, const struct memcg_move *m)
{
	sum->moved += m->moved;
	sum->mapped_elsewhere += m->mapped_elsewhere;
	sum->busy += m->busy;
	sum->not_ours += m->not_ours;
	sum->refused += m->refused;
	sum->nsec += m->nsec;
	sum->swapped += m->swapped;
}

/* Up to the first that is refused: those before it have gone. */
static int move_each(const struct memcg *from, struct memcg *to, unsigned flags,
		     struct memcg_move *sum)
{
	struct memcg_mm *mm = NULL;
	struct memcg_move m;
	int err = 0;

	while (!err && (mm = mm_next(mm))) {
		if (!is_of(mm, from))
			continue;
		err = memcg_mm_move(mm, to, flags, &m, sizeof(m));
		if (!err || err == -ENOMEM)
			add(sum, &m);
	}
	if (mm)
		mm_put(mm);
	return err;
}

static void say_move(struct text *t, const struct memcg_move *m)
{
	text_say(t, "moved\t%lu\nmapped_elsewhere\t%lu\nbusy\t%lu\nnot_ours\t%lu\n", m->moved,
		 m->mapped_elsewhere, m->busy, m->not_ours);
	text_say(t, "refused\t%lu\nnsec\t%lu\nswapped\t%lu\n", m->refused, m->nsec, m->swapped);
}

static int move_between(struct serve_call *call, const struct memcg *from, struct memcg *to,
			unsigned flags)
{
	struct text why = {.buf = call->why, .size = sizeof(call->why)};
	struct memcg_move sum = {.moved = 0};
	int err = move_each(from, to, flags, &sum);

	if (err == -ENOMEM)
		text_say(&why, "over a max of %.100s or above: %lu bytes wanted; moved before: %lu",
			 call->arg[1], sum.refused, sum.moved);
	else if (!err)
		say_move(call->t, &sum);
	return err;
}

int serve_move(struct serve_call *call)
{
	bool dry = call->n == 3 && !strcmp(call->arg[2], "dry");
	struct memcg *from, *to;
	int err;

	if (call->n == 3 && !dry)
		return -EINVAL;
	from = serve_group(call, 0, &err);
	if (!from)
		return err;
	to = serve_group(call, 1, &err);
	if (to)
		err = move_between(call, from, to, WHAT | (dry ? MEMCG_MOVE_DRY_RUN : 0));
	group_put(to);
	group_put(from);
	return err;
}
