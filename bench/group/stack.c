/*
 * stack.c - a stack of 64 KiB and a write to its top, as a thread or context would make it: one
 * that was kept, one made anew with either kind of guard; beside the system calls by hand.
 */
#include "cases.h"

#include <string.h>
#include <sys/mman.h>
#include <memcg.h>

#include "alloc/stack.h"
#include "sys/fault.h"

#define SIZE  (64u << 10)
#define GUARD 4096u

static void write_top(char *base, size_t size)
{
	*(volatile char *)(base + size - 1) = 1;
}

static void kept(void *arg, uint64_t n)
{
	size_t size = *(size_t *)arg;

	while (n--) {
		char *base = bench_need(memcg_stack_alloc(size));

		write_top(base, size);
		memcg_stack_free(base);
	}
}

static void anew(void *arg, uint64_t n)
{
	size_t size = *(size_t *)arg;

	while (n--) {
		char *base = bench_need(memcg_stack_alloc(size));

		write_top(base, size);
		memcg_stack_free(base);
		stack_cache_drain();
	}
}

static void by_hand(void *arg, uint64_t n)
{
	size_t size = *(size_t *)arg;

	while (n--) {
		char *p = mmap(NULL, GUARD + size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

		if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE))
			bench_die("mmap");
		write_top(p + GUARD, size);
		munmap(p, GUARD + size);
	}
}

static const struct {
	const char *name;
	void (*run)(void *arg, uint64_t n);
	size_t size;
	bool protected;
} cases[] = {
	{"kept", kept, SIZE, false},
	{"cold", anew, SIZE, false},
	{"protected", anew, SIZE, true},
	{"small", kept, 2048, false},
};

void measure_stack(const struct bench_time *t, const char *arg)
{
	memcg_enter(group_make(NULL, "stack", 0));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size = cases[i].size;

		if (strcmp(cases[i].name, arg))
			continue;
		if (cases[i].protected) /* as before Linux 6.13 */
			sys_fault_arm(SYS_FAULT_GUARD, 1, 1, 0, 0);
		bench_print("ns", bench_measure(t, cases[i].run, &size));
		sys_fault_disarm_all();
		bench_print("by_hand", bench_measure(t, by_hand, &size));
		return;
	}
	bench_die("stack/CASE: no such case");
}
