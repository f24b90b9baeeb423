/*
 * main.c - memcg-mount(1): groups of a running process as a file system.
 *
 *   options -> device -> source (../source/source.h) -> tree -> fs -> glue, which FUSE calls
 *
 * tree makes errno of answers, fs has directories and open files, loop waits.
 */
#include "device.h"
#include "glue.h"
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define STATUS_OURS 125

static bool to_syslog; /* in the background nobody reads standard error */

static void say(const char *text)
{
	if (to_syslog)
		syslog(LOG_NOTICE, "%s", text);
	else
		fprintf(stderr, "memcg mount: %s\n", text);
}

static void go_to_background(void)
{
	openlog("memcg-mount", LOG_PID, LOG_USER);
	to_syslog = true;
}

static int work(struct fs *fs, struct fuse_session *se, const struct options *o)
{
	int err;

	if (!o->foreground)
		go_to_background();
	err = fuse_daemonize(o->foreground) ? -errno : glue_loop(fs, se);
	if (err == -ENOTCONN && o->foreground)
		say("the process has ended");
	else if (err && err != -ENOTCONN)
		say(strerror(-err));
	fuse_session_unmount(se);
	return err && err != -ENOTCONN ? STATUS_OURS : 0;
}

static int mount_it(struct fs *fs, const struct options *o)
{
	struct fuse_session *se = glue_session(fs, o->fuse, o->debug);
	int status = STATUS_OURS;

	if (!se)
		return 2;
	if (fuse_session_mount(se, o->dir))
		say(device_refused(!geteuid()));
	else if (!fuse_set_signal_handlers(se)) {
		status = work(fs, se, o);
		fuse_remove_signal_handlers(se);
	}
	fuse_session_destroy(se);
	return status;
}

int main(int argc, char **argv)
{
	struct options o;
	struct source *s;
	struct fs fs;
	char why[1024], dir[PATH_MAX];
	int status = options_parse(argc, argv, &o), err;

	if (status >= 0)
		return status;
	if (!device_check(DEVICE, "/usr/local/bin:/usr/bin:/bin", !geteuid(), why, sizeof(why)) ||
	    !device_check_dir(o.dir, dir, why, sizeof(why)) ||
	    !(s = source_open(o.target, why, sizeof(why)))) {
		say(why);
		return STATUS_OURS;
	}
	o.dir = dir;
	err = fs_init(&fs, s, say);
	if (err) {
		say(strerror(-err));
		return STATUS_OURS;
	}
	status = mount_it(&fs, &o);
	fs_exit(&fs);
	return status;
}
