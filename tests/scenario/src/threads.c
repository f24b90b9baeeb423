/* threads.c - three threads that keep what they allocate, one after the other and then together. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static pthread_barrier_t all;

static void *work(void *arg)
{
	size_t mib = (size_t)arg;
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *q = malloc(mib << 20);

	if (p == MAP_FAILED || !q)
		exit(1);
	memset(q, 1, mib << 20);
	pthread_barrier_wait(&all);
	return q;
}

int main(void)
{
	pthread_t t[3];

	pthread_barrier_init(&all, NULL, 3);
	for (size_t i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, work, (void *)(i + 1)))
			return 1;
	for (size_t i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	return 0;
}
