/*
 * start.c - the preload's constructor and destructor. It runs after the library's and before the
 * program's; the heap has been in use since the loader's first malloc.
 *
 * The destructor is the process's last word: after the program's exit handlers and destructors.
 * A process that leaves by _exit, exec or a signal does not come here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <memcg/report.h>

#include "ctl/publish.h"
#include "groups.h"

#define EXIT_CANNOT 125

static struct settings settings;

/* 2 for "1". Else a descriptor to be closed, or -1 with errno. */
static int report_open(void)
{
	if (!strcmp(settings.report, "1"))
		return 2;
	return open(settings.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
}

static void report_close(int fd)
{
	if (fd > 2)
		close(fd);
}

/* A file that cannot be written is to be known before the work, not after it. */
static void report_check(void)
{
	int fd = report_open();

	if (fd < 0)
		say("MEMCG_REPORT: cannot write %s: %s; no report will be made", settings.report,
		    strerror(errno));
	if (fd < 0)
		settings.report[0] = '\0';
	else
		report_close(fd);
}

static void report_write_at_exit(void)
{
	int fd = report_open();
	int err = fd < 0 ? -errno : memcg_report(fd, 0);

	if (err < 0)
		say("MEMCG_REPORT: cannot write %s: %s", settings.report, strerror(-err));
	if (fd >= 0)
		report_close(fd);
}

/* With a slot `memcg run` says the line. The limit is quoted as it was given: ours is rounded. */
static void leave_when_too_small(bool attached)
{
	u64 usage = memcg__publish_too_small();
	u64 max = MEMCG_UNLIMITED;

	if (!usage)
		return;
	memcg_get_limit(memcg_root(), MEMCG_MAX, &max);
	if (!settings.max[0])
		snprintf(settings.max, sizeof(settings.max), "%lu", max);
	if (!attached)
		say("MEMCG_MAX: %s is below what the program needs to start (%lu so far); raise it",
		    settings.max, usage);
	_exit(EXIT_CANNOT);
}

__attribute__((constructor)) static void preload_start(void)
{
	int saved = errno;
	bool attached;

	memcg_active(); /* up, whether or not anybody has allocated */
	settings_read(&settings);
	copies_check();
	exec_start();
	threads_start();
	objects_start();
	attached = settings.slot[0] && memcg__publish_start(settings.slot);
	leave_when_too_small(attached);
	if (settings.report[0] && !attached)
		report_check();
	groups_start(&settings);
	if (settings.control)
		control_start();
	if (settings.no_children)
		settings_hide();
	errno = saved;
}

__attribute__((destructor)) static void preload_end(void)
{
	int saved = errno;

	memcg_serve_stop(); /* nobody changes anything during the recount */
	memcg__publish_exit();
	if (settings.report[0] && !settings.slot[0])
		report_write_at_exit();
	errno = saved;
}
