/*
 * note.c - a mark in the file that every form of the library ends up in, a program linked
 * with the archive included: how a second copy in a process is found (preload/copies.c),
 * whatever it is called and whichever of its symbols it shows.
 */
#include "lib/note.h"

__attribute__((used, retain, aligned(4),
	       section(".note.memcg"))) static const struct lib_note note = {
	.name_size = sizeof(LIB_NOTE_NAME),
	.desc_size = sizeof(note.layout),
	.type = LIB_NOTE_COPY,
	.name = LIB_NOTE_NAME,
	.layout = 1,
};
