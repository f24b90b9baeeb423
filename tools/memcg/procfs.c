/* procfs.c - see procfs.h. */
#include "procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVIRONMENT_MAX (256 * 1024) /* the variables we look for are set early or not at all */

/* NUL-terminated, at most size - 1 bytes; -1: not readable. */
static ssize_t read_file(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t done = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (done < size - 1 && (n = read(fd, buf + done, size - 1 - done)) > 0)
		done += (size_t)n;
	close(fd);
	buf[done] = '\0';
	return (ssize_t)done;
}

/* "pid (name) S ppid ...": the name may hold blanks and parentheses. */
bool procfs_read(pid_t pid, struct process *p)
{
	char text[1024], *name, *end;
	int ppid;

	if (read_file(pid, "stat", text, sizeof(text)) <= 0)
		return false;
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || end < name)
		return false;
	*end = '\0';
	*p = (struct process){.pid = pid};
	snprintf(p->comm, sizeof(p->comm), "%.15s", name + 1);
	if (sscanf(end + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%" SCNu64,
		   &p->state, &ppid, &p->start) != 3)
		return false;
	p->ppid = ppid;
	return true;
}

/* ---- descendants ---- */

static bool append(struct process **list, size_t *n, size_t *room, const struct process *p)
{
	if (*n == *room) {
		size_t more = *room ? *room * 2 : 64;
		struct process *grown = realloc(*list, more * sizeof(*grown));

		if (!grown)
			return false;
		*list = grown;
		*room = more;
	}
	(*list)[(*n)++] = *p;
	return true;
}

static size_t everybody(struct process **list)
{
	size_t n = 0, room = 0;
	struct dirent *entry;
	struct process p;
	DIR *dir = opendir("/proc");

	*list = NULL;
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    procfs_read(atoi(entry->d_name), &p) && !append(list, &n, &room, &p))
			break;
	closedir(dir);
	return n;
}

static bool is_ours(const struct process *list, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].pid == pid)
			return list[i].ours;
	return false;
}

/* Pids wrap, so a child may stand before its parent: look again until nothing changes. */
static void mark_descendants(struct process *list, size_t n, pid_t root)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < n; i++)
			if (!list[i].ours &&
			    (list[i].ppid == root || is_ours(list, n, list[i].ppid)))
				changed = list[i].ours = true;
	}
}

size_t procfs_descendants(pid_t root, struct process **list)
{
	size_t n = everybody(list), kept = 0;

	mark_descendants(*list, n, root);
	for (size_t i = 0; i < n; i++)
		if ((*list)[i].ours)
			(*list)[kept++] = (*list)[i];
	return kept;
}

/* ---- one process ---- */

static bool find_kib(const char *status, const char *name, uint64_t *bytes)
{
	const char *line = strstr(status, name);

	if (!line || sscanf(line + strlen(name), "%" SCNu64, bytes) != 1)
		return false;
	*bytes *= 1024;
	return true;
}

bool procfs_resident(pid_t pid, uint64_t *rss, uint64_t *rss_anon)
{
	char text[4096];

	*rss = *rss_anon = 0;
	return read_file(pid, "status", text, sizeof(text)) > 0 &&
	       find_kib(text, "\nVmRSS:", rss) && find_kib(text, "\nRssAnon:", rss_anon);
}

bool procfs_image(pid_t pid, uint64_t *dev, uint64_t *ino)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &st))
		return false;
	*dev = st.st_dev;
	*ino = st.st_ino;
	return true;
}

static bool has_variable(const char *text, size_t size, const char *prefix)
{
	for (size_t at = 0; at < size; at += strlen(text + at) + 1)
		if (!strncmp(text + at, prefix, strlen(prefix)))
			return true;
	return false;
}

bool procfs_environment_has(pid_t pid, const char *prefix, bool *readable)
{
	char *text = malloc(ENVIRONMENT_MAX);
	ssize_t n = text ? read_file(pid, "environ", text, ENVIRONMENT_MAX) : -1;
	bool found = n > 0 && has_variable(text, (size_t)n, prefix);

	*readable = n >= 0;
	free(text);
	return found;
}
