/*
 * tenants [SECONDS] - three tenants in one process, and one limit for all of them.
 *
 * gold and silver each serve files of this machine from a cache. gold's memory is protected by
 * memory.low, silver's is not. Then hog wants most of it. The limit is reached, the library asks
 * the caches to shrink, and who pays is not left to luck. A line every half second; then what was
 * seen. Status 1: gold's protection was broken, or the recount found differences.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <memcg.h>

#include "files.h"

#define MIB   (1ul << 20)
#define MAX   (36 * MIB) /* of all three */
#define FILES (12 * MIB) /* that gold and silver each serve */
#define LOW   (16 * MIB) /* gold's: its files, and what it costs to keep them */
#define HOG   (16 * MIB)
#define BLOCK (64 * 1024ul)

/* Written by one thread at a time, looked at by others. */
#define SEE(x)	  __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_RELAXED)

struct tenant {
	const char *name;
	struct memcg *cg;
	struct file *file; /* what may be asked for */
	size_t files;
	pthread_mutex_t lock;	   /* of the cache */
	TAILQ_HEAD(, file) cached; /* least recently used first */
	size_t bytes, entries, shrunk;
	size_t hits, misses; /* in this phase */
};

static struct tenant gold = {.name = "gold", .lock = PTHREAD_MUTEX_INITIALIZER};
static struct tenant silver = {.name = "silver", .lock = PTHREAD_MUTEX_INITIALIZER};
static struct memcg *all, *hog;
static size_t hog_has, hog_wants;
static int stop;

/* ---- a cache that shrinks: what the library calls ---- */

static size_t cache_count(struct memcg *cg, void *tenant)
{
	(void)cg;
	return SEE(((struct tenant *)tenant)->bytes);
}

/* Runs inside allocations, also those of this very tenant: nobody allocates under its lock. */
static size_t cache_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *tenant)
{
	struct timespec until = {(time_t)(deadline_ns / 1000000000),
				 (long)(deadline_ns % 1000000000)};
	struct tenant *t = tenant;
	struct file *f;
	size_t freed = 0;

	(void)cg;
	if (pthread_mutex_clocklock(&t->lock, CLOCK_MONOTONIC, &until))
		return MEMCG_SHRINK_STOP;
	while (freed < bytes && (f = TAILQ_FIRST(&t->cached))) {
		TAILQ_REMOVE(&t->cached, f, lru);
		memcg_free(f->content);
		f->content = NULL;
		freed += f->size;
		ADD(t->entries, -1);
	}
	ADD(t->bytes, -freed);
	ADD(t->shrunk, freed);
	pthread_mutex_unlock(&t->lock);
	return freed;
}

/* ---- serving ---- */

/* From the disk into memory of the group this thread is in. */
static char *read_file(const struct file *f)
{
	char *content = memcg_malloc(f->size);
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (content && read(fd, content, f->size) < 0)) {
		memcg_free(content);
		content = NULL;
	}
	if (fd >= 0)
		close(fd);
	return content;
}

static void serve(struct tenant *t, struct file *f)
{
	char *content = NULL;
	bool hit;

	pthread_mutex_lock(&t->lock);
	hit = f->content;
	pthread_mutex_unlock(&t->lock);
	if (!hit)
		content = read_file(f); /* may make a cache shrink, perhaps this one */
	pthread_mutex_lock(&t->lock);
	if (f->content)
		TAILQ_REMOVE(&t->cached, f, lru); /* to the end of the list */
	else if ((f->content = content)) {
		ADD(t->bytes, f->size);
		ADD(t->entries, 1);
	}
	if (f->content)
		TAILQ_INSERT_TAIL(&t->cached, f, lru);
	pthread_mutex_unlock(&t->lock);
	ADD(*(hit ? &t->hits : &t->misses), 1);
}

/* As the thread of a server: each request in the group of whom it is for. */
static void *serve_requests(void *tenant)
{
	struct tenant *t = tenant;
	unsigned seed = 1;

	for (size_t i = 0; !SEE(stop); i++) {
		struct memcg *before = memcg_enter(t->cg);

		serve(t, &t->file[i < t->files ? i : (size_t)rand_r(&seed) % t->files]);
		memcg_leave(before);
		if (i >= t->files)
			usleep(100);
	}
	return NULL;
}

/* ---- the one that wants more ---- */

static void *grow(void *arg)
{
	static char *block[HOG / BLOCK];
	struct memcg *before = memcg_enter(hog);
	size_t n = 0;

	while (!SEE(stop))
		if (SEE(hog_has) < SEE(hog_wants) && (block[n] = memcg_malloc(BLOCK))) {
			memset(block[n++], 1, BLOCK);
			ADD(hog_has, BLOCK);
		} else {
			usleep(1000); /* refused: perhaps later */
		}
	while (n)
		memcg_free(block[--n]);
	memcg_leave(before);
	return arg;
}

/* ---- setting up ---- */

static struct memcg *make_group(struct memcg *parent, const char *name)
{
	struct memcg *cg = memcg_create(parent, name);

	if (!cg)
		die("tenants: memcg_create");
	return cg;
}

static struct memcg_shrinker *make_tenant(struct tenant *t)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_shrinker *shrinker;

	TAILQ_INIT(&t->cached);
	t->cg = make_group(all, t->name);
	config.name = t->name;
	config.count = cache_count;
	config.scan = cache_scan;
	config.arg = t;
	config.flags = MEMCG_SHRINK_INLINE; /* also while somebody allocates */
	config.deadline_ms = 500;	    /* for the lock, on a busy machine */
	shrinker = memcg_shrinker_register(t->cg, &config);
	if (!shrinker)
		die("tenants: memcg_shrinker_register");
	return shrinker;
}

/* ---- watching ---- */

static double mib(uint64_t bytes)
{
	return (double)bytes / MIB;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double hit_rate(const struct tenant *t)
{
	return 100.0 * (double)SEE(t->hits) / ((double)(SEE(t->hits) + SEE(t->misses)) + 1e-9);
}

static void show_group(struct memcg *cg)
{
	struct memcg_events ev = {0};

	memcg_event_read(cg, &ev, sizeof(ev));
	printf(" | %5.1fM %lu/%lu/%lu", mib(memcg_current(cg)), ev.low, ev.high, ev.max);
}

static void show_all(void)
{
	for (struct tenant *t = &gold; t; t = t == &gold ? &silver : NULL) {
		show_group(t->cg);
		printf(" %4zu %3.0f%% %5.1fM", SEE(t->entries), hit_rate(t), mib(SEE(t->shrunk)));
	}
	show_group(hog);
	show_group(all);
	printf("\n");
	fflush(stdout);
}

static bool phase_is_over(void)
{
	return SEE(gold.hits) + SEE(gold.misses) >= gold.files &&
	       SEE(silver.hits) + SEE(silver.misses) >= silver.files &&
	       SEE(hog_has) == SEE(hog_wants);
}

/*
 * A line each half second, for that long and until both were asked for as many files as they have
 * and hog has what it wants; at most 30 seconds more, on a machine that is busy. Returns the least
 * that gold had.
 */
static uint64_t watch(double seconds)
{
	double from = now(), next = 0.5, time;
	uint64_t least = UINT64_MAX;

	ADD(gold.hits, -SEE(gold.hits)), ADD(gold.misses, -SEE(gold.misses));
	ADD(silver.hits, -SEE(silver.hits)), ADD(silver.misses, -SEE(silver.misses));
	while ((time = now() - from) < seconds || (!phase_is_over() && time < seconds + 30)) {
		uint64_t has = memcg_current(gold.cg);

		least = has < least ? has : least;
		if (time >= next) {
			show_all();
			next += 0.5;
		}
		usleep(10000);
	}
	return least;
}

/*
 * What was seen, and whether it was what had to be. low is kept as long as somebody else has
 * anything to give. Who asks silver's cache while its own thread holds its lock is told that
 * there is nothing now, and gold may lose a file or two: so not each byte is counted.
 */
static bool judge(uint64_t had, uint64_t least, double gold_rate, double silver_rate)
{
	bool kept = least >= had - had / 10 && gold.shrunk <= silver.shrunk / 10;
	bool paid = silver.shrunk > FILES / 2;
	bool exact = !memcg_report(STDERR_FILENO, MEMCG_REPORT_QUIET);

	printf("gold %s: it had %.1fM, then never less than %.1fM; hit rate %.0f%%, then %.0f%%\n",
	       kept ? "kept its protection" : "LOST ITS PROTECTION", mib(had), mib(least),
	       gold_rate, hit_rate(&gold));
	printf("silver %s: %.1fM shrunk, gold %.1fM; hit rate %.0f%%, then %.0f%%\n",
	       paid ? "paid" : "did NOT pay", mib(silver.shrunk), mib(gold.shrunk), silver_rate,
	       hit_rate(&silver));
	printf("all of them never had more than %.1fM of %.0fM\n", mib(memcg_peak(all)), mib(MAX));
	printf("recount: %s\n", exact ? "exact" : "DIFFERENCES");
	return kept && exact;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 6, gold_rate, silver_rate;
	struct memcg_shrinker *of_gold, *of_silver;
	pthread_t thread[3];
	uint64_t had, least;
	bool good;

	gold.file = files_next(FILES, BLOCK, &gold.files);
	silver.file = files_next(FILES, BLOCK, &silver.files);
	all = make_group(NULL, "all");
	of_gold = make_tenant(&gold);
	of_silver = make_tenant(&silver);
	hog = make_group(all, "hog");
	if (memcg_set_limit(all, MEMCG_MAX, MAX) || memcg_set_limit(gold.cg, MEMCG_LOW, LOW))
		die("tenants: memcg_set_limit");
	if (pthread_create(&thread[0], NULL, serve_requests, &gold) ||
	    pthread_create(&thread[1], NULL, serve_requests, &silver) ||
	    pthread_create(&thread[2], NULL, grow, NULL))
		die("tenants: pthread_create");

	printf("gold (low %.0fM) | silver | hog | all (max %.0fM): current, events low/high/max; "
	       "of the caches: entries, hit rate, shrunk\n",
	       mib(LOW), mib(MAX));
	watch(0); /* until the caches are full */
	watch(seconds / 3);
	had = memcg_current(gold.cg);
	gold_rate = hit_rate(&gold);
	silver_rate = hit_rate(&silver);
	printf("now hog wants %.0fM\n", mib(HOG));
	ADD(hog_wants, HOG);
	least = watch(2 * seconds / 3);

	ADD(stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	good = judge(had, least, gold_rate, silver_rate);
	memcg_shrinker_unregister(of_gold);
	memcg_shrinker_unregister(of_silver);
	return good ? 0 : 1;
}
