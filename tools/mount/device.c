/* device.c - see device.h. */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *advice(int err)
{
	switch (err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "the kernel's FUSE is not there: modprobe fuse; a container must be given "
		       "the device (--device /dev/fuse)";
	case EACCES:
	case EPERM:
		return "this user may not open it: its mode is 0666 where FUSE is for everybody "
		       "(chmod 666 /dev/fuse, as root); a container must be given the device "
		       "(--device /dev/fuse)";
	default:
		return "FUSE does not work here";
	}
}

static bool find_helper(const char *dirs)
{
	char path[PATH_MAX];

	for (size_t n; *dirs; dirs += n, dirs += *dirs == ':') {
		n = strcspn(dirs, ":");
		snprintf(path, sizeof(path), "%.*s/fusermount3", (int)n, dirs);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

bool device_check(const char *device, const char *helpers, bool root, char *why, size_t size)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		snprintf(why, size, "%s: %s: %s", device, strerror(errno), advice(errno));
		return false;
	}
	close(fd);
	if (root || find_helper(helpers))
		return true;
	snprintf(why, size,
		 "there is no fusermount3, which mounts for users that are not root: install it "
		 "(Debian: apt install fuse3)");
	return false;
}

bool device_check_dir(const char *dir, char *whole, char *why, size_t size)
{
	struct stat st;
	int err = stat(dir, &st) || !realpath(dir, whole) ? errno
		  : S_ISDIR(st.st_mode)			  ? 0
							  : ENOTDIR;

	if (err == ENOTCONN)
		snprintf(why, size,
			 "%s: something is mounted there that has ended: fusermount3 -u %s", dir,
			 dir);
	else if (err)
		snprintf(why, size, "%s: %s: it must be a directory", dir, strerror(err));
	return !err;
}

const char *device_refused(bool root)
{
	return root ? "mounting needs CAP_SYS_ADMIN: in a container add it, or mount outside"
		    : "fusermount3 refused it: the directory must be yours to write to, and "
		      "fusermount3 setuid root";
}
