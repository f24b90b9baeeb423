/*
 * check_core.c - a core dump: segments of memory, and the note that says which files were
 * mapped. The file may be cut short or made up: every offset is held against its size
 * first. Memory that was mapped and not written to the file reads as zero, which is what
 * the kernel leaves out.
 */
#include "check.h"

#include "memcg_cmd.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTE_MAX (64u << 20)

struct core {
	int fd;
	uint64_t size;
	Elf64_Phdr *segment;
	size_t segments;
};

static bool pread_full(const struct core *c, uint64_t offset, void *to, size_t n)
{
	char *at = to;

	if (offset > c->size || n > c->size - offset)
		return false;
	while (n) {
		ssize_t got = pread(c->fd, at, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

/* --- memory ------------------------------------------------------------------- */

static const Elf64_Phdr *segment_of(const struct core *c, uint64_t address)
{
	for (size_t i = 0; i < c->segments; i++) {
		const Elf64_Phdr *s = &c->segment[i];

		if (s->p_type == PT_LOAD && address >= s->p_vaddr &&
		    address - s->p_vaddr < s->p_memsz)
			return s;
	}
	return NULL;
}

/* The part that lies in one segment: its length, 0: it cannot be read. */
static size_t read_part(const struct core *c, uint64_t from, void *to, size_t n)
{
	const Elf64_Phdr *s = segment_of(c, from);
	uint64_t off, filed;

	if (!s)
		return 0;
	off = from - s->p_vaddr;
	if (n > s->p_memsz - off)
		n = s->p_memsz - off;
	filed = off < s->p_filesz ? s->p_filesz - off : 0;
	if (!filed) {
		memset(to, 0, n);
		return n;
	}
	if (n > filed)
		n = filed;
	return pread_full(c, s->p_offset + off, to, n) ? n : 0;
}

static bool read_core(struct target *t, uint64_t from, void *to, size_t n)
{
	char *at = to;

	while (n) {
		size_t got = read_part(t->private, from, at, n);

		if (!got)
			return false;
		at += got;
		from += got;
		n -= got;
	}
	return true;
}

/* --- headers -------------------------------------------------------------------- */

static bool writable_at(const struct core *c, uint64_t address)
{
	const Elf64_Phdr *s = segment_of(c, address);

	return s && s->p_flags & PF_W;
}

struct file_range {
	uint64_t start, end, page;
};

/* NT_FILE: count, page size, that many ranges, then as many names, each ended by 0. */
static bool parse_files(struct target *t, const char *d, size_t n)
{
	struct file_range range;
	uint64_t count, i;
	const char *name;

	if (n < 16)
		return false;
	memcpy(&count, d, sizeof(count));
	if (count > (n - 16) / sizeof(range))
		return false;
	name = d + 16 + count * sizeof(range);
	for (i = 0; i < count; i++) {
		size_t left = n - (size_t)(name - d), len = strnlen(name, left);

		memcpy(&range, d + 16 + i * sizeof(range), sizeof(range)); /* not aligned */
		if (len == left || !target_add_map(t, range.start, range.end,
						   writable_at(t->private, range.start), name, len))
			return false;
		name += len + 1;
	}
	return true;
}

static bool parse_notes(struct target *t, const char *d, size_t n)
{
	size_t at = 0;

	while (n - at >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *h = (const Elf64_Nhdr *)(d + at);
		size_t name = (h->n_namesz + 3ul) & ~3ul, desc = (h->n_descsz + 3ul) & ~3ul;

		at += sizeof(*h);
		if (name > n - at || desc > n - at - name)
			return false;
		if (h->n_type == NT_FILE && !parse_files(t, d + at + name, h->n_descsz))
			return false;
		at += name + desc;
	}
	return true;
}

static const char *read_notes(struct target *t, const struct core *c)
{
	const char *why = NULL;

	for (size_t i = 0; i < c->segments && !why; i++) {
		const Elf64_Phdr *s = &c->segment[i];
		char *d;

		if (s->p_type != PT_NOTE || !s->p_filesz)
			continue;
		if (s->p_filesz > NOTE_MAX)
			return "its notes are larger than any";
		d = malloc(s->p_filesz);
		if (!d)
			return "no memory for its notes";
		if (!pread_full(c, s->p_offset, d, s->p_filesz) || !parse_notes(t, d, s->p_filesz))
			why = "its notes are damaged";
		free(d);
	}
	return why;
}

static const char *check_segments(const struct core *c)
{
	for (size_t i = 0; i < c->segments; i++) {
		const Elf64_Phdr *s = &c->segment[i];

		if (s->p_offset > c->size || s->p_filesz > c->size - s->p_offset)
			return "it is truncated: memory it speaks of is not in it (ulimit -c, full "
			       "disk?)";
		if (s->p_type == PT_LOAD &&
		    (s->p_filesz > s->p_memsz || s->p_memsz > UINT64_MAX - s->p_vaddr))
			return "its segments are damaged";
	}
	return NULL;
}

static const char *read_headers(struct core *c)
{
	Elf64_Ehdr h;

	if (!pread_full(c, 0, &h, sizeof(h)) || memcmp(h.e_ident, ELFMAG, SELFMAG))
		return "it is not a core dump";
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB ||
	    h.e_machine != EM_X86_64)
		return "it is of another machine";
	if (h.e_type != ET_CORE)
		return "it is a program or library, not a core dump";
	if (!h.e_phnum || h.e_phnum == PN_XNUM || h.e_phentsize != sizeof(Elf64_Phdr))
		return "its header is damaged, or it has more than 65534 segments";
	c->segment = calloc(h.e_phnum, sizeof(*c->segment));
	if (!c->segment)
		return "no memory for its headers";
	c->segments = h.e_phnum;
	if (!pread_full(c, h.e_phoff, c->segment, c->segments * sizeof(*c->segment)))
		return "it is truncated: its headers are not in it";
	return check_segments(c);
}

static const char *core_open(struct core *c, const char *path)
{
	struct stat st;

	c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (c->fd < 0 || fstat(c->fd, &st))
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a file";
	c->size = (uint64_t)st.st_size;
	return read_headers(c);
}

int check_core(const char *path)
{
	struct core c = {.fd = -1};
	struct target t = {.read = read_core, .private = &c};
	enum look result = LOOK_FAILED;
	char text[256];
	const char *why = core_open(&c, path);

	if (!why)
		why = read_notes(&t, &c);
	if (!why) {
		result = check_walk(&t, stdout, text, sizeof(text));
		why = text;
	}
	if (result == LOOK_FAILED)
		complain("check", "%s: %s", path, why);
	target_free_maps(&t);
	free(c.segment);
	if (c.fd >= 0)
		close(c.fd);
	return fflush(stdout) ? LOOK_FAILED : (int)result;
}
