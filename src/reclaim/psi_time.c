/* psi_time.c - see psi_time.h. */
#include "reclaim/psi_time.h"

#include "base/bits.h"

#define ONE   (1ul << 32)    /* decay factors are 0.32 */
#define WHOLE (10000u << 16) /* 100 % in the unit of avg */

/* What an average keeps over one period: e^(-2 s / its length). */
static const u64 decay[PSI_AVGS] = {3516421809ul, 4154161520ul, 4266429413ul};

/*
 * From `from` to now the stall was on, or off. How many spans ended; *first is how much of the
 * first of them was stalled.
 */
static u64 span_advance(struct psi_span *s, u64 from, u64 now, bool on, u64 *first)
{
	u64 end = s->start + s->len, n;

	if (now < end) {
		s->stalled += on ? now - from : 0;
		return 0;
	}
	*first = s->stalled + (on ? end - from : 0);
	n = 1 + (now - end) / s->len;
	s->start += n * s->len;
	s->stalled = on ? now - s->start : 0;
	return n;
}

static u64 power(u64 factor, u64 n)
{
	u64 r = ONE;

	for (; n && r; n >>= 1) {
		if (n & 1)
			r = r * factor >> 32;
		factor = factor * factor >> 32;
	}
	return r;
}

/* n periods with the same share of stall. Both products are below 2^63. */
static void average(struct psi_time *t, u64 share, u64 n)
{
	unsigned i;

	for (i = 0; n && i < PSI_AVGS; i++) {
		u64 keep = power(decay[i], n);

		t->avg[i] = (u32)((t->avg[i] * keep + share * (ONE - keep)) >> 32);
	}
}

void psi_time_init(struct psi_time *t, u64 now)
{
	*t = (struct psi_time){.at = now, .period = {.len = PSI_PERIOD_NS, .start = now}};
}

void psi_time_advance(struct psi_time *t, u64 now)
{
	u64 first, n;

	if (now <= t->at)
		return;
	n = span_advance(&t->period, t->at, now, t->on, &first);
	if (n) {
		average(t, first * (WHOLE >> 8) / (PSI_PERIOD_NS >> 8), 1);
		average(t, t->on ? WHOLE : 0, n - 1);
	}
	t->total += t->on ? now - t->at : 0;
	t->at = now;
}

u32 psi_time_avg(const struct psi_time *t, unsigned which)
{
	return (t->avg[which] + (1u << 15)) >> 16;
}

/* --- windows ------------------------------------------------------------------ */

void psi_window_init(struct psi_window *w, u64 len, u64 threshold, u64 now)
{
	*w = (struct psi_window){.span = {.len = len, .start = now}, .threshold = threshold};
}

void psi_window_advance(struct psi_window *w, u64 from, u64 now, bool on)
{
	u64 first, n;

	from = MAX(from, w->span.start); /* it may be younger than its group's last update */
	if (now <= from)
		return;
	n = span_advance(&w->span, from, now, on, &first);
	if (n == 1)
		w->before = first;
	else if (n)
		w->before = on ? w->span.len : 0;
}

bool psi_window_due(const struct psi_window *w, u64 now)
{
	u64 left = w->span.start + w->span.len - now;
	u64 grown = w->span.stalled + (u64)((unsigned __int128)w->before * left / w->span.len);

	return grown >= w->threshold && now >= w->quiet_until;
}

void psi_window_told(struct psi_window *w, u64 now)
{
	w->quiet_until = now + w->span.len;
}
