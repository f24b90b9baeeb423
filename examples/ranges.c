/* Memory for twice what its group may have: what is cold goes, and is back when it is touched. */
#include <stdio.h>
#include <sys/mman.h>
#include <memcg.h>

int main(void)
{
	struct memcg *tenant = memcg_create(NULL, "tenant");
	struct memcg_mm *mm = memcg_mm_create(tenant);
	size_t size = 32 << 20, wrong = 0;
	char *memory, swapped[32];

	if (!tenant || !mm || memcg_set_limit(tenant, MEMCG_MAX, size / 2))
		return 1;
	memory = memcg_mmap(mm, size, PROT_READ | PROT_WRITE, 0, NULL, 0);
	if (!memory)
		return 1;
	for (size_t i = 0; i < size; i += 4096)
		snprintf(memory + i, 4096, "this is page %zu", i / 4096);
	if (memcg_read(tenant, "memory.swap.current", swapped, sizeof(swapped)) < 0)
		return 1;
	for (size_t i = 0, is; i < size; i += 4096)
		wrong += sscanf(memory + i, "this is page %zu", &is) != 1 || is != i / 4096;
	printf("%zu pages, %zu wrong; memory.swap.current %s", size / 4096, wrong, swapped);
	memcg_mm_destroy(mm);
	return memcg_destroy(tenant) || wrong;
}
