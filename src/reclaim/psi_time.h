/*
 * psi_time.h - adding up stalled time: totals, averages, and growth within a window. Nothing here
 * knows a clock or a lock: the caller says what time it is, and covers the struct.
 *
 * A stall is on or off from one change to the next. So whoever brings a struct up to date, whenever
 * he comes, knows all that has happened since the last time: `on` held throughout. Time is cut into
 * spans of one length; between two updates at most one span has a mixture (the first that
 * ended), the others were stalled from end to end or not at all. Any number of them is a
 * power of the decay, so that nobody has to come at regular times.
 */
#ifndef MEMCG_RECLAIM_PSI_TIME_H
#define MEMCG_RECLAIM_PSI_TIME_H

#include "base/compiler.h"
#include "base/types.h"

#define PSI_PERIOD_NS 2000000000ul /* the kernel's: averages move once in two seconds */
#define PSI_AVGS      3		   /* over 10, 60 and 300 seconds */

/* The span under way. */
struct psi_span {
	u64 len, start;
	u64 stalled; /* ns of it so far */
};

/* One kind of stall of one group. */
struct psi_time {
	u64 at;	 /* up to date to here */
	bool on; /* since then */
	u64 total;
	struct psi_span period;
	u32 avg[PSI_AVGS]; /* of the periods that ended, in 1/65536 of 1/100 % */
};

__hidden_ void psi_time_init(struct psi_time *t, u64 now);
__hidden_ void psi_time_advance(struct psi_time *t, u64 now);	      /* then `on` may be changed */
__hidden_ u32 psi_time_avg(const struct psi_time *t, unsigned which); /* 1/100 %, 0..10000 */

/*
 * A trigger's view: has the stall grown by `threshold` within the last `span.len`? The part of it
 * that lies before the span under way is estimated, as if the last one's had come evenly.
 */
struct psi_window {
	struct psi_span span;
	u64 before; /* stalled in the span that ended last */
	u64 threshold;
	u64 quiet_until; /* told not again before: one notification a window */
};

__hidden_ void psi_window_init(struct psi_window *w, u64 len, u64 threshold, u64 now);
__hidden_ void psi_window_advance(struct psi_window *w, u64 from, u64 now, bool on);
__hidden_ bool psi_window_due(const struct psi_window *w, u64 now);
__hidden_ void psi_window_told(struct psi_window *w, u64 now);

#endif
