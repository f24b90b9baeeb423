/*
 * Everything at once: threads that live for one allocation, and two libraries that come and go at
 * addresses they take from each other, each with a block larger than anything others here have.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_LIVES 300
#define LARGE	    1000000

typedef void (*take_fn)(void **, size_t);

static int stop;

static void *live(void *text)
{
	free(realloc(strdup(text), 5000));
	return NULL;
}

static void *spawn(void *text)
{
	pthread_t thread;

	for (unsigned i = 0; i < SHORT_LIVES; i++)
		if (!pthread_create(&thread, NULL, live, text))
			pthread_join(thread, NULL);
	return NULL;
}

static void *load(void *file)
{
	do {
		void *library = dlopen(file, RTLD_NOW), *kept;
		take_fn take = library ? (take_fn)dlsym(library, "plugin_take") : NULL;

		if (!take)
			exit(3);
		take(&kept, 100);
		free(kept);
		take(&kept, LARGE);
		free(kept);
		dlclose(library);
	} while (!__atomic_load_n(&stop, __ATOMIC_RELAXED));
	return NULL;
}

int main(void)
{
	pthread_t threads[4];

	pthread_create(&threads[0], NULL, spawn, "a text");
	pthread_create(&threads[1], NULL, spawn, "another");
	pthread_create(&threads[2], NULL, load, "./plugin_a.so");
	pthread_create(&threads[3], NULL, load, "./plugin_b.so");
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		__atomic_store_n(&stop, i >= 1, __ATOMIC_RELAXED);
	}
	return 0;
}
