/* proc.c - see proc.h. */
#include "proc.h"

#include "inside.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVIRONMENT_MAX (256 * 1024) /* the variables we look for are set early or not at all */

ssize_t proc_file(pid_t pid, const char *name, char *buf, size_t size)
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
bool proc_stat(pid_t pid, struct proc_stat *s)
{
	char text[1024], *name, *end;
	int ppid;

	if (proc_file(pid, "stat", text, sizeof(text)) <= 0)
		return false;
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || end < name)
		return false;
	*end = '\0';
	snprintf(s->comm, sizeof(s->comm), "%.15s", name + 1);
	if (sscanf(end + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%" SCNu64,
		   &s->state, &ppid, &s->start) != 3)
		return false;
	s->ppid = ppid;
	return true;
}

/* A zombie has gone. */
uint64_t proc_start(pid_t pid)
{
	struct proc_stat s;

	return !proc_stat(pid, &s) || s.state == 'Z' || s.state == 'X' ? 0 : s.start;
}

void proc_comm(pid_t pid, char comm[16])
{
	if (proc_file(pid, "comm", comm, 16) < 0)
		comm[0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	source_clean(comm);
}

void proc_command(pid_t pid, char *buf, size_t size)
{
	ssize_t n = proc_file(pid, "cmdline", buf, size);

	if (n < 0)
		n = 0;
	while (n && !buf[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!buf[i])
			buf[i] = ' ';
	buf[n] = '\0';
	source_clean(buf);
}

/* Its environment, to be freed; NULL: no memory, or it cannot be read. */
static char *environment(pid_t pid, size_t *n)
{
	char *text = malloc(ENVIRONMENT_MAX);
	ssize_t got = text ? proc_file(pid, "environ", text, ENVIRONMENT_MAX) : -1;

	*n = got > 0 ? (size_t)got : 0;
	if (got >= 0)
		return text;
	free(text);
	return NULL;
}

/* The value, in text; NULL: there is no such variable. */
static const char *variable(const char *text, size_t size, const char *name)
{
	size_t length = strlen(name);

	for (size_t at = 0; at < size; at += strlen(text + at) + 1)
		if (!strncmp(text + at, name, length) && text[at + length] == '=')
			return text + at + length + 1;
	return NULL;
}

bool proc_environment(pid_t pid, const char *name, char *value, size_t size)
{
	size_t n;
	char *text = environment(pid, &n);
	const char *found = text ? variable(text, n, name) : NULL;
	bool fits = found && strlen(found) < size;

	if (fits)
		strcpy(value, found);
	free(text);
	return fits;
}

bool proc_environment_has(pid_t pid, const char *name, bool *readable)
{
	size_t n;
	char *text = environment(pid, &n);
	bool found = text && variable(text, n, name);

	*readable = text;
	free(text);
	return found;
}

bool proc_owner(pid_t pid, uid_t *uid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st))
		return false;
	*uid = st.st_uid;
	return true;
}
