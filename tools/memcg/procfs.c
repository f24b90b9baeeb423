/* procfs.c - see procfs.h. */
#include "procfs.h"

#include "source/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool procfs_read(pid_t pid, struct process *p)
{
	struct proc_stat s;

	if (!proc_stat(pid, &s))
		return false;
	*p = (struct process){.pid = pid, .ppid = s.ppid, .start = s.start, .state = s.state};
	memcpy(p->comm, s.comm, sizeof(p->comm));
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
	return proc_file(pid, "status", text, sizeof(text)) > 0 &&
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
