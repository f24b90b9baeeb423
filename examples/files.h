/* files.h - files of this machine for tenants.c to serve. Nothing here is about memory groups. */
#ifndef FILES_H
#define FILES_H

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

struct file {
	char *path, *content; /* content: NULL, or what is cached, and then on the list */
	size_t size;
	TAILQ_ENTRY(file) lru;
};

static inline _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

/* The next ones of up to `largest` bytes, until they are so many bytes. */
static inline struct file *files_next(size_t bytes, size_t largest, size_t *n)
{
	char *const dirs[] = {"/usr/include", "/usr/lib", "/usr/share", NULL};
	static FTS *fts;
	struct file *file = NULL;
	FTSENT *at;

	if (!fts && !(fts = fts_open(dirs, FTS_PHYSICAL | FTS_NOCHDIR, NULL)))
		die("tenants: /usr");
	for (size_t sum = *n = 0; sum < bytes; sum += file[(*n)++].size) {
		do {
			at = fts_read(fts);
			if (!at) {
				fprintf(stderr, "tenants: too few files in /usr for two caches\n");
				exit(77);
			}
		} while (at->fts_info != FTS_F || at->fts_statp->st_size <= 0 ||
			 (size_t)at->fts_statp->st_size > largest || access(at->fts_path, R_OK));
		file = reallocarray(file, *n + 1, sizeof(*file));
		if (!file)
			die("tenants: list of files");
		file[*n] = (struct file){.path = strdup(at->fts_path),
					 .size = (size_t)at->fts_statp->st_size};
		if (!file[*n].path)
			die("tenants: list of files");
	}
	return file;
}

#endif
