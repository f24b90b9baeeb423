/* directory.c - by number, as in file.c. */
#include "sys/directory.h"

#include "sys/fault.h"
#include "sys/file.h"
#include "sys/io.h"
#include "sys/result.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH 512

int sys_dir_make(const char *path, unsigned mode)
{
	int saved = errno, err;

	if (sys_fault(SYS_FAULT_MKDIR))
		return -ENOSPC;
	err = (int)sys_result(syscall(SYS_mkdirat, AT_FDCWD, path, mode), saved);
	return err == -EEXIST ? 0 : err;
}

/* Looked at through the descriptor: what the path leads to may be another one by now. */
static int is_own(int dir)
{
	struct sys_file_info info;
	int err = sys_file_info(dir, &info);

	if (err)
		return err;
	return info.owner == sys_user_id() && !(info.mode & 022) ? 0 : -EPERM;
}

int sys_dir_open(const char *path, bool own)
{
	int dir = sys_open(path, O_PATH | O_DIRECTORY | (own ? O_NOFOLLOW : 0), 0), err;

	if (dir < 0 || !own)
		return dir;
	err = is_own(dir);
	if (!err)
		return dir;
	sys_close(dir);
	return err;
}

int sys_dir_look(int dir, const char *name, struct sys_dir_entry *out)
{
	int saved = errno, err;
	struct stat st;

	err = (int)sys_result(syscall(SYS_newfstatat, dir, name, &st, AT_SYMLINK_NOFOLLOW), saved);
	if (err)
		return err;
	*out = (struct sys_dir_entry){.device = st.st_dev,
				      .inode = st.st_ino,
				      .owner = st.st_uid,
				      .socket = S_ISSOCK(st.st_mode)};
	return 0;
}

int sys_dir_remove(int dir, const char *name)
{
	int saved = errno;

	return (int)sys_result(syscall(SYS_unlinkat, dir, name, 0), saved);
}

int sys_fd_high(int fd)
{
	int saved = errno;
	int high = (int)sys_result(syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HIGH), saved);

	if (high < 0)
		return fd;
	sys_close(fd);
	return high;
}
