/*
 * tree.c - a program with a control socket and some groups, that does what it reads, line by line,
 * words with a TAB between:
 *
 *     group PATH [BYTES]   makes it; BYTES of it in use
 *     many N               N groups below /many
 *     more PATH BYTES      as much more in use
 *     file PATH BYTES      as much of a file in its pages, which reclaim could drop
 *     remove PATH
 *
 * and says `ok` or the error after each line. It ends with its input.
 */
#define _GNU_SOURCE
#include <memcg.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int use(struct memcg *cg, size_t bytes)
{
	char *block = bytes ? memcg_alloc(cg, bytes, 0, MEMCG_ZERO) : NULL;

	return bytes && !block ? -errno : 0;
}

/* The name is what is behind the last slash. */
static int make(char *path, size_t bytes)
{
	char *slash = strrchr(path, '/');
	struct memcg *parent, *cg;
	int err;

	*slash = '\0';
	parent = *path ? memcg_lookup(path) : NULL;
	if (*path && !parent)
		return -errno;
	cg = memcg_create(parent, slash + 1);
	if (!cg)
		return -errno;
	err = use(cg, bytes);
	if (parent)
		memcg_put(parent);
	return err;
}

static int make_many(unsigned n)
{
	char path[64] = "/many";
	int err = make(path, 0);

	for (unsigned i = 0; !err && i < n; i++) {
		snprintf(path, sizeof(path), "/many/g%u", i);
		err = make(path, 100 + i % 7 * 100);
	}
	return err;
}

static int with(const char *path, int (*fn)(struct memcg *, size_t), size_t bytes)
{
	struct memcg *cg = memcg_lookup(path);

	return cg ? fn(cg, bytes) : -errno;
}

/* The file and its pages stay: that is what this is for. */
static int read_file(struct memcg *cg, size_t bytes)
{
	static char piece[65536];
	struct memcg *before = memcg_enter(cg);
	struct memcg_file *file = NULL;
	int fd = memfd_create("tree", MFD_CLOEXEC), err = 0;

	if (fd >= 0 && !ftruncate(fd, (off_t)bytes))
		file = memcg_file_open(fd, 0);
	if (!file)
		err = -errno;
	for (size_t at = 0; file && !err && at < bytes; at += sizeof(piece)) {
		ssize_t n = memcg_file_read(file, piece, sizeof(piece), at);

		err = n < 0 ? (int)n : 0;
	}
	memcg_leave(before);
	return err;
}

static int drop(struct memcg *cg, size_t unused)
{
	(void)unused;
	return memcg_destroy(cg);
}

static int obey(char *line)
{
	char verb[16], path[3000];
	unsigned long long n = 0;

	if (sscanf(line, "%15[^\t\n]\t%2999[^\t\n]\t%llu", verb, path, &n) < 2)
		return -EINVAL;
	if (!strcmp(verb, "many"))
		return make_many((unsigned)atoi(path));
	if (!strcmp(verb, "group"))
		return make(path, n);
	if (!strcmp(verb, "more"))
		return with(path, use, n);
	if (!strcmp(verb, "file"))
		return with(path, read_file, n);
	return strcmp(verb, "remove") != 0 ? -EINVAL : with(path, drop, 0);
}

int main(void)
{
	char line[4096];
	int err = memcg_serve(NULL);

	printf("%s\n", err ? strerror(-err) : "ok");
	fflush(stdout);
	while (!err && fgets(line, sizeof(line), stdin)) {
		int done = obey(line);

		printf("%s\n", done ? strerror(-done) : "ok");
		fflush(stdout);
	}
	return err ? 1 : 0;
}
