/* file_balloon.c - memory.balloon: how much free memory is kept out of use. See page/balloon.c. */
#include <errno.h>

#include "alloc/stack.h"
#include "ctl/files.h"
#include "ctl/parse.h"
#include "page/page.h"

int show_balloon(struct memcg *cg, struct text *t)
{
	(void)cg;
	text_number(t, atomic_load(&page_balloon));
	return 0;
}

/* Stacks that are kept are free memory too, and resident: the page layer gets them first. They are
 * soon kept again, so a smaller balloon leaves them alone. */
static void set(u64 bytes)
{
	if (bytes > atomic_load(&page_balloon))
		stack_cache_drain();
	page_balloon_set(bytes);
}

int store_balloon(struct memcg *cg, const char *buf, size_t len)
{
	u64 bytes;

	if (cg != root_group)
		return -EACCES;
	if (parse_limit(buf, len, &bytes) < 0)
		return -EINVAL;
	set(bytes);
	return 0;
}
