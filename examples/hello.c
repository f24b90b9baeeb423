/* A group with a limit: the allocation past it is refused, and the group deleted at once. */
#include <errno.h>
#include <stdio.h>
#include <memcg.h>

int main(void)
{
	struct memcg *tenant = memcg_create(NULL, "tenant");
	char current[32];
	size_t blocks = 0;

	if (!tenant || memcg_set_limit(tenant, MEMCG_MAX, 16 << 20))
		return 1;
	struct memcg *before = memcg_enter(tenant); /* from here on the tenant pays */
	while (memcg_malloc(1000))
		blocks++;
	printf("%zu blocks, then %s\n", blocks, errno == ENOMEM ? "ENOMEM" : "?");
	memcg_leave(before);
	if (memcg_read(tenant, "memory.current", current, sizeof(current)) < 0)
		return 1;
	printf("memory.current %s", current);
	return memcg_destroy(tenant) ? 1 : 0; /* at once; its blocks are the root's now */
}
