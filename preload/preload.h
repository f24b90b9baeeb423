/*
 * preload.h - what the files of the preload share.
 *
 * The preload puts the library under a program that knows nothing of it. It has no state of
 * its own but what is named here, no thread-local word and no descriptor; the fast
 * paths are compiled in (alloc/fast.h), everything else is a call into libmemcg.so, partly
 * through its private version node.
 *
 * It is alive from the first call on: bring-up happens in the first allocation's slow
 * path, which may be the loader's. Nothing here needs its constructor to have run.
 */
#ifndef MEMCG_PRELOAD_H
#define MEMCG_PRELOAD_H

#include "alloc/fast.h"
#include "ctl/slot.h"

/* foreign.c: blocks of another malloc, given to the next one. p is not NULL. */
void foreign_free(void *p);
void *foreign_realloc(void *p, size_t size);
size_t foreign_usable_size(void *p);

/* say.c: one line to descriptor 2, prefixed; errno is kept, nothing is allocated. */
__printf_(1, 2) void say(const char *fmt, ...);

/* copies.c: one line when the process has another copy of the library. */
void copies_check(void);

/* settings.c */
struct settings {
	char slot[64];	   /* where `memcg run` is told; "": nowhere */
	char report[4096]; /* file to append to at exit; "1": descriptor 2; "": none */
	char max[32];	   /* as the user wrote it; "": no limit by the environment */
	char rules[64];	   /* of grouping, from `memcg run`; "": none */
	enum slot_group_by group_by;
	bool control; /* a control socket in the default place */
	bool no_children;
};
void settings_read(struct settings *s); /* of the environment; nothing in secure execution */
void settings_hide(void);		/* takes them, and us, out of the environment */

/* control.c: the control socket in children (MEMCG_CONTROL=1). */
void control_start(void);

/* exec.c: looks up what it hands on to. */
void exec_start(void);

/* threads.c: looks up what it hands on to. */
void threads_start(void);

/*
 * objects.c: while allocations are grouped by who asks for them, everything that allocates for the
 * program begins with BY_CALLER. The fast path's share of it is one load and a branch.
 */
extern __hidden_ bool by_caller;
void object_enter(const void *caller);
void objects_start(void); /* looks up what it hands on to */

#define CALLER	  __builtin_return_address(0)
#define BY_CALLER (unlikely(by_caller) ? object_enter(CALLER) : (void)0)

__cold_ void *alloc_for(size_t size, const void *caller);

/* alloc_fast for a hook whose caller is `caller`. */
__always_inline_ void *alloc_called(size_t size, const void *caller)
{
	return unlikely(by_caller) ? alloc_for(size, caller) : alloc_fast(size);
}

#endif
