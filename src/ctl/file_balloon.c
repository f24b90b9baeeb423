/* file_balloon.c - memory.balloon: how much free memory is kept out of use. See page/balloon.c. */
#include <errno.h>

#include "ctl/files.h"
#include "ctl/parse.h"
#include "page/page.h"

int show_balloon(struct memcg *cg, struct text *t)
{
	(void)cg;
	text_number(t, atomic_load(&page_balloon));
	return 0;
}

int store_balloon(struct memcg *cg, const char *buf, size_t len)
{
	u64 bytes;

	if (cg != root_group)
		return -EACCES;
	if (parse_limit(buf, len, &bytes) < 0)
		return -EINVAL;
	page_balloon_set(bytes);
	return 0;
}
