/* account_live.h - the account of a process that was asked: its groups in one moment. */
#ifndef MEMCG_TOOL_ACCOUNT_LIVE_H
#define MEMCG_TOOL_ACCOUNT_LIVE_H

#include "account.h"
#include "source/source.h"

/*
 * 0 or -ENOMEM. Rows as of source_rows; `text` and `owners` are of memory.report and
 * memory.owners, NULL where there are none. account_free in any case, before the rows go.
 */
int account_live(struct account *account, const struct source_info *info, const struct rows *rows,
		 const char *text, const char *owners);

#endif
