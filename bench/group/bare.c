/* bare.c - theory in bare.h. */
#include "bare.h"

#include <lz4.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "sys/memfd.h"
#include "sys/uffd.h"

struct bare bare;

static struct sigaction library;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *at = (char *)ALIGN_DOWN((uintptr_t)info->si_addr, bare.around);
	size_t i = (size_t)(at - bare.window) / PAGE_SIZE;

	if (at < bare.window || at >= bare.window + bare.bytes) {
		library.sa_sigaction(sig, info, context);
		return;
	}
	if (bare.unpack)
		LZ4_decompress_safe(bare.copy[i], bare.alias + i * PAGE_SIZE, bare.length[i],
				    PAGE_SIZE);
	if (sys_uffd_continue(bare.uffd, at, bare.around, false))
		_exit(3);
}

void bare_up(size_t bytes)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	char *at = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			0);

	bare = (struct bare){.fd = sys_memfd(bytes),
			     .uffd = sys_uffd(0),
			     .bytes = bytes,
			     .window = at,
			     .alias = at + bytes,
			     .around = PAGE_SIZE,
			     .copy = bench_need(calloc(bytes / PAGE_SIZE, sizeof(char *))),
			     .length = bench_need(calloc(bytes / PAGE_SIZE, sizeof(int)))};
	if (at == MAP_FAILED || bare.fd < 0 || bare.uffd < 0 ||
	    sys_map_shared(bare.window, bytes, PROT_READ | PROT_WRITE, bare.fd, 0) ||
	    sys_map_shared(bare.alias, bytes, PROT_READ | PROT_WRITE, bare.fd, 0) ||
	    sys_uffd_register(bare.uffd, bare.window, bytes))
		bench_die("the bare mechanism");
	sigfillset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, &library);
}

void bare_map(size_t i, size_t n)
{
	for (size_t k = i; k < i + n; k += BATCH)
		if (sys_uffd_continue(bare.uffd, bare.window + k * PAGE_SIZE,
				      MIN(i + n - k, (size_t)BATCH) * PAGE_SIZE, false))
			bench_die("UFFDIO_CONTINUE");
}

void bare_bring(size_t i, size_t n)
{
	if (sys_fill(bare.fd, i * PAGE_SIZE, n * PAGE_SIZE))
		bench_die("memory for the bare mechanism");
	bare_map(i, n);
}

void bare_unmap(size_t i, size_t n)
{
	sys_zap(&(struct span){bare.window + i * PAGE_SIZE, n * PAGE_SIZE}, 1);
}

size_t bare_out(size_t i, size_t n, char *to)
{
	static __thread LZ4_stream_t state;
	char *at = to;

	bare_unmap(i, n);
	for (size_t k = i; k < i + n; k++) {
		bare.copy[k] = at;
		bare.length[k] = LZ4_compress_fast_extState(&state, bare.alias + k * PAGE_SIZE, at,
							    PAGE_SIZE, 2 * PAGE_SIZE, 1);
		at += bare.length[k];
	}
	sys_punch(bare.fd, i * PAGE_SIZE, n * PAGE_SIZE);
	return (size_t)(at - to);
}

void bare_all_out(void)
{
	static char *room;
	size_t most = bare.bytes + bare.bytes / 64, at = 0;

	if (!room)
		room = memset(bench_need(malloc(most)), 1, most);
	for (size_t i = 0; i < bare.bytes / PAGE_SIZE; i += BATCH)
		at += bare_out(i, BATCH, room + at);
}

void text_fill(char *p, size_t bytes)
{
	static const char *const word[] = {
		"charge_",	"uncharge(", "static int ", "struct page *", "return ",
		"memory of a ", " group",    ";\n\t",	    "if (!page",     "the limit "};
	uint64_t seed = CHILD_SEED;
	size_t at = 0;

	while (at < bytes) {
		const char *w = word[bench_below(&seed, 10)];
		size_t n = strlen(w);

		memcpy(p + at, w, MIN(n, bytes - at));
		at += n;
		if (at < bytes)
			p[at++] = (char)bench_random(&seed);
	}
}
