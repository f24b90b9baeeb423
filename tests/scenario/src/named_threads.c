/*
 * Threads that have names, take them and are given them. Each keeps what it allocates: sizes are
 * whole pages, so a group's current tells which of them it paid for.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define MIB ((size_t)1 << 20)

static void *volatile kept[512]; /* volatile: nobody looks, but they are to be there */
static unsigned nr_kept;

static void take(size_t size)
{
	kept[nr_kept] = malloc(size);
	memset((void *)kept[nr_kept++], 1, size);
}

static void run(void *(*main_of)(void *), void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, main_of, arg);
	pthread_join(thread, NULL);
}

/* By prctl, then by the other call. */
static void *takes_two_names(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "first");
	take(2 * MIB);
	pthread_setname_np(pthread_self(), "second");
	take(3 * MIB);
	return NULL;
}

static pthread_barrier_t barrier;

/* It has allocated under the name it inherited, and is given another. */
static void *is_given_a_name(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "before");
	take(1 * MIB);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	take(5 * MIB);
	return NULL;
}

static void give_a_name(void)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, is_given_a_name, NULL);
	pthread_barrier_wait(&barrier);
	pthread_setname_np(thread, "given");
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void *inherits(void *arg)
{
	(void)arg;
	take(1 * MIB);
	return NULL;
}

static void *parent(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "parent");
	run(inherits, NULL);
	return NULL;
}

static void *named(void *arg)
{
	prctl(PR_SET_NAME, arg);
	take(64 * 1024);
	return NULL;
}

/* Fifty threads, one name; and names that no group could have. */
static void many(void)
{
	for (unsigned i = 0; i < 50; i++)
		run(named, "crowd");
	run(named, "a/b\tc");
	run(named, "..");
	run(named, "");
}

/* What prctl is for otherwise goes through as it is, and back. */
static int passes_through(void)
{
	char name[17] = "";

	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1)
		return 1;
	if (prctl(-1, 0, 0, 0, 0) != -1 || prctl(PR_GET_NAME, name) || strcmp(name, "main"))
		return 1;
	return pthread_setname_np(pthread_self(), "longer than a name may be") == 0;
}

static void *any_name(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "n%u", *(unsigned *)arg);
	prctl(PR_SET_NAME, name);
	take(100);
	if (*(unsigned *)arg == 299)
		take(7 * MIB);
	return NULL;
}

/* ARGUMENT: "all" as above, "names" three hundred of them. */
int main(int argc, char **argv)
{
	prctl(PR_SET_NAME, "main");
	if (argc > 1 && !strcmp(argv[1], "names")) {
		for (unsigned i = 0; i < 300; i++)
			run(any_name, &i);
		return 0;
	}
	take(4 * MIB);
	run(takes_two_names, NULL);
	give_a_name();
	run(parent, NULL);
	many();
	return passes_through();
}
