/* procfs.h - the few things of /proc that `memcg run` looks at. A process may go at any time. */
#ifndef MEMCG_TOOL_PROCFS_H
#define MEMCG_TOOL_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
	pid_t pid, ppid;
	uint64_t start; /* ticks since boot: with the pid it names one process */
	char state;	/* 'Z': ended, waits for its parent */
	bool ours;	/* a descendant of who asked */
	char comm[16];
};

bool procfs_read(pid_t pid, struct process *process);

/* Descendants of `root`, without it: their number, *list to be freed; 0 also on failure. */
size_t procfs_descendants(pid_t root, struct process **list);

/* Resident memory in bytes: all of it, and the anonymous part. False: gone, or no such lines. */
bool procfs_resident(pid_t pid, uint64_t *rss, uint64_t *rss_anon);

/* Device and inode of the program it runs. */
bool procfs_image(pid_t pid, uint64_t *dev, uint64_t *ino);
#endif
