/*
 * corpus.h - texts of this machine for managed.c to work on: licences, documents and headers, and
 * where there is little of them, what there is over and over, with the program itself. Nothing
 * here is about memory groups.
 */
#ifndef CORPUS_H
#define CORPUS_H

#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_LEAST   (16 * 1024) /* bytes: a window for each smaller one would be all overhead */
#define TEXT_LARGEST (1024 * 1024)

struct text {
	char *path;
	size_t size; /* as it was read: a file may change */
};

/* In the order they were found, given out in turn. Filled in before there are threads. */
struct corpus {
	struct text *text;
	size_t texts, next;
};

static inline _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static inline void corpus_add(struct corpus *c, const char *path, size_t size)
{
	c->text = reallocarray(c->text, c->texts + 1, sizeof(*c->text));
	if (!c->text)
		die("managed: list of files");
	c->text[c->texts] = (struct text){.path = strdup(path), .size = size};
	if (!c->text[c->texts++].path)
		die("managed: list of files");
}

/* What is compressed already would say nothing about compressing it. */
static inline bool is_compressed(const char *name)
{
	static const char *const ends[] = {".gz", ".xz", ".png", ".jpg", ".pdf"};
	const char *end = strrchr(name, '.');

	for (size_t i = 0; end && i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcmp(end, ends[i]))
			return true;
	return false;
}

static inline bool corpus_wants(const FTSENT *at)
{
	return at->fts_info == FTS_F && at->fts_statp->st_size >= TEXT_LEAST &&
	       at->fts_statp->st_size <= TEXT_LARGEST && !is_compressed(at->fts_name) &&
	       !access(at->fts_path, R_OK);
}

/* Files until they are so many bytes; there is always one. */
static inline void corpus_find(struct corpus *c, size_t bytes)
{
	char *const dirs[] = {"/usr/share/common-licenses", "/usr/share/doc", "/usr/include", NULL};
	FTS *fts = fts_open(dirs, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *at;
	size_t sum = 0;

	while (fts && sum < bytes && (at = fts_read(fts)))
		if (corpus_wants(at)) {
			corpus_add(c, at->fts_path, (size_t)at->fts_statp->st_size);
			sum += (size_t)at->fts_statp->st_size;
		}
	if (fts)
		fts_close(fts);
	if (sum < bytes)
		corpus_add(c, "/proc/self/exe", TEXT_LARGEST);
}

static inline void corpus_free(struct corpus *c)
{
	while (c->texts)
		free(c->text[--c->texts].path);
	free(c->text);
}

/* The next one's content, up to TEXT_LARGEST bytes of it, and a descriptor of it. */
static inline size_t corpus_next(struct corpus *c, char *content, int *fd)
{
	for (size_t tried = 0; tried < c->texts; tried++) {
		const struct text *t = &c->text[c->next++ % c->texts];
		ssize_t n;

		*fd = open(t->path, O_RDONLY | O_CLOEXEC);
		n = *fd < 0 ? 0 : pread(*fd, content, t->size, 0);
		if (n > 0)
			return (size_t)n;
		if (*fd >= 0)
			close(*fd);
	}
	fprintf(stderr, "managed: none of %zu files can be read\n", c->texts);
	exit(2);
}

/* Of words: any that is lost, old, or another page's makes another sum. */
static inline uint64_t text_sum(const void *words, size_t bytes)
{
	const uint64_t *w = words;
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < bytes / sizeof(*w); i++)
		sum = (sum ^ w[i]) * 1099511628211u;
	return sum;
}

#endif
