/* range.c - see range.h. */
#include "range.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include <memcg/mm.h>

#include "faults.h"
#include "row.h"

static sigjmp_buf grave;
static volatile sig_atomic_t alive; /* somebody is touching a range */

static void die(int sig)
{
	if (alive)
		siglongjmp(grave, 1);
	signal(sig, SIG_DFL); /* the instruction is run again, and ends the row */
}

/* Before the library's own, which calls it for what it could not serve. */
static void expect_death(void)
{
	struct sigaction action = {.sa_handler = die};
	static bool done;

	if (!done)
		EXPECT_IS(sigaction(SIGBUS, &action, NULL), ==, 0);
	done = true;
}

void range_open(struct range *r, struct memcg *cg, uint64_t bytes)
{
	expect_death();
	need_faults();
	r->mm = memcg_mm_create(cg);
	EXPECT(r->mm);
	r->at = memcg_mmap(r->mm, bytes, PROT_READ | PROT_WRITE, 0, NULL, 0);
	EXPECT(r->at);
	r->bytes = bytes;
}

static void fill(struct range *r, const char *page)
{
	for (uint64_t i = 0; i < r->bytes; i += RANGE_PAGE)
		if (page)
			memcpy(r->at + i, page, RANGE_PAGE);
		else
			((volatile char *)r->at)[i] = 'a';
}

static bool survives(struct range *r, const char *page)
{
	bool survived = false;

	if (!sigsetjmp(grave, 1)) {
		alive = 1;
		fill(r, page);
		survived = true;
	}
	alive = 0;
	return survived;
}

bool range_fill(struct range *r)
{
	return survives(r, NULL);
}

bool range_fill_with(struct range *r, const char page[RANGE_PAGE])
{
	return survives(r, page);
}

bool range_is_filled(struct range *r)
{
	static const char page[RANGE_PAGE] = "a";

	return range_is_filled_with(r, page);
}

bool range_is_filled_with(struct range *r, const char page[RANGE_PAGE])
{
	for (uint64_t i = 0; i < r->bytes; i += RANGE_PAGE)
		if (memcmp(r->at + i, page, RANGE_PAGE) != 0)
			return false;
	return true;
}

void range_close(struct range *r)
{
	memcg_mm_destroy(r->mm);
	r->mm = NULL;
}
