/*
 * shrinker_record.c - what a shrinker's behaviour costs it. Shrinkers lock throughout, but for
 * shrinker_complain().
 *
 * 1. Time. A call past its deadline makes it late; each such call doubles the number of passes that
 *    go by without it, up to 64; each pass all in time takes one doubling back. A thread that was
 *    not scheduled looks late too: tolerated, since that passes as quickly as it came.
 * 2. Truth. credit is a moving average of measured / claimed, by which its counts are scaled. It is
 *    looked at once enough has been claimed that what other threads hold in stock is no matter.
 *    It falls by a quarter of the difference and rises by half, and never below 1/64: so that one
 *    that mends is asked, and found so. Memory in slabs that others keep open comes back late
 *    or not at all: that too is what credit says, and no lie. So it takes less than a
 *    quarter, several times over, to be called one.
 * 3. Lines are written at the 1st, 2nd, 4th, 8th ... late call, and once about truth.
 */
#include "reclaim/shrinker.h"

#include <string.h>

#include "sys/log.h"

#define LATE_RANK_MAX 6u
#define CREDIT_LEAST  (SHRINKER_SURE / 64)
#define CREDIT_LIAR   (SHRINKER_SURE / 4)
#define CLAIMS_ENOUGH (256 * KIB)
#define CALLS_ENOUGH  64u
#define NSEC_PER_MSEC 1000000ul

/* --- lines ------------------------------------------------------------------------ */

static void complaint_fill(struct shrinker_complaint *c, const struct memcg_shrinker *s, int what)
{
	c->what = what;
	c->times = s->record.late;
	memcpy(c->name, s->name, sizeof(c->name));
}

void shrinker_complain(const struct shrinker_complaint *c, struct memcg *cg)
{
	char path[256];

	if (c->what == SHRINKER_FINE)
		return;
	if (memcg_path(cg, path, sizeof(path)) < 0)
		memcpy(path, "...", 4);
	if (c->what == SHRINKER_LIES)
		log_line("shrinker '%s' of %s says it freed %lu bytes and the group got back %lu: "
			 "its counts are scaled down. Were they the group's, and does it free "
			 "objects that lie together?",
			 c->name, path, c->a, c->b);
	else
		log_line("shrinker '%s' of %s %s %lu ms, deadline %lu ms, late %u times: it is "
			 "asked less often",
			 c->name, path, c->what == SHRINKER_STUCK ? "has not returned for" : "took",
			 c->a / NSEC_PER_MSEC, c->b / NSEC_PER_MSEC, c->times);
}

/* --- time --------------------------------------------------------------------------- */

static bool power_of_two(u32 n)
{
	return !(n & (n - 1));
}

static void late_once(struct memcg_shrinker *s, u64 ns, int what, struct shrinker_complaint *c)
{
	s->record.late++;
	if (!power_of_two(s->record.late))
		return;
	complaint_fill(c, s, what);
	c->a = ns;
	c->b = s->deadline;
}

void record_time(struct memcg_shrinker *s, u64 ns, struct shrinker_complaint *c)
{
	struct shrinker_record *r = &s->record;

	if (ns <= s->deadline)
		return;
	r->was_late = true;
	r->late_rank = MIN(r->late_rank + 1, LATE_RANK_MAX);
	r->skip = 1u << r->late_rank;
	if (!r->stuck)
		late_once(s, ns, SHRINKER_LATE, c);
	r->stuck = false;
}

void record_stuck(struct memcg_shrinker *s, u64 ns, struct shrinker_complaint *c)
{
	if (ns <= s->deadline || s->record.stuck)
		return;
	s->record.stuck = true;
	late_once(s, ns, SHRINKER_STUCK, c);
}

bool record_skips(struct memcg_shrinker *s)
{
	struct shrinker_record *r = &s->record;

	if (r->skip) {
		r->skip--;
		return true;
	}
	r->late_rank -= !r->was_late && r->late_rank;
	r->was_late = false;
	return false;
}

/* --- truth ---------------------------------------------------------------------------- */

static void credit_follow(struct shrinker_record *r)
{
	s32 shown = (s32)(MIN(r->measured, r->claimed) * SHRINKER_SURE / r->claimed);
	s32 credit = (s32)r->credit;

	credit += (shown - credit) / (shown < credit ? 4 : 2);
	r->credit = MAX((u32)credit, CREDIT_LEAST);
}

void record_claim(struct memcg_shrinker *s, u64 claimed, u64 measured, struct shrinker_complaint *c)
{
	struct shrinker_record *r = &s->record;

	r->calls++;
	r->claimed += claimed;
	r->measured += measured;
	if (r->claimed < CLAIMS_ENOUGH && r->calls < CALLS_ENOUGH)
		return;
	if (r->claimed)
		credit_follow(r);
	if (r->credit < CREDIT_LIAR && !r->liar) {
		r->liar = true;
		complaint_fill(c, s, SHRINKER_LIES);
		c->a = r->claimed;
		c->b = r->measured;
	}
	r->calls = 0;
	r->claimed = r->measured = 0;
}

u64 record_believed(const struct memcg_shrinker *s, u64 n)
{
	return (u64)((unsigned __int128)n * s->record.credit / SHRINKER_SURE);
}
