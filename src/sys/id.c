/* id.c - see id.h. Asked by number: the C library may keep a stale answer after a raw fork. */
#include "sys/id.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

u32 sys_process_id(void)
{
	return (u32)syscall(SYS_getpid);
}

u32 sys_thread_id(void)
{
	return (u32)syscall(SYS_gettid);
}

bool sys_thread_is(u32 id)
{
	int saved = errno;
	bool is = !syscall(SYS_tgkill, (long)sys_process_id(), (long)id, 0L);

	errno = saved;
	return is;
}
