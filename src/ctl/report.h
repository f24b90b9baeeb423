/* report.h - memcg_report(); declared in <memcg/report.h>. */
#ifndef MEMCG_CTL_REPORT_H
#define MEMCG_CTL_REPORT_H

#include <memcg/report.h>

#include "ctl/print.h"
#include "ctl/recount.h"

/*
 * The report of cg and all below it: their tree; every difference there is in the process; for the
 * root the sums; the verdict. 0, -ENODEV (cg is not in the tree), -ENOMEM, -EFAULT.
 */
__hidden_ int report_group(const struct memcg *cg, struct print *p);

/* As memcg_report; the recount's result is also copied to *result (NULL: not wanted). */
__hidden_ int report_write(int fd, unsigned flags, struct recount_result *result);

#endif
