/*
 * cfi.h - how a frame is left, from the unwind tables of the object its code lies in.
 *
 * Compilers write down for every instruction where the caller's frame begins (the CFA) and where
 * its registers were saved: .eh_frame, found by a sorted table, .eh_frame_hdr. Programs do not have
 * frame pointers, so this is the only way to a caller's caller. Of all that the tables can say,
 * what matters here is little: the return address stands just below the CFA, and of the registers
 * rbp alone is followed, because frames with arrays of unknown size are measured from it.
 *
 * Nothing is allocated, locked, or written but the result; what is read is mapped with the object.
 * Rules are small enough to be kept in a word (frames.c). Whatever is not understood has no rule:
 * the walk ends there. x86-64 only.
 *
 * The form: DWARF 5, section 6.4; Linux Standard Base, "Exception Frames".
 */
#ifndef MEMCG_CFI_H
#define MEMCG_CFI_H

#include <stdbool.h>
#include <stdint.h>

#define CFI_OFFSET_MAX 32768 /* bytes of a frame; larger ones have no rule */
#define CFI_SAVED_MAX  1023  /* bytes below the CFA that rbp may be saved at */

/* A frame's way out: CFA = (by_rbp ? rbp : rsp) + offset. */
struct cfi_rule {
	bool by_rbp;
	uint16_t offset; /* a multiple of 8 */
	uint16_t saved;	 /* the caller's rbp stands at CFA - saved; 0: rbp is as it was */
};

/*
 * The rule at pc, an address inside the instruction (of a return address: one less). hdr is the
 * .eh_frame_hdr of the object pc lies in. False: there is none, or pc is in the outermost frame.
 */
bool cfi_find(const void *hdr, uintptr_t pc, struct cfi_rule *rule);

#endif
