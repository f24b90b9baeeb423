/*
 * info.c - malloc's tuning and self-description. Numbers are the library's for the whole process;
 * knobs of glibc's own design are accepted and mean nothing here.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "preload.h"

struct totals {
	size_t system; /* from the system: in use, kept free, our own structures */
	size_t in_use; /* allocated to objects */
	size_t kept;   /* free and resident */
	size_t mapped; /* charged maps of the program */
};

static struct totals totals(void)
{
	struct memcg_stat s = {.current = 0};

	memcg_stat(memcg_root(), &s, sizeof(s));
	return (struct totals){.system = s.kernel + s.cached + s.metadata,
			       .in_use = s.kernel,
			       .kept = s.cached,
			       .mapped = s.maps};
}

__public_ struct mallinfo2 mallinfo2(void)
{
	struct totals t = totals();

	return (struct mallinfo2){.arena = t.system,
				  .hblkhd = t.mapped,
				  .usmblks = 0,
				  .uordblks = t.in_use,
				  .fordblks = t.kept,
				  .keepcost = t.kept};
}

/* The old form's fields are int and wrap, as they always did. */
__public_ struct mallinfo mallinfo(void)
{
	struct totals t = totals();

	return (struct mallinfo){.arena = (int)t.system,
				 .hblkhd = (int)t.mapped,
				 .uordblks = (int)t.in_use,
				 .fordblks = (int)t.kept,
				 .keepcost = (int)t.kept};
}

__public_ int mallopt(int parameter, int value)
{
	(void)parameter;
	(void)value;
	return 1;
}

/* 1 when something went back to the system. What to keep at the top has no meaning here. */
__public_ int malloc_trim(size_t keep)
{
	int saved = errno;
	size_t before = totals().kept;

	(void)keep;
	memcg_reclaim(memcg_root(), MEMCG_UNLIMITED);
	errno = saved;
	return totals().kept < before;
}

__public_ void malloc_stats(void)
{
	struct totals t = totals();

	fprintf(stderr, "libmemcg: system %zu, in use %zu, kept %zu, maps %zu bytes\n", t.system,
		t.in_use, t.kept, t.mapped);
}

__public_ int malloc_info(int options, FILE *to)
{
	struct totals t = totals();

	if (options)
		return EINVAL;
	fprintf(to,
		"<malloc version=\"libmemcg-%s\">\n"
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<total type=\"inuse\" size=\"%zu\"/>\n"
		"<total type=\"rest\" size=\"%zu\"/>\n"
		"<total type=\"mmap\" size=\"%zu\"/>\n"
		"</malloc>\n",
		memcg_version(), t.system, t.in_use, t.kept, t.mapped);
	return 0;
}
