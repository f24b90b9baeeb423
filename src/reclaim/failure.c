/* failure.c - each thread's last refusal, kept in its record: a copy, so that it needs no group. */
#include <errno.h>
#include <string.h>

#include "reclaim/failure.h"

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

void failure_record(struct memcg *limited, u64 n)
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
