/* account_run.h - the account of a `memcg run`: final numbers, and what was recorded. */
#ifndef MEMCG_TOOL_ACCOUNT_RUN_H
#define MEMCG_TOOL_ACCOUNT_RUN_H

#include "account.h"
#include "record.h"

/* 0 or -ENOMEM. `text`: the report of the same run as text. account_free in any case. */
int account_run(struct account *account, const struct track *track, const struct record *record,
		const struct run_options *options, const char *text);

#endif
