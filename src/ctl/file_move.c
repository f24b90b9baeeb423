/* file_move.c - memory.move_charge_at_immigrate: cgroup v1's, for those who know it. */
#include <errno.h>

#include "ctl/files.h"
#include "ctl/parse.h"
#include "sys/log.h"

int show_move_charge(struct memcg *cg, struct text *t)
{
	text_number(t, atomic_load(&cg->move_charge));
	return 0;
}

static void say_deprecated(void)
{
	static u32 said;

	if (!atomic_xchg(&said, 1u))
		log_line(
			"memory.move_charge_at_immigrate is deprecated, as in the kernel: say what "
			"moves in the flags of memcg_mm_move");
}

int store_move_charge(struct memcg *cg, const char *buf, size_t len)
{
	u32 what;
	int err = parse_count(buf, len, &what);

	if (err || what > 3)
		return err ? err : -EINVAL;
	atomic_store(&cg->move_charge, (u8)what);
	if (what) {
		say_deprecated();
		group_event(cg, EV_MOVE_CHARGE);
	}
	return 0;
}
