/*
 * copies.c - another copy of the library in the process: it would have a heap, a tree
 * and limits of its own, and blocks that cross between the two end the process.
 *
 * Each copy has a note in its file (lib/note.h), shared or linked into the program or one of its
 * libraries. A library that is loaded later is not seen.
 */
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "lib/note.h"
#include "preload.h"

struct search {
	char ours[256];
	char other[256];
};

#define ROUND_4(n) (((size_t)(n) + 3) & ~(size_t)3)

/* The notes of one segment, one behind the other. */
static bool marked(const char *at, size_t size)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)at;
		size_t whole = sizeof(*n) + ROUND_4(n->n_namesz) + ROUND_4(n->n_descsz);

		if (whole > size)
			return false;
		if (n->n_type == LIB_NOTE_COPY && n->n_namesz == sizeof(LIB_NOTE_NAME) &&
		    !memcmp(n + 1, LIB_NOTE_NAME, sizeof(LIB_NOTE_NAME)))
			return true;
		at += whole;
		size -= whole;
	}
	return false;
}

static bool is_copy(const struct dl_phdr_info *info)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		/* Notes aligned to 8 are of a form that ours is not. */
		if (ph->p_type == PT_NOTE && ph->p_align <= 4 &&
		    marked((const char *)(info->dlpi_addr + ph->p_vaddr), ph->p_memsz))
			return true;
	}
	return false;
}

static bool holds(const struct dl_phdr_info *info, const void *address)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD &&
		    (uintptr_t)address - info->dlpi_addr - ph->p_vaddr < ph->p_memsz)
			return true;
	}
	return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *name = info->dlpi_name[0] ? info->dlpi_name : "the program itself";
	struct search *s = arg;
	bool ours = holds(info, &memcg__region);

	(void)size;
	if (ours || is_copy(info))
		snprintf(ours ? s->ours : s->other, sizeof(s->ours), "%s", name);
	return 0;
}

void copies_check(void)
{
	struct search s = {.ours = ""};

	dl_iterate_phdr(look, &s);
	if (s.other[0])
		say("two copies of libmemcg in this process: %s and %s; their groups and limits "
		    "are separate: link the program with the first one only",
		    s.ours, s.other);
}
