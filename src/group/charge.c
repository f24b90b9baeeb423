/*
 * charge.c - the slow half of charging: batches, folding, and the one loop
 * "try, give back, retry, give up".
 *
 * A charge is made in this order: counters of the group the handle names now
 * (and its ancestors), then the handle's refs. A fold undoes it in the other
 * order of meaning: it looks the group up anew, so that bytes charged before a group was
 * destroyed are credited to whoever inherited them. Both walks lie within one
 * RCU section, so the group they found is valid memory.
 */
#include <errno.h>
#include <string.h>

#include "group/charge.h"
#include "page/page.h"

#define CHARGE_ROUNDS 3

u64 (*charge_give_back)(struct memcg *limited);
void (*charge_refresh)(void);
void (*charge_watch)(void);

static void watch(void)
{
	if (charge_watch)
		charge_watch();
}

static struct memcg *group_of_counter(struct counter *c)
{
	return container_of(c, struct memcg, counter);
}

/* One try at the counters. On failure *limited is the group that refused, with a reference. */
static bool try_bytes(u32 handle, u64 n, struct memcg **limited)
{
	struct rcu_reader *self = self_rcu();
	struct handle *h = handle_of(handle);
	struct counter *fail;
	bool done;

	if (unlikely(n > HANDLE_BYTES / 2 || handle_bytes(h) > HANDLE_BYTES / 2))
		return false; /* past what refs can count; half of it, so that racing charges fit */
	rcu_read_lock(self);
	done = counter_try_charge(&handle_group(h)->counter, n, &fail);
	if (done)
		handle_add(h, n);
	else
		*limited = group_tryget(group_of_counter(fail));
	rcu_read_unlock(self);
	return done;
}

void charge_fold(u32 handle, u64 bytes)
{
	struct rcu_reader *self = self_rcu();
	struct handle *h = handle_of(handle);

	if (!bytes)
		return; /* nothing holds the handle for it */
	rcu_read_lock(self);
	counter_uncharge(&handle_group(h)->counter, bytes);
	rcu_read_unlock(self);
	handle_sub(h, bytes);
	watch();
}

static void force_bytes(u32 handle, u64 n)
{
	struct rcu_reader *self = self_rcu();
	struct handle *h = handle_of(handle);

	rcu_read_lock(self);
	counter_charge(&handle_group(h)->counter, n);
	rcu_read_unlock(self);
	handle_add(h, n);
}

/* The end of a long path says more than its start: filled from there, as far as there is room. */
static void copy_path(const struct memcg *cg, char *buf, size_t size)
{
	char *at = buf + size - 1;

	*at = '\0';
	for (; cg->parent && at > buf; cg = cg->parent) {
		size_t n = MIN((size_t)cg->name_len, (size_t)(at - buf));

		at -= n;
		memcpy(at, cg->name + cg->name_len - n, n);
		if (at > buf)
			*--at = '/';
	}
	if (!*at)
		*--at = '/';
	memmove(buf, at, (size_t)(buf + size - at));
}

static void record_failure(struct memcg *limited, u64 n)
{
	struct task *self = task_self();

	if (!self)
		return;
	self->failed = 1;
	self->failure = (struct memcg_failure){.wanted = n};
	if (!limited)
		return;
	self->failure.group = limited->id;
	self->failure.limit = atomic_load(&limited->counter.max);
	copy_path(limited, self->failure.path, sizeof(self->failure.path));
}

/* What can be given back for a group at its max, dearest last. Returns bytes, 0: nothing more. */
static u64 give_back(struct memcg *limited, unsigned round)
{
	u64 bytes = 0;

	if (round == 0)
		return stock_drain(limited);
	if (charge_give_back)
		bytes = charge_give_back(limited);
	if (limited == root_group)
		bytes += page_purge_all();
	return bytes + stock_drain(limited);
}

static bool try_harder(u32 handle, u64 n, unsigned flags, struct memcg *limited)
{
	unsigned round;

	for (round = 0; round < CHARGE_ROUNDS; round++) {
		struct memcg *again = NULL;

		if (!limited)
			break; /* it died between refusal and look: its ancestors may have room */
		group_event(limited, EV_MAX);
		if (!(flags & MEMCG_NOWAIT))
			give_back(limited, round);
		if (try_bytes(handle, n, &again)) {
			group_put(limited);
			return true;
		}
		group_put(limited);
		limited = again;
		if (flags & MEMCG_NOWAIT)
			break;
	}
	if (!limited && try_bytes(handle, n, &limited))
		return true;
	if (!(flags & MEMCG_NOFAIL)) { /* else it is charged all the same: no refusal */
		if (limited)
			group_event(limited, EV_OOM);
		record_failure(limited, n);
	}
	group_put(limited);
	return false;
}

bool charge_bytes(u32 handle, u64 n, unsigned flags)
{
	struct memcg *limited = NULL;
	bool done;

	if (charge_refresh)
		charge_refresh();
	done = try_bytes(handle, n, &limited) || try_harder(handle, n, flags, limited);
	if (!done && flags & MEMCG_NOFAIL) {
		force_bytes(handle, n);
		done = true;
	}
	watch();
	return done;
}

void uncharge_bytes(u32 handle, u64 n)
{
	charge_fold(handle, n);
}

/* A refill: n for the caller and a batch for what comes next; near a limit n alone. */
bool memcg__charge_slow(u32 handle, u64 n, unsigned flags)
{
	struct memcg *limited = NULL;
	u32 batch;

	if (n >= atomic_load(&memcg__stock_cap))
		return charge_bytes(handle, n, flags);
	if (charge_refresh)
		charge_refresh();
	rcu_poll(false);
	batch = stock_batch(handle);
	if (try_bytes(handle, n + batch, &limited)) {
		stock_put(handle, batch, true);
		watch();
		return true;
	}
	group_put(limited);
	return charge_bytes(handle, n, flags);
}

/* Every eighth stray free takes the slot over: a thread that only frees must get a stock some time.
 */
void memcg__uncharge_slow(u32 handle, u32 n)
{
	static u32 strays; /* racy; any mix will do */
	u32 s = atomic_load(&strays);

	atomic_store(&strays, s + 1);
	stock_put(handle, n, s % 8 == 0);
}

int memcg_last_failure(struct memcg_failure *out, size_t size)
{
	if (!out || !size)
		return -EINVAL;
	if (!task_self() || !memcg__self->failed)
		return -ENOENT;
	memset(out, 0, size);
	memcpy(out, &memcg__self->failure, MIN(size, sizeof(*out)));
	return 0;
}
