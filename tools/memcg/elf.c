/* elf.c - see elf.h. */
#include "elf.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

typedef ElfW(Ehdr) ehdr_t;
typedef ElfW(Phdr) phdr_t;
typedef ElfW(Dyn) dyn_t;
typedef ElfW(Sym) sym_t;

#if __SIZEOF_POINTER__ == 8
#define OUR_CLASS  ELFCLASS64
#define BLOOM_BITS 64
#else
#define OUR_CLASS  ELFCLASS32
#define BLOOM_BITS 32
#endif

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__i386__)
#define OUR_MACHINE EM_386
#else
#error "name the ELF machine of this architecture here"
#endif

/* The file, and where in it the tables of its dynamic section lie; 0: absent. */
struct image {
	const char *base;
	size_t size;
	ehdr_t header;
	uint64_t dynamic, dynamic_size;
	uint64_t strings, strings_size;
	uint64_t symbols, gnu_hash, sysv_hash;
};

/* Offsets come from the file and need not be aligned: everything is copied out. */
static bool read_at(const struct image *im, uint64_t offset, void *out, size_t n)
{
	if (offset > im->size || n > im->size - offset)
		return false;
	memcpy(out, im->base + offset, n);
	return true;
}

static bool read_u32(const struct image *im, uint64_t offset, uint32_t *out)
{
	return read_at(im, offset, out, sizeof(*out));
}

static bool read_header(struct image *im, uint64_t index, phdr_t *ph)
{
	return read_at(im, im->header.e_phoff + index * sizeof(*ph), ph, sizeof(*ph));
}

/* Tables are named by address: the segment that loads it says where in the file. */
static bool file_offset(struct image *im, uint64_t address, uint64_t *offset)
{
	phdr_t ph;

	for (unsigned i = 0; i < im->header.e_phnum; i++)
		if (read_header(im, i, &ph) && ph.p_type == PT_LOAD && address >= ph.p_vaddr &&
		    address - ph.p_vaddr < ph.p_filesz) {
			*offset = ph.p_offset + (address - ph.p_vaddr);
			return *offset < im->size;
		}
	return false;
}

/* ---- headers ---- */

static enum elf_kind check_header(struct image *im)
{
	unsigned char ident[EI_NIDENT];
	uint16_t machine;

	if (!read_at(im, 0, ident, SELFMAG) || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return ELF_NONE;
	if (!read_at(im, 0, ident, sizeof(ident)) || ident[EI_VERSION] != EV_CURRENT ||
	    ident[EI_CLASS] == ELFCLASSNONE || ident[EI_CLASS] >= ELFCLASSNUM)
		return ELF_BROKEN;
	/* The machine stands at the same place in files of either word size. */
	if (!read_at(im, offsetof(ehdr_t, e_machine), &machine, sizeof(machine)))
		return ELF_BROKEN;
	if (ident[EI_CLASS] != OUR_CLASS || machine != OUR_MACHINE)
		return ELF_FOREIGN;
	if (!read_at(im, 0, &im->header, sizeof(im->header)))
		return ELF_BROKEN;
	if (im->header.e_type != ET_EXEC && im->header.e_type != ET_DYN)
		return ELF_BROKEN;
	if (!im->header.e_phnum || im->header.e_phentsize != sizeof(phdr_t))
		return ELF_BROKEN;
	return ELF_STATIC; /* until an interpreter is found */
}

static bool read_interpreter(struct image *im, const phdr_t *ph, struct elf_facts *facts)
{
	size_t n = ph->p_filesz;

	if (n < 2 || n > sizeof(facts->interpreter) ||
	    !read_at(im, ph->p_offset, facts->interpreter, n) || facts->interpreter[n - 1]) {
		facts->interpreter[0] = '\0';
		return false;
	}
	return true;
}

static enum elf_kind walk_headers(struct image *im, struct elf_facts *facts)
{
	enum elf_kind kind = ELF_STATIC;
	phdr_t ph;

	for (unsigned i = 0; i < im->header.e_phnum; i++) {
		if (!read_header(im, i, &ph))
			return ELF_BROKEN;
		/* What is to be loaded must be there: the system would end the program by SIGBUS.
		 */
		if (ph.p_type == PT_LOAD &&
		    (ph.p_offset > im->size || ph.p_filesz > im->size - ph.p_offset))
			return ELF_BROKEN;
		if (ph.p_type == PT_DYNAMIC) {
			im->dynamic = ph.p_offset;
			im->dynamic_size = ph.p_filesz;
		}
		if (ph.p_type == PT_INTERP) {
			if (!read_interpreter(im, &ph, facts))
				return ELF_BROKEN;
			kind = ELF_DYNAMIC;
		}
	}
	return kind;
}

/* ---- the dynamic section ---- */

static bool dynamic_entry(struct image *im, uint64_t index, dyn_t *d)
{
	uint64_t at = index * sizeof(*d);

	return at + sizeof(*d) <= im->dynamic_size &&
	       read_at(im, im->dynamic + at, d, sizeof(*d)) && d->d_tag != DT_NULL;
}

static void find_tables(struct image *im)
{
	dyn_t d;

	for (uint64_t i = 0; dynamic_entry(im, i, &d); i++) {
		if (d.d_tag == DT_STRTAB && !file_offset(im, d.d_un.d_ptr, &im->strings))
			im->strings = 0;
		if (d.d_tag == DT_SYMTAB && !file_offset(im, d.d_un.d_ptr, &im->symbols))
			im->symbols = 0;
		if (d.d_tag == DT_GNU_HASH && !file_offset(im, d.d_un.d_ptr, &im->gnu_hash))
			im->gnu_hash = 0;
		if (d.d_tag == DT_HASH && !file_offset(im, d.d_un.d_ptr, &im->sysv_hash))
			im->sysv_hash = 0;
		if (d.d_tag == DT_STRSZ)
			im->strings_size = d.d_un.d_val;
	}
}

/* A string of the table that ends within the file; NULL when there is none. */
static const char *string_at(const struct image *im, uint64_t index)
{
	uint64_t room;

	if (!im->strings || index >= im->strings_size || index >= im->size - im->strings)
		return NULL;
	room = im->size - im->strings - index;
	if (!memchr(im->base + im->strings + index, '\0', room))
		return NULL;
	return im->base + im->strings + index;
}

static bool begins(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static void remember(char out[ELF_NAME_MAX], const char *name)
{
	size_t n = strnlen(name, ELF_NAME_MAX - 1);

	memcpy(out, name, n);
	out[n] = '\0';
}

static void judge_library(const char *name, struct elf_facts *facts)
{
	/* libubsan is left out: it checks arithmetic and leaves memory alone. */
	static const char *const sanitizers[] = {
		"libasan.",   "libtsan.",	  "liblsan.",	      "libmsan.",
		"libhwasan.", "libclang_rt.asan", "libclang_rt.tsan", "libclang_rt.hwasan"};

	for (size_t i = 0; i < sizeof(sanitizers) / sizeof(sanitizers[0]); i++)
		if (begins(name, sanitizers[i]))
			remember(facts->sanitizer, name);
}

static void judge_libraries(struct image *im, struct elf_facts *facts)
{
	const char *name;
	dyn_t d;

	for (uint64_t i = 0; dynamic_entry(im, i, &d); i++) {
		name = d.d_tag == DT_NEEDED ? string_at(im, d.d_un.d_val) : NULL;
		if (name)
			judge_library(name, facts);
	}
}

/* ---- symbols ---- */

static bool defines_at(const struct image *im, uint64_t index, const char *name)
{
	const char *found;
	sym_t sym;

	if (!read_at(im, im->symbols + index * sizeof(sym), &sym, sizeof(sym)) ||
	    sym.st_shndx == SHN_UNDEF)
		return false;
	found = string_at(im, sym.st_name);
	return found && !strcmp(found, name);
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

/*
 * DT_GNU_HASH: four counts, a Bloom filter (not needed for one question), buckets that name the
 * first symbol of a chain, and a word for each symbol from `base` on whose low bit ends the chain.
 */
static bool gnu_defines(const struct image *im, const char *name)
{
	uint32_t nr_buckets, base, bloom, index, word, hash = gnu_hash(name);
	uint64_t buckets, chains;

	if (!read_u32(im, im->gnu_hash, &nr_buckets) || !nr_buckets ||
	    !read_u32(im, im->gnu_hash + 4, &base) || !read_u32(im, im->gnu_hash + 8, &bloom))
		return false;
	buckets = im->gnu_hash + 16 + (uint64_t)bloom * (BLOOM_BITS / 8);
	chains = buckets + (uint64_t)nr_buckets * 4;
	if (!read_u32(im, buckets + (uint64_t)(hash % nr_buckets) * 4, &index) || index < base)
		return false;
	for (;; index++) { /* ends at the end of the file at the latest */
		if (!read_u32(im, chains + (uint64_t)(index - base) * 4, &word))
			return false;
		if ((word | 1) == (hash | 1) && defines_at(im, index, name))
			return true;
		if ((word & 1) || index == UINT32_MAX)
			return false;
	}
}

/* DT_HASH is only asked how many symbols there are: files that have it alone are rare. */
static bool sysv_defines(const struct image *im, const char *name)
{
	uint32_t nr_symbols;

	if (!read_u32(im, im->sysv_hash + 4, &nr_symbols))
		return false;
	for (uint32_t i = 0; i < nr_symbols; i++) {
		if (im->symbols + (uint64_t)i * sizeof(sym_t) >= im->size)
			return false;
		if (defines_at(im, i, name))
			return true;
	}
	return false;
}

static bool defines(const struct image *im, const char *name)
{
	if (!im->symbols)
		return false;
	if (im->gnu_hash)
		return gnu_defines(im, name);
	return im->sysv_hash && sysv_defines(im, name);
}

static void judge_symbols(struct image *im, struct elf_facts *facts)
{
	static const char *const sanitizers[] = {"__asan_init", "__tsan_init", "__msan_init",
						 "__lsan_init", "__hwasan_init"};

	for (size_t i = 0; i < sizeof(sanitizers) / sizeof(sanitizers[0]); i++)
		if (!facts->sanitizer[0] && defines(im, sanitizers[i]))
			remember(facts->sanitizer, sanitizers[i]);
	/* One of a library it needs is no matter: ours stands before it in the order of search. */
	if (defines(im, "malloc"))
		remember(facts->own_malloc, "malloc");
}

void elf_inspect(const void *base, size_t size, struct elf_facts *facts)
{
	struct image im = {.base = base, .size = size};

	*facts = (struct elf_facts){0};
	facts->kind = check_header(&im);
	if (facts->kind != ELF_STATIC)
		return;
	facts->kind = walk_headers(&im, facts);
	if (facts->kind != ELF_DYNAMIC)
		return;
	find_tables(&im);
	judge_libraries(&im, facts);
	judge_symbols(&im, facts);
}
