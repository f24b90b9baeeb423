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

#define ENVIRONMENT_MAX (256 * 1024)

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

/* "pid (name) S ppid ...": the name may hold blanks and parentheses. A zombie has gone. */
uint64_t proc_start(pid_t pid)
{
	char text[1024], state, *end;
	uint64_t start;

	if (read_file(pid, "stat", text, sizeof(text)) <= 0)
		return 0;
	end = strrchr(text, ')');
	if (!end || sscanf(end + 1,
			   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			   "%*d %*d %" SCNu64,
			   &state, &start) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : start;
}

void proc_comm(pid_t pid, char comm[16])
{
	if (read_file(pid, "comm", comm, 16) < 0)
		comm[0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	source_clean(comm);
}

void proc_command(pid_t pid, char *buf, size_t size)
{
	ssize_t n = read_file(pid, "cmdline", buf, size);

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
	char *text = malloc(ENVIRONMENT_MAX);
	ssize_t n = text ? read_file(pid, "environ", text, ENVIRONMENT_MAX) : -1;
	const char *found = n > 0 ? variable(text, (size_t)n, name) : NULL;
	bool fits = found && strlen(found) < size;

	if (fits)
		strcpy(value, found);
	free(text);
	return fits;
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
