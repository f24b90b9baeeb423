/* report.h - memcg_report(); declared in <memcg/report.h>. */
#ifndef MEMCG_CTL_REPORT_H
#define MEMCG_CTL_REPORT_H

#include <memcg/report.h>

#include "ctl/recount.h"

/* As memcg_report; the recount's result is also copied to *result (NULL: not wanted). */
__hidden_ int report_write(int fd, unsigned flags, struct recount_result *result);

#endif
