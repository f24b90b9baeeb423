/*
 * memcg.h - memory cgroups inside one process. Includes all of <memcg/...>.
 * SPDX-License-Identifier: MIT
 *
 * Any thread may call anything; no function is for signal handlers unless it
 * says so. int functions return 0 or a negative errno; pointer functions NULL
 * and errno. See docs/api.md.
 */
#ifndef MEMCG_H
#define MEMCG_H

#include <memcg/base.h>
#include <memcg/group.h>
#include <memcg/alloc.h>
#include <memcg/event.h>
#include <memcg/mm.h>
#include <memcg/net.h>
#include <memcg/page.h>
#include <memcg/pipe.h>
#include <memcg/report.h>

#endif
