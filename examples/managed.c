/*
 * managed [SECONDS] - three tenants in managed memory, one of them on twice its limit.
 *
 * mail and wiki work on texts of this machine: in ranges, and in files that all three have mapped
 * or one alone. Then index comes, in the group small, with twice as much as small may have: its
 * cold pages are compressed, the coldest go to the swap file, and each that comes back is checked.
 * Then index is moved to the group large, while it works. A line every half second; then what was
 * seen. Status 1: a page was not what it was, a neighbour had to pay, the charges did not follow,
 * or the recount found differences.
 */
#include <pthread.h>

#include "faults.h"
#include "numbers.h"
#include "visit.h"

#define KIB    (1ul << 10)
#define SMALL  (10 * MIB) /* what index may have at first */
#define RANGE  (16 * MIB) /* what it has: this, */
#define FILES  (3 * MIB)  /* files of its own, */
#define LARGE  (32 * MIB)
#define OTHERS (3 * MIB)  /* ranges of each neighbour, and as much in files */
#define ZSWAP  (3 * MIB)  /* of compressed copies: what is over goes to the swap file */
#define COLD   1024	  /* pages that index has to come back to before it goes on */
#define RATE   (48 * MIB) /* moved in a second: fast enough, and to be seen */

static struct tenant tenant[] = {{.name = "mail", .range = OTHERS, .files = OTHERS - SHARED},
				 {.name = "wiki", .range = OTHERS, .files = OTHERS - SHARED},
				 {.name = "index", .range = RANGE, .files = FILES}};
static struct tenant *const mail = &tenant[0], *const wiki = &tenant[1], *const idx = &tenant[2];
static struct memcg *all, *of_mail, *of_wiki, *small, *large;
static bool bad;
static int stop;

#define complain(...) (printf("WRONG: "), printf(__VA_ARGS__), printf("\n"), bad = true)

/* ---- what the threads do ---- */

/* Three times out of four one of the first quarter, else the next of all, from behind that on. */
static struct place *choose_hot(struct tenant *t, unsigned *seed)
{
	size_t hot = t->places / 4;

	if (rand_r(seed) % 4)
		return &t->place[(size_t)rand_r(seed) % hot];
	return &t->place[(hot + ADD(t->cold, 1)) % t->places];
}

static void *serve(void *of)
{
	struct tenant *t = of;
	unsigned seed = 1;

	for (size_t i = 1; !SEE(stop); i++) {
		visit(t, &t->place[(size_t)rand_r(&seed) % t->places]);
		if (i % 64 == 0)
			usleep(500);
	}
	return NULL;
}

static void *build_index(void *arg)
{
	unsigned seed = 1;

	fill(idx);
	while (!SEE(stop))
		visit(idx, choose_hot(idx, &seed));
	return arg;
}

/* ---- watching ---- */

static void show_line(void)
{
	static const char *const name[] = {"alone", "beside", "moving", "moved"};

	printf("%-6s", name[phase]);
	for (struct tenant *t = tenant; t < tenant + 3; t++)
		printf(" | %8.2f %8.2f", latency_us(&t->took[phase], 50),
		       latency_us(&t->took[phase], 99));
	printf(" | %7zu | %5.1fM %5.1fM | %5.1fM %5.1fM\n", SEE(idx->visits),
	       mib(memcg_current(small)), mib(file_of(small, "memory.swap.current")),
	       mib(memcg_current(large)), mib(file_of(large, "memory.swap.current")));
	fflush(stdout);
}

/* For that long, and until index was at so many cold pages; two minutes more are a hang. */
static void watch(double seconds, size_t cold)
{
	double from = (double)now_ns(), next = 0.5, time = 0;

	while (time < seconds || (SEE(idx->cold) < cold && time < seconds + 120)) {
		usleep(10000);
		time = ((double)now_ns() - from) / 1e9;
		if (time >= next) {
			show_line();
			next += 0.5;
		}
	}
	if (SEE(idx->cold) < cold)
		complain("index was at %zu cold pages in %.0f seconds", SEE(idx->cold), time);
}

static void show_stats(const char *when)
{
	show_heading(when);
	show_stat("  mail", of_mail);
	show_stat("  wiki", of_wiki);
	show_stat("  small", small);
	show_stat("  large", large);
	printf("\n");
}

/* ---- the move ---- */

static void move_index(void)
{
	unsigned what = MEMCG_MOVE_ANON | MEMCG_MOVE_FILE;
	struct memcg_move would, did;
	size_t visits;
	int err = memcg_mm_move(idx->mm, large, what | MEMCG_MOVE_DRY_RUN, &would, sizeof(would));

	if (err || would.refused)
		complain("a move is refused: error %d, %lu bytes", -err, would.refused);
	printf("index goes to large: %.1fM would move, in some %.0f ms\n", mib(would.moved),
	       (double)would.nsec / 1e6);
	__atomic_store_n(&phase, MOVING, __ATOMIC_RELAXED);
	visits = SEE(idx->visits);
	err = memcg_mm_move(idx->mm, large, what, &did, sizeof(did));
	visits = SEE(idx->visits) - visits;
	show_line();
	__atomic_store_n(&phase, MOVED, __ATOMIC_RELAXED);
	if (err || !did.moved)
		complain("the move failed: error %d, %lu bytes moved", -err, did.moved);
	printf("moved %.1fM in %.0f ms, in which index was at %zu pages. Stayed: %luK that mail, or "
	       "large already, pays for, %luK in use that moment, %luK mapped elsewhere only\n",
	       mib(did.moved), (double)did.nsec / 1e6, visits, did.not_ours / KIB, did.busy / KIB,
	       did.mapped_elsewhere / KIB);
}

/* ---- beginning and end ---- */

static struct memcg *make_group(struct memcg *parent, const char *name, uint64_t max)
{
	struct memcg *cg = memcg_create(parent, name);

	if (!cg || memcg_set_limit(cg, MEMCG_MAX, max))
		die("managed: memcg_create");
	return cg;
}

static struct memcg_mm *make_mm(struct memcg *cg)
{
	struct memcg_mm *mm = memcg_mm_create(cg);

	if (!mm)
		die("managed: memcg_mm_create");
	return mm;
}

static void set_up(void)
{
	struct memcg_config config = MEMCG_CONFIG_INIT;
	struct sigaction sa = {.sa_handler = on_sigbus};

	sigaction(SIGBUS, &sa, NULL);
	config.move_rate = RATE;
	if (memcg_init(&config))
		die("managed: memcg_init");
	pins = !comes_by_touch();
	if (pins)
		printf("no faults of our own on this system: each page is pinned while it is in "
		       "use\n");
	corpus_find(&corpus, SHARED + 2 * OTHERS + RANGE + FILES);
	all = make_group(NULL, "all", MEMCG_UNLIMITED);
	of_mail = make_group(all, "mail", MEMCG_UNLIMITED);
	of_wiki = make_group(all, "wiki", MEMCG_UNLIMITED);
	small = make_group(all, "small", SMALL);
	large = make_group(all, "large", LARGE);
	if (has_swap_file())
		memcg_set_limit(small, MEMCG_ZSWAP_MAX, ZSWAP);
	else
		printf("no swap file: what goes is compressed, all of it\n");
	mail->mm = make_mm(of_mail);
	wiki->mm = make_mm(of_wiki);
	idx->mm = make_mm(small);
}

/* The neighbours had everything in memory, and lost nothing. */
static void judge_neighbour(const struct tenant *t, struct memcg *cg, uint64_t majfaults)
{
	uint64_t swapped = file_of(cg, "memory.swap.current");
	uint64_t again = stat_of(cg).pgmajfault - majfaults;

	if (swapped || again)
		complain("%s paid: %lu bytes swapped out, %lu pages read again", t->name, swapped,
			 again);
	printf("%s beside index: median %.2f us, 99 %% %.2f us; alone %.2f and %.2f; %s\n", t->name,
	       latency_us(&t->took[BESIDE], 50), latency_us(&t->took[BESIDE], 99),
	       latency_us(&t->took[ALONE], 50), latency_us(&t->took[ALONE], 99),
	       swapped || again ? "it PAID" : "not a page of it went");
}

/* Before the move. A fault may go past max by a 64th, or 64K. */
static void judge_small(void)
{
	struct memcg_stat s = stat_of(small);

	if (!s.pgmajfault || !file_of(small, "memory.swap.peak"))
		complain("index had twice its limit and nothing was swapped");
	if (memcg_peak(small) > SMALL + SMALL / 64)
		complain("small had %.2fM, over its limit", mib(memcg_peak(small)));
}

/* All threads are gone: to the byte. */
static void judge_charges(void)
{
	uint64_t has = private_of(small) + private_of(large);

	for (struct tenant *t = tenant; t < tenant + 3; t++) {
		for (size_t i = 0; i < t->places; i++)
			visit(t, &t->place[i]);
		bad |= t->wrong;
	}
	if (has != RANGE)
		complain("of index's %lu bytes %lu are charged", RANGE, has);
	printf("content: %zu visits, %zu found another than they left\n",
	       mail->visits + wiki->visits + idx->visits, mail->wrong + wiki->wrong + idx->wrong);
	printf("index's %.0fM of ranges: %.1fM are charged to large, %.1fM to small\n", mib(RANGE),
	       mib(private_of(large)), mib(private_of(small)));
}

static void tear_down(void)
{
	struct memcg *cg[] = {of_mail, of_wiki, small, large, all};
	bool exact;

	for (struct tenant *t = tenant; t < tenant + 3; t++) {
		memcg_mm_destroy(t->mm);
		free(t->place);
	}
	corpus_free(&corpus);
	if (memcg_current(all) - memcg_slack(all))
		complain("%lu bytes are left", memcg_current(all) - memcg_slack(all));
	for (int i = 0; i < 5; i++)
		if (memcg_destroy(cg[i]))
			complain("a group cannot be destroyed");
	exact = !memcg_report(STDERR_FILENO, MEMCG_REPORT_QUIET);
	printf("recount: %s\n", exact ? "exact" : "DIFFERENCES");
	bad |= !exact;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 5;
	uint64_t of_mail_before, of_wiki_before;
	pthread_t thread[3];

	set_up();
	fill(mail);
	fill(wiki);
	memset(mail->took, 0, sizeof(mail->took));
	memset(wiki->took, 0, sizeof(wiki->took));
	if (pthread_create(&thread[0], NULL, serve, mail) ||
	    pthread_create(&thread[1], NULL, serve, wiki))
		die("managed: pthread_create");
	printf("microseconds to touch a page, median and 99 %%: of mail, wiki, index | visits of "
	       "index | small (max %.0fM), large (max %.0fM): current, swap.current\n",
	       mib(SMALL), mib(LARGE));
	watch(seconds / 4, 0);
	of_mail_before = stat_of(of_mail).pgmajfault;
	of_wiki_before = stat_of(of_wiki).pgmajfault;

	printf("now index comes, with %.0fM\n", mib(RANGE + FILES + SHARED));
	__atomic_store_n(&phase, BESIDE, __ATOMIC_RELAXED);
	if (pthread_create(&thread[2], NULL, build_index, NULL))
		die("managed: pthread_create");
	watch(seconds / 2, COLD);
	judge_small();
	show_stats("before");
	move_index();
	watch(seconds / 4, SEE(idx->cold) + COLD);
	ADD(stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	show_stats("after");
	judge_neighbour(mail, of_mail, of_mail_before);
	judge_neighbour(wiki, of_wiki, of_wiki_before);
	judge_charges();
	tear_down();
	return bad ? 1 : 0;
}
