/* failure.c - each thread's last refusal, kept in its record: a copy, so that it needs no group. */
#include <errno.h>
#include <string.h>

#include "reclaim/failure.h"

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
	group_path_end(limited, self->failure.path, sizeof(self->failure.path));
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
