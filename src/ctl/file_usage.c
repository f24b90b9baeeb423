/* file_usage.c - how much there is, giving some back, and the switch of accounting. */
#include <errno.h>

#include "ctl/files.h"
#include "ctl/parse.h"
#include "group/stock.h"
#include "group/vm.h"

int show_current(struct memcg *cg, struct text *t)
{
	text_number(t, group_current(cg));
	return 0;
}

int show_peak(struct memcg *cg, struct text *t)
{
	text_number(t, memcg_peak(cg));
	return 0;
}

/*
 * Resets the peak of the file descriptor it is written through: one that is opened for the write
 * alone is closed after it, and nobody sees a difference. Readers have their own (reader.c).
 */
int store_peak(struct memcg *cg, const char *buf, size_t len)
{
	(void)cg, (void)buf, (void)len;
	return 0;
}

int show_slack(struct memcg *cg, struct text *t)
{
	text_number(t, stock_sum(cg));
	return 0;
}

int show_swap_current(struct memcg *cg, struct text *t)
{
	const struct group_vm *vm = atomic_load_acquire(&cg->vm);

	text_number(t, vm ? counter_read(&vm->swap) : 0);
	return 0;
}

int show_swap_peak(struct memcg *cg, struct text *t)
{
	const struct group_vm *vm = atomic_load_acquire(&cg->vm);

	text_number(t, vm ? counter_peak(&vm->swap) : 0);
	return 0;
}

/* What the copies cost, not what they stand for. */
int show_zswap_current(struct memcg *cg, struct text *t)
{
	stat_fold_all();
	text_number(t, group_vm_stat(cg, STAT_ZSWAP));
	return 0;
}

int store_reclaim(struct memcg *cg, const char *buf, size_t len)
{
	u64 bytes;

	if (parse_reclaim(buf, len, &bytes) < 0)
		return -EINVAL;
	return memcg_reclaim(cg, bytes & ~(u64)(PAGE_SIZE - 1));
}

u32 *file_accounting_off;

int show_accounting(struct memcg *cg, struct text *t)
{
	(void)cg;
	text_number(t, file_accounting_off && atomic_load(file_accounting_off) ? 0 : 1);
	return 0;
}

int store_accounting(struct memcg *cg, const char *buf, size_t len)
{
	bool on;
	int err;

	if (cg != root_group || !file_accounting_off)
		return -EACCES;
	err = parse_switch(buf, len, &on);
	if (!err)
		atomic_store(file_accounting_off, !on);
	return err;
}
