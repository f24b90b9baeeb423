/* log.c - see log.h. */
#include "sys/log.h"

#include "base/assert.h"
#include "base/types.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PREFIX	 "libmemcg: "
#define ELLIPSIS "..."

log_bug_hook_t log_bug_hook;

/* Formats prefix, text and newline; the length without the final NUL. */
static size_t format_line(char *buf, const char *fmt, va_list ap)
{
	const size_t room = LOG_LINE_MAX - 1; /* for the text, its NUL included; 1 for newline */
	size_t len = sizeof(PREFIX) - 1;
	int n;

	memcpy(buf, PREFIX, len);
	n = vsnprintf(buf + len, room - len, fmt, ap);
	if (n < 0)
		n = 0;
	len += (size_t)n;
	if (len > room - 1) {
		len = room - 1;
		memcpy(buf + len - strlen(ELLIPSIS), ELLIPSIS, strlen(ELLIPSIS));
	}
	buf[len++] = '\n';
	buf[len] = '\0';
	return len;
}

/* Nothing can be done about a line that cannot be written; not subject to sys/fault.h. */
static void write_line(const char *buf, size_t len)
{
	while (syscall(SYS_write, STDERR_FILENO, buf, len) == -1 && errno == EINTR)
		;
}

void log_line(const char *fmt, ...)
{
	char buf[LOG_LINE_MAX];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	write_line(buf, format_line(buf, fmt, ap));
	va_end(ap);
	errno = saved;
}

void memcg_bug(const char *fmt, ...)
{
	char buf[LOG_LINE_MAX];
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	len = format_line(buf, fmt, ap);
	va_end(ap);
	if (log_bug_hook)
		log_bug_hook(buf);
	write_line(buf, len);
	abort(); /* ends the process also where SIGABRT is blocked or caught */
}
