/*
 * conf.h - settings: one table of names, meanings and ranges, from the
 * environment (MEMCG_<FIELD>) and from memcg_init().
 */
#ifndef MEMCG_CTL_CONF_H
#define MEMCG_CTL_CONF_H

#include <memcg/base.h>

#include "base/compiler.h"
#include "base/types.h"

#define CONF_PATH 4096 /* with the NUL, as the system has it */

struct conf {
	u64 max, high;	 /* of the root; 0: none */
	u64 region;	 /* bytes of addresses; 0: choose */
	u64 pcpu;	 /* 0 choose, 1 portable, 2 rseq */
	u64 unaccounted; /* 1: memory.accounting starts off */
	u64 purge_ms;
	u64 promote;	 /* 0: shared slabs only */
	u64 guard_pages; /* 1: no stack has a guard by marks */
	u64 leftovers;	 /* 1: a line for each group that is destroyed and still owns something */
	u64 swap_size;
	u64 move_rate;	   /* bytes a second that a move of charges may take; 0: any */
	u64 zerocopy_recv; /* 1: payload may be mapped from sockets */
	/* Copies: the environment is the program's to change. Paths are absolute, save control. */
	char swap_file[CONF_PATH];   /* "": one without a name, in temp_dir */
	char temp_dir[CONF_PATH];    /* TMPDIR's, else /tmp */
	char runtime_dir[CONF_PATH]; /* XDG_RUNTIME_DIR's; "": not set */
	/* The control socket's path; "1": the default; "": none is asked for. */
	char control[CONF_PATH];
};

extern __hidden_ struct conf conf;

/* Fills conf: defaults, then the environment (not in secure execution). Bad values: a line,
 * ignored. */
__hidden_ void conf_from_environment(void);
/* -E2BIG, -EINVAL: nothing changed. */
__hidden_ int conf_from_program(const struct memcg_config *config);

#endif
