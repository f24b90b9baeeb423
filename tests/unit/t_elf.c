/* t_elf.c - programs are told apart, and no file whatever makes the inspection read outside it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The command is no library: its module is compiled into the test. */
#include "../../tools/memcg/elf.c"

/*
 * A copy whose last byte is the last of its page and the next page is not there: one
 * byte too far is a crash.
 */
struct fenced {
	char *base, *bytes;
	size_t mapped, size;
};

static struct fenced fence(const void *data, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct fenced f = {.mapped = (size + page - 1) / page * page + page, .size = size};

	f.base = mmap(NULL, f.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f.base, MAP_FAILED);
	assert_int_equal(mprotect(f.base + f.mapped - page, page, PROT_NONE), 0);
	f.bytes = f.base + f.mapped - page - size;
	if (size)
		memcpy(f.bytes, data, size);
	return f;
}

static void unfence(struct fenced *f)
{
	munmap(f->base, f->mapped);
}

static char *program; /* /bin/true */
static size_t program_size;

static char *read_whole(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	*size = (size_t)st.st_size;
	data = malloc(*size);
	assert_non_null(data);
	assert_int_equal(read(fd, data, *size), st.st_size);
	close(fd);
	return data;
}

static int load_program(void **state)
{
	(void)state;
	program = read_whole("/bin/true", &program_size);
	return program ? 0 : -1;
}

static int drop_program(void **state)
{
	(void)state;
	free(program);
	return 0;
}

static enum elf_kind kind_of(const void *data, size_t size)
{
	struct fenced f = fence(data, size);
	struct elf_facts facts;

	elf_inspect(f.bytes, f.size, &facts);
	unfence(&f);
	return facts.kind;
}

static void test_a_program(void **state)
{
	struct elf_facts facts;

	(void)state;
	elf_inspect(program, program_size, &facts);
	assert_int_equal(facts.kind, ELF_DYNAMIC);
	assert_non_null(strstr(facts.interpreter, "/ld-linux"));
	assert_string_equal(facts.sanitizer, "");
	assert_string_equal(facts.own_malloc, "");
}

static void test_no_elf(void **state)
{
	(void)state;
	assert_int_equal(kind_of("", 0), ELF_NONE);
	assert_int_equal(kind_of("\177EL", 3), ELF_NONE);
	assert_int_equal(kind_of("#!/bin/sh\n", 10), ELF_NONE);
	assert_int_equal(kind_of("\177ELF", 4), ELF_BROKEN);
	assert_int_equal(kind_of("\177ELF and then something else", 29), ELF_BROKEN);
}

/* libc.so.6 defines malloc, and by GNU hash alone: the lookup must find it there. */
static void test_finds_symbols(void **state)
{
	static const char *const paths[] = {"/lib/x86_64-linux-gnu/libc.so.6",
					    "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"};
	struct image im = {0};
	struct elf_facts facts;
	char *libc = NULL;
	size_t size = 0;

	(void)state;
	for (unsigned i = 0; !libc && i < sizeof(paths) / sizeof(paths[0]); i++)
		libc = read_whole(paths[i], &size);
	if (!libc)
		skip();
	im.base = libc;
	im.size = size;
	assert_int_equal(check_header(&im), ELF_STATIC);
	walk_headers(&im, &facts);
	find_tables(&im);
	assert_true(defines(&im, "malloc"));
	assert_true(defines(&im, "free"));
	assert_false(defines(&im, "mallocx"));
	assert_false(defines(&im, "__asan_init"));
	free(libc);
}

static void expect_library(const char *name, bool sanitizer, bool own_malloc)
{
	struct elf_facts facts = {0};

	judge_library(name, &facts);
	assert_int_equal(!!facts.sanitizer[0], sanitizer);
	assert_int_equal(!!facts.own_malloc[0], own_malloc);
}

static void test_libraries(void **state)
{
	(void)state;
	expect_library("libasan.so.8", true, false);
	expect_library("libtsan.so.2", true, false);
	expect_library("libclang_rt.asan-x86_64.so", true, false);
	expect_library("libjemalloc.so.2", false, false);
	expect_library("libtcmalloc_minimal.so.4", false, false);
	expect_library("libmimalloc.so.2", false, false);
	expect_library("libubsan.so.1", false, false);
	expect_library("libc.so.6", false, false);
	expect_library("", false, false);
}

/* ---- headers that lie ---- */

static enum elf_kind with_header(void (*change)(ehdr_t *))
{
	struct fenced f = fence(program, program_size);
	struct elf_facts facts;
	ehdr_t header;

	memcpy(&header, f.bytes, sizeof(header));
	change(&header);
	memcpy(f.bytes, &header, sizeof(header));
	elf_inspect(f.bytes, f.size, &facts);
	unfence(&f);
	return facts.kind;
}

static void other_class(ehdr_t *h)
{
	h->e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
}

static void other_machine(ehdr_t *h)
{
	h->e_machine = EM_SPARC;
}

static void object_file(ehdr_t *h)
{
	h->e_type = ET_REL;
}

static void no_segments(ehdr_t *h)
{
	h->e_phnum = 0;
}

static void odd_segments(ehdr_t *h)
{
	h->e_phentsize++;
}

static void far_segments(ehdr_t *h)
{
	h->e_phoff = UINT64_MAX - 8;
}

static void test_headers(void **state)
{
	(void)state;
	assert_int_equal(with_header(other_class), ELF_FOREIGN);
	assert_int_equal(with_header(other_machine), ELF_FOREIGN);
	assert_int_equal(with_header(object_file), ELF_BROKEN);
	assert_int_equal(with_header(no_segments), ELF_BROKEN);
	assert_int_equal(with_header(odd_segments), ELF_BROKEN);
	assert_int_equal(with_header(far_segments), ELF_BROKEN);
}

/* Turns every segment of one type into something the system ignores. */
static void drop_segments(char *bytes, uint32_t type)
{
	ehdr_t header;
	phdr_t ph;

	memcpy(&header, bytes, sizeof(header));
	for (unsigned i = 0; i < header.e_phnum; i++) {
		char *at = bytes + header.e_phoff + i * sizeof(ph);

		memcpy(&ph, at, sizeof(ph));
		if (ph.p_type == type)
			ph.p_type = PT_NOTE;
		memcpy(at, &ph, sizeof(ph));
	}
}

static void test_segments(void **state)
{
	struct fenced f = fence(program, program_size);
	struct elf_facts facts;

	(void)state;
	drop_segments(f.bytes, PT_DYNAMIC); /* no table, no finding, and no crash */
	elf_inspect(f.bytes, f.size, &facts);
	assert_int_equal(facts.kind, ELF_DYNAMIC);
	drop_segments(f.bytes, PT_INTERP);
	elf_inspect(f.bytes, f.size, &facts);
	assert_int_equal(facts.kind, ELF_STATIC);
	unfence(&f);
}

static void test_truncated(void **state)
{
	(void)state;
	/* Behind the last segment stand only sections, which nobody loads. */
	for (size_t n = 4; n < program_size; n += n < 4096 ? 1 : 499) {
		enum elf_kind kind = kind_of(program, n);

		assert_true(kind == ELF_BROKEN || n > program_size / 2);
	}
}

/* Where the bytes end that the system would load. */
static size_t loaded_end(void)
{
	struct image im = {.base = program, .size = program_size};
	size_t end = 0;
	phdr_t ph;

	assert_int_equal(check_header(&im), ELF_STATIC);
	for (unsigned i = 0; i < im.header.e_phnum; i++)
		if (read_header(&im, i, &ph) && ph.p_type == PT_LOAD &&
		    ph.p_offset + ph.p_filesz > end)
			end = ph.p_offset + ph.p_filesz;
	return end;
}

static void test_a_segment_past_the_end(void **state)
{
	size_t end = loaded_end();

	(void)state;
	assert_int_equal(kind_of(program, end), ELF_DYNAMIC);
	assert_int_equal(kind_of(program, end - 1), ELF_BROKEN);
}

static void test_strings_end_within_the_file(void **state)
{
	struct fenced f = fence("\0abc\0def", 8);
	struct image im = {.base = f.bytes, .size = 8, .strings = 1, .strings_size = 100};

	(void)state;
	assert_string_equal(string_at(&im, 1), "bc");
	assert_null(string_at(&im, 4));
	assert_null(string_at(&im, 7));
	unfence(&f);
}

/* ---- anything at all ---- */

#define ROUNDS 20000

/* Mostly small numbers and edges, where the tables are: that is what gets past the first check. */
static void spoil(struct fenced *f, unsigned *seed)
{
	static const uint64_t edges[] = {0, 1, 7, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX};
	unsigned changes = 1 + (unsigned)rand_r(seed) % 8;

	while (changes--) {
		size_t room = rand_r(seed) % 2 ? 1024 : f->size - 8;
		size_t at = (size_t)rand_r(seed) % room;
		uint64_t value = edges[(unsigned)rand_r(seed) % 7];

		if (rand_r(seed) % 2)
			value = (uint64_t)rand_r(seed) % (2 * f->size);
		memcpy(f->bytes + at, &value, rand_r(seed) % 3 ? 8 : 1);
	}
}

/* Where the dynamic section and the tables lie is known: spoiled there, they are still found. */
static void spoil_tables(struct fenced *f, unsigned *seed)
{
	struct image im = {.base = program, .size = program_size};
	struct elf_facts facts;
	uint64_t places[4];

	assert_int_equal(check_header(&im), ELF_STATIC);
	walk_headers(&im, &facts);
	find_tables(&im);
	places[0] = im.dynamic;
	places[1] = im.symbols;
	places[2] = im.gnu_hash;
	places[3] = im.strings;
	for (unsigned i = 0; i < 6; i++) {
		uint64_t at = places[(unsigned)rand_r(seed) % 4] + (uint64_t)rand_r(seed) % 400;
		uint32_t value = (uint32_t)rand_r(seed) << (rand_r(seed) % 17);

		if (at + sizeof(value) <= f->size)
			memcpy(f->bytes + at, &value, sizeof(value));
	}
}

static void test_mutations(void **state)
{
	struct fenced f = fence(program, program_size);
	unsigned seen[ELF_DYNAMIC + 1] = {0}, seed = 20061;
	struct elf_facts facts;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		memcpy(f.bytes, program, f.size);
		if (i % 2)
			spoil(&f, &seed);
		else
			spoil_tables(&f, &seed);
		elf_inspect(f.bytes, f.size, &facts);
		seen[facts.kind]++;
		assert_true(memchr(facts.interpreter, 0, sizeof(facts.interpreter)));
		assert_true(memchr(facts.sanitizer, 0, sizeof(facts.sanitizer)));
		assert_true(memchr(facts.own_malloc, 0, sizeof(facts.own_malloc)));
	}
	unfence(&f);
	assert_true(seen[ELF_BROKEN] > 100 && seen[ELF_DYNAMIC] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program),
		cmocka_unit_test(test_no_elf),
		cmocka_unit_test(test_finds_symbols),
		cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_a_segment_past_the_end),
		cmocka_unit_test(test_strings_end_within_the_file),
	};

	return cmocka_run_group_tests(tests, load_program, drop_program);
}
