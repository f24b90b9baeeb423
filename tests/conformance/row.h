/*
 * row.h - what a row of the table is, and how it says what it saw. A row runs in a child of its
 * own, so that it begins with an empty tree and a crash is one failure. The first expectation
 * that does not hold ends it.
 */
#ifndef CONFORMANCE_ROW_H
#define CONFORMANCE_ROW_H

#include <stdbool.h>
#include <stdint.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

struct row {
	const char *name;  /* of the kernel's test, without its test_ */
	const char *from;  /* the kernel's file it is in */
	void (*run)(void); /* NULL: not ported */
	const char *why;   /* then: because */
};
extern const struct row rows[];
extern const unsigned row_count;

enum verdict { ROW_PASSED = 0, ROW_FAILED = 1, ROW_SKIPPED = 2 };

/* In the parent: runs it in a child; text is what it had to say. */
enum verdict row_run(const struct row *row, char *text, unsigned size);

/* In the child. Memory and counters agree: nothing may be in motion. Done at each row's end. */
void row_recount(void);
/* A note stands in the row's line, whether it passes or not. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The system does not have what the row is about. */
_Noreturn void row_skip(const char *why);
_Noreturn void row_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define EXPECT(cond)                                                    \
	do {                                                            \
		if (!(cond))                                            \
			row_fail(__FILE__, __LINE__, "not: %s", #cond); \
	} while (0)

/* A figure, compared by < <= == >= or >; the figure is in the message. */
#define EXPECT_IS(a, op, b)                                                            \
	do {                                                                           \
		int64_t a_ = (int64_t)(a), b_ = (int64_t)(b);                          \
		if (!(a_ op b_))                                                       \
			row_fail(__FILE__, __LINE__, "%s is %jd, not %s %s (%jd)", #a, \
				 (intmax_t)a_, #op, #b, (intmax_t)b_);                 \
	} while (0)

/* The kernel's values_close(): |a - b| <= (a + b) / 100 * percent, about twice that of the value.
 */
bool close_to(uint64_t a, uint64_t b, unsigned percent);
#define EXPECT_CLOSE(a, b, percent)                                                             \
	do {                                                                                    \
		uint64_t a_ = (a), b_ = (b);                                                    \
		if (!close_to(a_, b_, percent))                                                 \
			row_fail(__FILE__, __LINE__, "%s is %ju, not within %u %% of %s (%ju)", \
				 #a, (uintmax_t)a_, (unsigned)(percent), #b, (uintmax_t)b_);    \
	} while (0)

#endif
