/*
 * swap.c - putting pages away and getting them back, against the compressor alone with a copy to
 * where its output stays. The pages are those of this program's own file.
 */
#include "cases.h"

#include <fcntl.h>
#include <lz4.h>
#include <string.h>
#include <unistd.h>

#include "group/group.h"
#include "page/page.h"
#include "vm/zswap.h"

#define PAGES 64u /* with their copies: within a second-level cache */
#define KEPT  1024u

static char page[PAGES][PAGE_SIZE];
static char output[PAGE_SIZE];

/* As the compressor alone has them. */
static struct bare {
	char data[KEPT][ZSWAP_MAX];
	int length[KEPT];
	LZ4_stream_t state;
	unsigned next;
} bare;

/* As zswap has them. */
static struct {
	u64 entry[KEPT];
	u32 handle;
	unsigned next;
} kept;

/* Those pages of the file that compress. */
static void read_pages(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	unsigned n = 0;

	while (n < PAGES && read(fd, page[n], PAGE_SIZE) == (ssize_t)PAGE_SIZE)
		n += LZ4_compress_default(page[n], output, PAGE_SIZE, ZSWAP_MAX) > 64;
	if (n < PAGES)
		bench_die("/proc/self/exe: fewer pages than wanted compress");
	close(fd);
}

static void bare_store(void *arg, uint64_t n)
{
	(void)arg;
	while (n--) {
		unsigned i = bare.next++ % KEPT;

		bare.length[i] = LZ4_compress_fast_extState(&bare.state, page[i % PAGES], output,
							    PAGE_SIZE, ZSWAP_MAX, 1);
		memcpy(bare.data[i], output, (size_t)bare.length[i]);
	}
}

static void bare_load(void *arg, uint64_t n)
{
	(void)arg;
	while (n--) {
		unsigned i = bare.next++ % PAGES;

		if (LZ4_decompress_safe(bare.data[i], output, bare.length[i], PAGE_SIZE) !=
		    (int)PAGE_SIZE)
			bench_die("LZ4_decompress_safe");
	}
}

/* And the free of an older one, so that memory is as in a program that goes on. */
static void store(void *arg, uint64_t n)
{
	(void)arg;
	while (n--) {
		unsigned i = kept.next++ % KEPT;

		if (kept.entry[i])
			zswap_free(kept.entry[i]);
		if (zswap_store(page[i % PAGES], kept.handle, &kept.entry[i]) != WHERE_ZSWAP)
			bench_die("zswap_store");
	}
}

static void load(void *arg, uint64_t n)
{
	(void)arg;
	while (n--)
		if (zswap_load(kept.entry[kept.next++ % PAGES], output))
			bench_die("zswap_load");
}

static void same(void *arg, uint64_t n)
{
	u64 entry;

	(void)arg;
	while (n--)
		if (zswap_store(output, kept.handle, &entry) != WHERE_SAME)
			bench_die("zswap_store");
}

void measure_swap(const struct bench_time *t, const char *arg)
{
	kept.handle = group_make(NULL, "swap", 0)->handle->index;
	read_pages();
	store(NULL, KEPT);
	bare_store(NULL, KEPT);
	if (!strcmp(arg, "same")) {
		memset(output, 0, sizeof(output));
		bench_print("ns", bench_measure(t, same, NULL));
		return;
	}
	bench_print("bare", bench_measure(t, *arg == 's' ? bare_store : bare_load, NULL));
	bench_print("ns", bench_measure(t, *arg == 's' ? store : load, NULL));
}
