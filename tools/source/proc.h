/*
 * proc.h - the few things of /proc that sources need, and who looks there for more
 * (memcg/procfs.h). A process may go at any time.
 */
#ifndef MEMCG_SOURCE_PROC_H
#define MEMCG_SOURCE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/name, NUL-terminated, at most size - 1 bytes of it; -1: not readable. */
ssize_t proc_file(pid_t pid, const char *name, char *buf, size_t size);

struct proc_stat {
	pid_t ppid;
	uint64_t start; /* ticks since boot: with the pid it names one process */
	char state;	/* 'Z': ended, waits for its parent */
	char comm[16];	/* any bytes */
};

/* False: it is gone. */
bool proc_stat(pid_t pid, struct proc_stat *stat);

/* When it began, ticks since boot: with the pid it names one process. 0: it is gone. */
uint64_t proc_start(pid_t pid);

/* Control characters replaced; "" when it is gone. */
void proc_comm(pid_t pid, char comm[16]);
void proc_command(pid_t pid, char *buf, size_t size);

/* The value of NAME= in its environment, as it was given at its start. */
bool proc_environment(pid_t pid, const char *name, char *value, size_t size);

/* Whether there is one; false also when the environment cannot be read. */
bool proc_environment_has(pid_t pid, const char *name, bool *readable);

/* Whose it is; false: it is gone. */
bool proc_owner(pid_t pid, uid_t *uid);

#endif
