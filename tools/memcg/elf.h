/*
 * elf.h - what must be known of a program before it is started: whether a preloaded library
 * will reach it at all.
 *
 * The file is somebody else's and may be cut short or made up. It is read by hand, every
 * offset held against its size first; what does not fit is reported, never followed.
 */
#ifndef MEMCG_TOOL_ELF_H
#define MEMCG_TOOL_ELF_H

#include <stdbool.h>
#include <stddef.h>

#define ELF_NAME_MAX 64

enum elf_kind {
	ELF_NONE = 0,	 /* not ELF at all */
	ELF_BROKEN = 1,	 /* begins as ELF, contradicts itself or ends early */
	ELF_FOREIGN = 2, /* another machine or word size than ours */
	ELF_STATIC = 3,	 /* nothing loads libraries into it */
	ELF_DYNAMIC = 4,
};

struct elf_facts {
	enum elf_kind kind;
	char interpreter[256];	       /* of ELF_DYNAMIC: what loads it */
	char sanitizer[ELF_NAME_MAX];  /* the library or symbol that shows one; "" when none */
	char own_malloc[ELF_NAME_MAX]; /* a malloc that it defines itself */
};

void elf_inspect(const void *image, size_t size, struct elf_facts *facts);

#endif
