/*
 * throttle.c - memory.high, and memory.swap.high.
 *
 * A group over its high is given time, not refused: whoever charged it gives memory back, for as
 * long as that makes progress, and is then held for a while that grows with the square of the
 * excess. The formula is the kernel's (calculate_high_delay): the excess as a fraction of high,
 * squared, in seconds, scaled to 14 bits, for each 64 pages charged; less than 10 ms is not worth
 * a sleep, and more than 2 s in one call would look like a hang: so a thread is never held longer
 * than that by one call, however much it owes.
 *
 * A group over its swap.high is held in the same way, by the excess of its swap, in addition: who
 * charges memory to it is making it swap. Nothing is given back for that: what would bring its swap
 * down is that somebody uses it, or frees it.
 *
 * A reclaimer thread does the first half alone, and for the whole excess: those who charged may be
 * in a scope that they do not leave, or done, and then nobody else would ever come.
 */
#include "reclaim/throttle.h"

#include "group/vm.h"
#include "reclaim/owed.h"
#include "reclaim/psi.h"
#include "reclaim/scan.h"
#include "sys/clock.h"

#define ROUNDS	    16u
#define DELAY_MOST  (2000ul * 1000 * 1000)
#define DELAY_LEAST (10ul * 1000 * 1000)
#define UNIT	    (64 * PAGE_SIZE) /* the kernel's batch of charges, which the formula is for */

typedef unsigned __int128 u128;

u64 throttle_delay(u64 usage, u64 high, u64 n)
{
	u128 over, delay;

	if (usage <= high)
		return 0;
	over = ((u128)(usage - high) << 20) / MAX(high, 1ul);
	over = MIN(over, (u128)1 << 40); /* whatever is above: the most, and no overflow */
	delay = over * over * 1000000000 >> 34;
	if (delay < DELAY_MOST * 1024) /* else n cannot make it small again, and might overflow */
		delay = delay * n / UNIT;
	delay = MIN(delay, (u128)DELAY_MOST);
	return delay <= DELAY_LEAST ? 0 : (u64)delay;
}

static struct memcg *group_of(struct counter *c)
{
	return container_of(c, struct memcg, counter);
}

/* The ancestors live as long as cg's struct. */
static void count_events(struct memcg *cg)
{
	struct counter *c = &cg->counter;

	for (; (c = counter_over_high(c)); c = c->parent)
		group_event(group_of(c), EV_HIGH);
}

/* Each level from cg up that is over its high gives back about n; bytes. */
static u64 give_back(struct memcg *cg, u64 n)
{
	struct counter *c = &cg->counter;
	u64 bytes = 0;

	while ((c = counter_over_high(c))) {
		bytes += reclaim_group(group_of(c), MAX(n, RECLAIM_BATCH), RECLAIM_ANY);
		c = c->parent;
	}
	return bytes;
}

/* The longest any level of c's asks for. */
static u64 longest(const struct counter *c, u64 n)
{
	u64 most = 0;

	for (; c; c = c->parent)
		most = MAX(most, throttle_delay(counter_read(c), atomic_load(&c->high), n));
	return most;
}

/* For memory and for swap, each by its own excess. */
static u64 delay_of(struct memcg *cg, u64 n)
{
	const struct group_vm *vm = atomic_load_acquire(&cg->vm);
	u64 delay = longest(&cg->counter, n);

	return vm ? MIN(delay + longest(&vm->swap, n), DELAY_MOST) : delay;
}

/* Signals cut sleeps short. Nobody is held for a group that is gone. */
static void wait(struct memcg *cg, u64 ns, struct psi_stall *stall)
{
	u64 end = sys_clock_ns() + ns, now;

	while ((now = sys_clock_ns()) < end && atomic_load(&cg->online)) {
		sys_sleep_ns(MIN(end - now, 50ul * 1000 * 1000));
		psi_tick(stall);
	}
}

/* What is left to wait for once reclaim makes no more progress. */
static u64 work_off(struct memcg *cg, u64 n)
{
	unsigned round;
	u64 delay = 0;

	for (round = 0; round < ROUNDS; round++) {
		u64 bytes = give_back(cg, n);

		delay = delay_of(cg, n);
		if (!delay || !bytes)
			break;
	}
	return delay;
}

void throttle(struct memcg *cg, u64 n)
{
	struct psi_stall stall;
	u64 delay;

	if (!counter_over_high(&cg->counter) && !group_swap_over_high(cg))
		return;
	psi_begin(&stall, cg);
	count_events(cg);
	delay = work_off(cg, n);
	if (delay)
		wait(cg, delay, &stall);
	psi_end(&stall);
}

static u64 excess(struct counter *c)
{
	u64 usage = counter_read(c), high = atomic_load(&c->high);

	return usage > high ? usage - high : 0;
}

static void bring_down(struct counter *c)
{
	unsigned round;
	u64 n;

	for (round = 0; round < ROUNDS && (n = excess(c)); round++)
		if (!reclaim_group(group_of(c), n, RECLAIM_ANY))
			return;
}

void throttle_work(struct memcg *cg)
{
	struct counter *c = &cg->counter;
	struct psi_stall stall;

	if (!counter_over_high(c))
		return;
	psi_begin(&stall, cg);
	count_events(cg);
	for (; (c = counter_over_high(c)); c = c->parent)
		bring_down(c);
	psi_end(&stall);
}

void memcg_throttle(void)
{
	struct task *self = task_self();

	if (self)
		owed_serve(self);
}
