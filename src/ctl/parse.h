/*
 * parse.h - what is written to the files of a group.
 *
 * 1. Forms and answers are the kernel's. White space at both ends is skipped. Sizes are
 *    taken as by its memparse: a number in base 10, 8 ("010") or 16 ("0x10") and at most one of
 *    K M G T P E, either case. Small integers as by its kstrtoint: they may have a sign, and what
 *    does not fit an int is -ERANGE.
 * 2. Stricter than the kernel, where that takes nonsense by accident: a text without any
 *    digit ("", "K") is no 0, a size past 64 bits does not wrap, and nothing may stand behind a
 *    trigger. -EINVAL.
 * 3. A refused text leaves the result as it was. The text need not end in a NUL; a NUL
 *    inside is refused before anything is parsed (file.c).
 */
#ifndef MEMCG_CTL_PARSE_H
#define MEMCG_CTL_PARSE_H

#include "base/compiler.h"
#include "base/types.h"

/* A size, or "max": UINT64_MAX. 0, -EINVAL. */
__hidden_ int parse_limit(const char *text, size_t len, u64 *bytes);
/* "size [swappiness=0..200|max]..."; no "max" for the size. 0, -EINVAL. */
__hidden_ int parse_reclaim(const char *text, size_t len, u64 *bytes);
/* 0 to INT32_MAX, or "max" (the same). 0, -EINVAL, -ERANGE. */
__hidden_ int parse_count(const char *text, size_t len, u32 *n);
/* 0 or 1. 0, -EINVAL, -ERANGE. */
__hidden_ int parse_switch(const char *text, size_t len, bool *on);
/* "some 150000 1000000": decimal, microseconds. 0, -EINVAL. Ranges are not looked at. */
struct parsed_trigger {
	bool full;
	u64 stall_us, window_us;
};
__hidden_ int parse_trigger(const char *text, size_t len, struct parsed_trigger *trigger);
/* The text is this word, white space around. */
__hidden_ bool parse_is(const char *text, size_t len, const char *word);
/*
 * The next word of a text of words between white space: true, and *at and *len are past
 * it; false at the end.
 */
__hidden_ bool parse_word(const char **at, size_t *len, const char **word, size_t *n);

/*
 * For settings: "4096", "64K" (K M G T P E, either case), "max", white space around; digits are
 * decimal whatever they begin with. -EINVAL: *bytes is as it was.
 */
__hidden_ int size_parse(const char *text, size_t len, u64 *bytes);

#endif
