/* report_host.c - groups with a story, behind a control socket, until standard input ends. */
#include <memcg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct memcg *group(struct memcg *parent, const char *name, size_t kib)
{
	struct memcg *cg = memcg_create(parent, name), *before;

	if (!cg)
		_exit(3);
	before = memcg_enter(cg);
	while (kib--) {
		void *block = memcg_malloc(1000);

		if (block)
			memset(block, 1, 1000);
	}
	memcg_leave(before);
	return cg;
}

int main(int argc, char **argv)
{
	struct memcg *web = group(NULL, "web", 0), *small;
	char name[32], end;

	if (argc != 2)
		return 3;
	for (int i = 0; i < 24; i++) {
		snprintf(name, sizeof(name), "tenant %d", i);
		group(web, name, 20 * (size_t)i);
	}
	group(web, "<script><b>bold", 300);
	small = group(NULL, "small", 0);
	if (memcg_set_limit(small, MEMCG_MAX, 1 << 20))
		return 3;
	memcg_enter(small);
	while (memcg_malloc(1000))
		;
	memcg_leave(NULL);
	if (memcg_destroy(group(web, "left over", 500)))
		return 3;
	if (memcg_serve(argv[1]))
		return 3;
	if (write(1, "ready\n", 6) != 6 || read(0, &end, 1) < 0)
		return 3;
	return 0;
}
