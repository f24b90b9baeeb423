/*
 * fault.c - which calls fail, and reading the rules from text.
 *
 * The counters are atomics of their own: several threads may run through one
 * rule, and each call gets a number of its own, so that exactly one is the nth.
 */
#include "sys/fault.h"

#include <errno.h>
#include <string.h>

#define MILLION 1000000ul

struct rule {
	struct fault_rule when;
	u64 seen, failed;
	bool armed;
};

static struct rule rules[SYS_FAULT_CALLS];
bool sys_fault_armed;

static const char *const names[SYS_FAULT_CALLS] = {
	[SYS_FAULT_RESERVE] = "reserve",
	[SYS_FAULT_OPEN_RANGE] = "open_range",
	[SYS_FAULT_PURGE] = "purge",
	[SYS_FAULT_MAP] = "map",
	[SYS_FAULT_UNMAP] = "unmap",
	[SYS_FAULT_FUTEX] = "futex",
	[SYS_FAULT_MEMBARRIER] = "membarrier",
	[SYS_FAULT_OPEN] = "open",
	[SYS_FAULT_READ] = "read",
	[SYS_FAULT_WRITE] = "write",
	[SYS_FAULT_EVENTFD] = "eventfd",
	[SYS_FAULT_DUP] = "dup",
	[SYS_FAULT_THREAD] = "thread",
	[SYS_FAULT_GUARD] = "guard",
	[SYS_FAULT_PEEK] = "peek",
	[SYS_FAULT_MEMFD] = "memfd",
	[SYS_FAULT_UFFD] = "uffd",
	[SYS_FAULT_WINDOW] = "window",
	[SYS_FAULT_FILL] = "fill",
	[SYS_FAULT_PUNCH] = "punch",
	[SYS_FAULT_ZAP] = "zap",
	[SYS_FAULT_TMPFILE] = "tmpfile",
	[SYS_FAULT_STAT] = "stat",
	[SYS_FAULT_LOCK] = "lock",
	[SYS_FAULT_DIRECT] = "direct",
	[SYS_FAULT_ALLOCATE] = "allocate",
	[SYS_FAULT_PWRITEV] = "pwritev",
	[SYS_FAULT_PREADV] = "preadv",
	[SYS_FAULT_FSYNC] = "fsync",
	[SYS_FAULT_PAGEMAP] = "pagemap",
	[SYS_FAULT_PIDFD] = "pidfd",
	[SYS_FAULT_RECV] = "recv",
	[SYS_FAULT_SEND] = "send",
	[SYS_FAULT_SOCKOPT] = "sockopt",
	[SYS_FAULT_DONTNEED] = "dontneed",
	[SYS_FAULT_ZEROCOPY] = "zerocopy",
	[SYS_FAULT_SOCKET] = "socket",
	[SYS_FAULT_BIND] = "bind",
	[SYS_FAULT_POLL] = "poll",
	[SYS_FAULT_MKDIR] = "mkdir",
	[SYS_FAULT_URING_SETUP] = "uring_setup",
	[SYS_FAULT_URING] = "uring",
	[SYS_FAULT_URING_BUFFERS] = "uring_buffers",
};

/* A bijection that spreads neighbouring numbers over all 64 bits. */
static u64 scramble(u64 x)
{
	x += 0x9e3779b97f4a7c15ul;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

bool fault_rule_hits(const struct fault_rule *r, u64 n)
{
	if (n == r->nth)
		return true;
	if (r->every && n > r->nth && (n - r->nth) % r->every == 0)
		return true;
	return r->ppm && scramble(r->seed ^ scramble(n)) % MILLION < r->ppm;
}

bool sys_fault_slow(enum sys_call call)
{
	struct rule *r = &rules[call];

	if (!r->armed)
		return false;
	if (!fault_rule_hits(&r->when, __atomic_add_fetch(&r->seen, 1, __ATOMIC_RELAXED)))
		return false;
	__atomic_add_fetch(&r->failed, 1, __ATOMIC_RELAXED);
	return true;
}

void sys_fault_arm(enum sys_call call, u64 nth, u64 every, u64 ppm, u64 seed)
{
	rules[call] = (struct rule){
		.when = {.nth = nth, .every = every, .ppm = ppm, .seed = seed},
		.armed = true,
	};
	__atomic_store_n(&sys_fault_armed, true, __ATOMIC_RELAXED);
}

void sys_fault_disarm_all(void)
{
	__atomic_store_n(&sys_fault_armed, false, __ATOMIC_RELAXED);
	memset(rules, 0, sizeof(rules));
}

u64 sys_fault_count(enum sys_call call)
{
	return __atomic_load_n(&rules[call].failed, __ATOMIC_RELAXED);
}

u64 sys_fault_seen(enum sys_call call)
{
	return __atomic_load_n(&rules[call].seen, __ATOMIC_RELAXED);
}

/* Each parse function moves *s past what it took, and takes nothing when it fails. */
static bool parse_word(const char **s, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*s, word, n))
		return false;
	*s += n;
	return true;
}

static bool parse_number(const char **s, u64 *out)
{
	const char *p = *s;
	u64 n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10ul, &n) ||
		    __builtin_add_overflow(n, (u64)(*p - '0'), &n))
			return false;
	if (p == *s)
		return false;
	*s = p;
	*out = n;
	return true;
}

static bool parse_call(const char **s, unsigned *call)
{
	size_t n = strcspn(*s, ":");

	for (unsigned c = 0; c < SYS_FAULT_CALLS; c++) {
		if (strlen(names[c]) != n || strncmp(*s, names[c], n))
			continue;
		*s += n;
		*call = c;
		return true;
	}
	return false;
}

static bool parse_option(const char **s, struct fault_rule *r)
{
	if (parse_word(s, "nth="))
		return parse_number(s, &r->nth);
	if (parse_word(s, "every="))
		return parse_number(s, &r->every);
	if (parse_word(s, "seed="))
		return parse_number(s, &r->seed);
	return parse_word(s, "p=") && parse_number(s, &r->ppm) && parse_word(s, "ppm") &&
	       r->ppm <= MILLION;
}

bool fault_option_parse(const char **s, struct fault_rule *r)
{
	struct fault_rule parsed = *r;
	const char *at = *s;

	if (!parse_option(&at, &parsed))
		return false;
	*r = parsed;
	*s = at;
	return true;
}

/* One "call:option[:option...]" into its place in `parsed`. */
static bool parse_rule(const char **s, struct rule *parsed)
{
	unsigned call;

	if (!parse_call(s, &call) || parsed[call].armed || !parse_word(s, ":"))
		return false;
	do {
		if (!fault_option_parse(s, &parsed[call].when))
			return false;
	} while (parse_word(s, ":"));
	return parsed[call].armed = true;
}

int sys_fault_parse(const char *text)
{
	struct rule parsed[SYS_FAULT_CALLS] = {0};

	if (!*text)
		return 0;
	do {
		if (!parse_rule(&text, parsed))
			return -EINVAL;
	} while (parse_word(&text, ","));
	if (*text)
		return -EINVAL;
	for (unsigned c = 0; c < SYS_FAULT_CALLS; c++)
		if (parsed[c].armed)
			sys_fault_arm(c, parsed[c].when.nth, parsed[c].when.every,
				      parsed[c].when.ppm, parsed[c].when.seed);
	return 0;
}
