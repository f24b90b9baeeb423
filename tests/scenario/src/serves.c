/* serves.c - a program that knows of the library: two groups, and MEMCG_CONTROL says where. It says
 * when it is there, and ends with its standard input. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <memcg.h>

int main(void)
{
	struct memcg *web = memcg_create(NULL, "web"), *tenant = memcg_create(web, "tenant 7");
	void *block = memcg_malloc_in(tenant, 1 << 20);
	char c;

	if (!block)
		return 1;
	memset(block, 1, 1 << 20);
	puts("there");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	memcg_free(block);
	memcg_put(tenant);
	memcg_put(web);
	return 0;
}
