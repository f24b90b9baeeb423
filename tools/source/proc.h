/* proc.h - the few things of /proc that sources need. A process may go at any time. */
#ifndef MEMCG_SOURCE_PROC_H
#define MEMCG_SOURCE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* When it began, ticks since boot: with the pid it names one process. 0: it is gone. */
uint64_t proc_start(pid_t pid);

/* Control characters replaced; "" when it is gone. */
void proc_comm(pid_t pid, char comm[16]);
void proc_command(pid_t pid, char *buf, size_t size);

/* The value of NAME= in its environment, as it was given at its start. */
bool proc_environment(pid_t pid, const char *name, char *value, size_t size);

/* Whose it is; false: it is gone. */
bool proc_owner(pid_t pid, uid_t *uid);

#endif
