/*
 * visit.h - a tenant of managed.c: pages of ranges and of files, each with what must be in it. One
 * thread at a time fills and visits; any may look at the counts.
 */
#ifndef VISIT_H
#define VISIT_H

#include <errno.h>
#include <sys/mman.h>
#include <memcg.h>

#include "corpus.h"
#include "latency.h"
#include "numbers.h"

#define SHARED (1 * MIB) /* files that all have */

/* Written by one thread at a time, looked at by others. */
#define SEE(x)	  __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_RELAXED)

enum phase { ALONE, BESIDE, MOVING, MOVED, PHASES };

struct place {
	char *at;
	uint64_t sum;	/* of what it holds */
	uint64_t stamp; /* its first word, new at each visit; a file is only read */
	bool file;
};

struct tenant {
	const char *name;
	struct memcg_mm *mm;
	struct place *place;
	size_t places, range, files;
	size_t cold, visits, wrong;
	struct latency took[PHASES];
};

static struct corpus corpus;
static enum phase phase;
static bool pins; /* the system has no faults for us: what is touched is pinned */

/* ---- a visit ---- */

static inline void pin(const void *at)
{
	int err = pins ? memcg_pin(at, PAGE) : 0;

	if (err) {
		errno = -err;
		die("managed: memcg_pin");
	}
}

static inline void unpin(const void *at)
{
	if (pins)
		memcg_unpin(at, PAGE);
}

/* The first word is looked at first: that is when the page comes, where it is not there. */
static inline void visit(struct tenant *t, struct place *p)
{
	volatile uint64_t *word = (volatile uint64_t *)p->at;
	size_t from = p->file ? 0 : sizeof(*word);
	uint64_t begin = now_ns(), first;

	pin(p->at);
	first = *word;
	latency_note(&t->took[SEE(phase)], now_ns() - begin);
	if ((!p->file && first != p->stamp) || text_sum(p->at + from, PAGE - from) != p->sum)
		ADD(t->wrong, 1);
	if (!p->file)
		*word = ++p->stamp;
	unpin(p->at);
	ADD(t->visits, 1);
}

/* ---- filling ---- */

static inline void *map(struct tenant *t, size_t size, int prot, struct memcg_file *file)
{
	void *at = memcg_mmap(t->mm, size, prot, 0, file, 0);

	if (!at)
		die("managed: memcg_mmap");
	return at;
}

static inline struct place *add_place(struct tenant *t, char *at, bool file, const char *content)
{
	struct place *p;

	if (t->places % 1024 == 0)
		t->place = reallocarray(t->place, t->places + 1024, sizeof(*p));
	if (!t->place)
		die("managed: list of pages");
	p = &t->place[t->places++];
	*p = (struct place){.at = at, .file = file};
	p->sum = file ? text_sum(content, PAGE) : text_sum(content + 8, PAGE - 8);
	return p;
}

/* The next text in whole pages, with zeros behind it, as in a file's last page. */
static inline char *next_text(size_t *size, int *fd)
{
	static _Alignas(uint64_t) char content[TEXT_LARGEST + PAGE];
	size_t n = corpus_next(&corpus, content, fd);

	*size = (n + PAGE - 1) / PAGE * PAGE;
	memset(content + n, 0, *size - n);
	return content;
}

static inline void add_files(struct tenant *t, size_t bytes)
{
	struct memcg_file *file;
	size_t size;
	int fd;

	for (size_t sum = 0; sum < bytes; sum += size) {
		char *content = next_text(&size, &fd), *at;

		file = memcg_file_open(fd, 0);
		if (!file)
			die("managed: memcg_file_open");
		at = map(t, size, PROT_READ, file);
		memcg_file_close(file); /* the window is enough */
		close(fd);
		for (size_t i = 0; i < size; i += PAGE)
			visit(t, add_place(t, at + i, true, content + i));
	}
}

static inline void add_range(struct tenant *t)
{
	char *at = map(t, t->range, PROT_READ | PROT_WRITE, NULL), *content = NULL;
	size_t size = 0, done = 0;
	int fd;

	for (size_t i = 0; i < t->range; i += PAGE, done += PAGE) {
		if (done == size) {
			content = next_text(&size, &fd);
			close(fd);
			done = 0;
		}
		pin(at + i);
		memcpy(at + i + 8, content + done + 8, PAGE - 8);
		unpin(at + i);
		visit(t, add_place(t, at + i, false, content + done));
	}
}

/* Those that all have come first in the list: mail brings them in, so mail pays. */
static inline void fill(struct tenant *t)
{
	size_t next = corpus.next;

	corpus.next = 0;
	add_files(t, SHARED);
	if (next > corpus.next)
		corpus.next = next;
	add_files(t, t->files);
	add_range(t);
}

#endif
