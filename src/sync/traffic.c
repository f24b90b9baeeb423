/*
 * traffic.c - see traffic.h.
 *
 * Two tables of fixed size, filled by compare-and-swap and never emptied: lines by address, each
 * with the CPU that wrote it last; sites by the address of their text. What finds no room is
 * counted as lost. Counts are relaxed: a report is made when the threads stand still.
 */
#include "sync/traffic.h"

#ifdef MEMCG_COUNT_TRAFFIC

#include "base/compiler.h"
#include "sys/cpu.h"
#include "sys/log.h"

#define LINES  (1u << 20)
#define SITES  1024u
#define PROBES 64u

struct line {
	uintptr_t key;
	const char *site; /* who wrote last, from where */
	u32 last, writes; /* CPU + 1; 0: nobody yet */
};

struct site {
	uintptr_t key;		    /* of its text */
	u64 writes, moves, hottest; /* hottest: of the writes, those to one line; while reporting */
};

static struct line lines[LINES];
static struct site sites[SITES];
static u64 lost;

static u64 mix(uintptr_t key)
{
	return (u64)key * 0x9e3779b97f4a7c15ull >> 32;
}

/* The slot is `key`'s from now on, if it was anybody's not before. */
static bool claim(uintptr_t *slot, uintptr_t key)
{
	uintptr_t found = 0;

	return __atomic_load_n(slot, __ATOMIC_RELAXED) == key ||
	       __atomic_compare_exchange_n(slot, &found, key, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED) ||
	       found == key;
}

static struct line *line_of(uintptr_t key)
{
	for (u64 i = 0, at = mix(key); i < PROBES; i++, at++)
		if (claim(&lines[at % LINES].key, key))
			return &lines[at % LINES];
	return NULL;
}

static struct site *site_of(const char *text)
{
	for (u64 i = 0, at = mix((uintptr_t)text); i < PROBES; i++, at++)
		if (claim(&sites[at % SITES].key, (uintptr_t)text))
			return &sites[at % SITES];
	return NULL;
}

void memcg__traffic_note(const void *p, const char *text)
{
	struct line *line = line_of((uintptr_t)p / 64);
	struct site *site = site_of(text);
	u32 cpu = sys_cpu_this() + 1, last;

	if (!line || !site) {
		__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
		return;
	}
	last = __atomic_exchange_n(&line->last, cpu, __ATOMIC_RELAXED);
	__atomic_store_n(&line->site, text, __ATOMIC_RELAXED);
	__atomic_fetch_add(&line->writes, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&site->writes, 1, __ATOMIC_RELAXED);
	if (last && last != cpu)
		__atomic_fetch_add(&site->moves, 1, __ATOMIC_RELAXED);
}

/* Who wrote last stays: a line that another CPU wrote before travels now. */
void memcg__traffic_reset(void)
{
	for (u32 i = 0; i < SITES; i++) {
		__atomic_store_n(&sites[i].writes, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&sites[i].moves, 0, __ATOMIC_RELAXED);
	}
	for (u32 i = 0; i < LINES; i++)
		__atomic_store_n(&lines[i].writes, 0, __ATOMIC_RELAXED);
}

/* A line counts for who wrote it last: most have one writer's site. */
static void find_hottest(void)
{
	for (u32 i = 0; i < LINES; i++) {
		struct site *s = lines[i].writes ? site_of(lines[i].site) : NULL;

		if (s && lines[i].writes > s->hottest)
			s->hottest = lines[i].writes;
	}
}

void memcg__traffic_report(u64 operations)
{
	double scale = operations ? 1e6 / (double)operations : 0;

	find_hottest();
	for (u32 i = 0; i < SITES; i++) {
		const struct site *s = &sites[i];

		if (s->writes)
			log_line("traffic %s %llu %llu %llu", (const char *)s->key,
				 (unsigned long long)((double)s->writes * scale + 0.5),
				 (unsigned long long)((double)s->moves * scale + 0.5),
				 (unsigned long long)((double)s->hottest * scale + 0.5));
	}
	if (lost)
		log_line("traffic lost %llu 0 0", (unsigned long long)lost);
}

#endif
