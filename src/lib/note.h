/* note.h - the ELF note of note.c, for who looks for it. */
#ifndef MEMCG_LIB_NOTE_H
#define MEMCG_LIB_NOTE_H

#include "base/types.h"

#define LIB_NOTE_NAME "memcg"
#define LIB_NOTE_COPY 1u

/* As ELF wants it: sizes, type, the name filled up to four bytes, the contents. */
struct lib_note {
	u32 name_size;
	u32 desc_size;
	u32 type;
	char name[8];
	u32 layout;
};

#endif
