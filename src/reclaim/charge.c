/*
 * charge.c - the one loop "try, reclaim, retry, give up".
 */
#include <errno.h>
#include <string.h>

#include "reclaim/charge.h"
#include "page/page.h"

#define CHARGE_ROUNDS 3

u64 (*charge_give_back)(struct memcg *limited);
void (*charge_refresh)(void);

static void watch(void)
{
	if (charge_watch)
		charge_watch();
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
		if (charge_try(handle, n, &again)) {
			group_put(limited);
			return true;
		}
		group_put(limited);
		limited = again;
		if (flags & MEMCG_NOWAIT)
			break;
	}
	if (!limited && charge_try(handle, n, &limited))
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
	done = charge_try(handle, n, &limited) || try_harder(handle, n, flags, limited);
	if (!done && flags & MEMCG_NOFAIL) {
		charge_force(handle, n);
		done = true;
	}
	watch();
	return done;
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
	if (charge_try(handle, n + batch, &limited)) {
		stock_put(handle, batch, true);
		watch();
		return true;
	}
	group_put(limited);
	return charge_bytes(handle, n, flags);
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
