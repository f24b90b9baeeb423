/*
 * program.c - see program.h.
 *
 * The system's own rules are followed: the search of execvp(3), up to four interpreters one
 * behind the other, and the shell for a text file that names none.
 */
#include "program.h"

#include "elf.h"
#include "memcg_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_INTERPRETERS 4
#define SHELL		 "/bin/sh"

/* The loader of the libc we are built for; where it lies differs between systems. */
#if defined(__x86_64__)
#define OUR_LOADER "ld-linux-x86-64.so.2"
#elif defined(__aarch64__)
#define OUR_LOADER "ld-linux-aarch64.so.1"
#else
#define OUR_LOADER "ld-linux.so.2"
#endif

__attribute__((format(printf, 3, 4))) static void refuse(struct verdict *v, int status,
							 const char *fmt, ...)
{
	va_list ap;

	v->status = status;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

/* ---- the file ---- */

static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? errno : 0;
}

static void refuse_errno(struct verdict *v, const char *name, int err)
{
	if (err == ENOENT || err == ENOTDIR)
		refuse(v, STATUS_NOT_FOUND, "'%s' was not found", name);
	else
		refuse(v, STATUS_NOT_EXECUTABLE, "'%s' cannot be executed: %s", name,
		       strerror(err));
}

/*
 * One directory of PATH after the other. What exists and may not be executed does not end
 * the search, but is the answer when nothing else is found.
 */
static int search(const char *command, char path[PATH_MAX])
{
	const char *dir = getenv("PATH"), *end;
	int err = ENOENT, found;

	for (dir = dir ? dir : "/bin:/usr/bin"; dir; dir = *end ? end + 1 : NULL) {
		int n;

		end = strchrnul(dir, ':');
		n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - dir), dir,
			     end > dir ? "/" : "", command);
		if (n >= PATH_MAX)
			continue;
		found = check_executable(path);
		if (!found)
			return 0;
		if (found != ENOENT && found != ENOTDIR)
			err = found;
	}
	return err;
}

void program_judge(const char *command, struct verdict *v)
{
	char path[PATH_MAX];
	int err;

	*v = (struct verdict){0};
	if (!*command || strlen(command) >= PATH_MAX) {
		refuse_errno(v, command, *command ? ENAMETOOLONG : ENOENT);
		return;
	}
	if (strchr(command, '/')) {
		strcpy(path, command);
		err = check_executable(path);
	} else {
		err = search(command, path);
	}
	if (err)
		refuse_errno(v, command, err);
	else
		program_judge_file(path, command, v);
}

/* ---- what is in it ---- */

static bool privileged(int fd, const struct stat *st)
{
	/* setgid without group execution is an old sign for mandatory locking. */
	if ((st->st_mode & S_ISUID) || (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return true;
	return fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static void judge_dynamic(const struct elf_facts *facts, const char *name, struct verdict *v)
{
	const char *slash = strrchr(facts->interpreter, '/');

	if (strcmp(slash ? slash + 1 : facts->interpreter, OUR_LOADER) != 0)
		refuse(v, STATUS_OURS,
		       "'%s' is loaded by %.200s, of another C library: it cannot be held to a limit",
		       name, facts->interpreter);
	else if (facts->sanitizer[0])
		refuse(v, STATUS_OURS,
		       "'%s' is built with a sanitizer (%s), which needs malloc for itself", name,
		       facts->sanitizer);
	else if (facts->own_malloc[0])
		snprintf(v->warning, sizeof(v->warning),
			 "'%.60s' defines %s itself: what it takes by that is not charged", name,
			 facts->own_malloc);
}

static void judge_elf(const struct elf_facts *facts, const char *name, struct verdict *v)
{
	switch (facts->kind) {
	case ELF_BROKEN:
		refuse(v, STATUS_NOT_EXECUTABLE,
		       "'%s' is no program: its ELF headers are cut short or contradict themselves",
		       name);
		break;
	case ELF_FOREIGN:
		refuse(v, STATUS_OURS,
		       "'%s' is built for another machine or word size: it cannot be held to a limit",
		       name);
		break;
	case ELF_STATIC:
		refuse(v, STATUS_OURS,
		       "'%s' is statically linked: nothing can be preloaded into it", name);
		break;
	case ELF_DYNAMIC:
		judge_dynamic(facts, name, v);
		break;
	case ELF_NONE:
		break;
	}
}

/* "#!  /path  argument": the path. False: none is named. */
static bool parse_interpreter(const char *text, size_t size, char path[PATH_MAX])
{
	size_t at = 2, n = 0;

	while (at < size && (text[at] == ' ' || text[at] == '\t'))
		at++;
	while (at + n < size && n < PATH_MAX - 1 && !strchr(" \t\n", text[at + n]))
		n++;
	memcpy(path, text + at, n);
	path[n] = '\0';
	return n > 0;
}

/* A file of some bytes, mapped. `next` is set to the interpreter it names, or "". */
static void judge_image(const char *bytes, size_t size, const char *name, char next[PATH_MAX],
			struct verdict *v)
{
	struct elf_facts facts;

	next[0] = '\0';
	if (size >= 2 && !memcmp(bytes, "#!", 2) && parse_interpreter(bytes, size, next))
		return;
	elf_inspect(bytes, size, &facts);
	judge_elf(&facts, name, v);
	if (facts.kind == ELF_NONE)
		strcpy(next, SHELL); /* as execvp(3) */
}

/* False: the file cannot be read, so nothing is known of it. */
static bool judge_open(int fd, const char *name, char next[PATH_MAX], struct verdict *v)
{
	struct stat st;
	char *bytes;

	if (fstat(fd, &st))
		return false;
	if (!st.st_size) {
		strcpy(next, SHELL);
		return true;
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	judge_image(bytes, (size_t)st.st_size, name, next, v);
	munmap(bytes, (size_t)st.st_size);
	/* On a script the system ignores such bits. */
	if (!v->status && !next[0] && privileged(fd, &st))
		refuse(v, STATUS_OURS,
		       "'%s' runs with privileges of its own (setuid, setgid or file capabilities): "
		       "the system preloads nothing into it",
		       name);
	return true;
}

void program_judge_file(const char *path, const char *name, struct verdict *v)
{
	char current[PATH_MAX], next[PATH_MAX];

	*v = (struct verdict){0};
	snprintf(current, sizeof(current), "%s", path);
	for (unsigned depth = 0; depth <= MAX_INTERPRETERS; depth++) {
		int fd = open(current, O_RDONLY | O_CLOEXEC), err;
		bool known;

		if (fd < 0)
			return; /* executable and not readable: the system may start it all the same
				 */
		known = judge_open(fd, depth ? current : name, next, v);
		close(fd);
		if (!known || v->status || !next[0])
			return;
		err = check_executable(next);
		if (err) {
			refuse(v, err == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE,
			       "'%s' needs %.200s, which cannot be started: %s", name, next,
			       strerror(err));
			return;
		}
		strcpy(current, next);
	}
	refuse(v, STATUS_NOT_EXECUTABLE, "'%s' has more than %d interpreters one behind the other",
	       name, MAX_INTERPRETERS);
}
