/*
 * frames.h - from a call of malloc up the stack, through code that allocates for others.
 *
 * One step costs a look into a table of rules that have been worked out before (cfi.h): a word for
 * each return address, of all threads, read and written whole. A word names its address and
 * the generation of loaded objects it was made in, so no word is ever half of one thing and half of
 * another, and what was true of an object that is gone is not believed.
 *
 * The stack is only read, between where we stand and the frame that is looked for. That is right as
 * long as every frame on the way tells the truth about itself: so the walk goes through the C
 * library, the C++ library and this one, and no further (objects.c says where it ends).
 */
#ifndef MEMCG_FRAMES_H
#define MEMCG_FRAMES_H

#include "base/types.h"

struct frame {
	uintptr_t pc; /* a return address, or where we are */
	uintptr_t sp, bp;
};

/*
 * The function this stands in. pc is behind what it reads the others by: their rule is the same.
 * Into memory, for a register to be written could be one that is still to be read.
 */
#define FRAME_HERE(f)                             \
	__asm__ volatile("leaq 0f(%%rip), %0\n\t" \
			 "movq %%rsp, %1\n\t"     \
			 "movq %%rbp, %2\n"       \
			 "0:"                     \
			 : "=a"((f).pc), "=m"((f).sp), "=m"((f).bp))

/*
 * To the caller. generation: of the loaded objects; 0: some are on their way out, nothing is to be
 * kept. False: there is no caller that could be told.
 */
bool frame_up(struct frame *f, u64 generation);

void frames_forget(void); /* every rule; only to be called while generation is 0 for all */

#endif
