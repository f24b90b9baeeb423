/*
 * life.c - allocation at every stage of a process and of its threads: constructors, threads being
 * torn down, fork with other threads at work, libraries that come and go, exit handlers.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload.h"

#define THREADS 4

static char *early;
static pthread_key_t key;
static volatile int stop;

__attribute__((constructor(101))) static void before_main(void)
{
	early = malloc(100);
	strcpy(early, "early");
}

__attribute__((destructor)) static void after_main(void)
{
	free(malloc(50000));
	free(early);
}

/* Runs again and again, as long as POSIX lets it: after the library's own key, too. */
static void tear_down(void *value)
{
	long rounds = (long)value;

	free(malloc(100));
	free(calloc(10, 10000));
	if (rounds > 1)
		pthread_setspecific(key, (void *)(rounds - 1));
}

static void *short_life(void *arg)
{
	pthread_setspecific(key, (void *)3L);
	free(arg);
	return malloc(64);
}

static void threads_come_and_go(void)
{
	CHECK(!pthread_key_create(&key, tear_down));
	for (int i = 0; i < 200; i++) {
		pthread_t t;
		void *given = malloc(32), *left;

		CHECK(!pthread_create(&t, NULL, short_life, given));
		CHECK(!pthread_join(t, &left) && left);
		free(left); /* of a thread that is gone */
	}
}

static void *churn(void *arg)
{
	void *block[64] = {NULL};
	unsigned n = 0;

	(void)arg;
	while (!stop) {
		free(block[n % 64]);
		block[n % 64] = malloc(16 + n % 5000);
		n++;
	}
	for (n = 0; n < 64; n++)
		free(block[n]);
	return NULL;
}

static void child_lives(void)
{
	char *p = malloc(100000);

	strcpy(p, early);
	for (int i = 0; i < 1000; i++)
		free(malloc((size_t)i * 7));
	free(p);
	_exit(strcmp(early, "early") != 0);
}

static void fork_among_threads(void)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, churn, NULL));
	for (int i = 0; i < 50; i++) {
		int status;
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child)
			child_lives();
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static void libraries_come_and_go(const char *plugin)
{
	for (int i = 0; i < 20; i++) {
		void *library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
		const char *(*text)(void);

		CHECK(library);
		text = (const char *(*)(void))dlsym(library, "plugin_text");
		CHECK(text && !strcmp(text(), "arrived"));
		CHECK(!dlsym(library, "no such name") && dlerror());
		CHECK(!dlclose(library));
	}
}

int main(int argc, char **argv)
{
	CHECK(argc == 2 && !strcmp(early, "early"));
	threads_come_and_go();
	fork_among_threads();
	libraries_come_and_go(argv[1]);
	CHECK(FIND(memcg_report)(2, MEMCG_REPORT_QUIET) == 0);
	return 0;
}
