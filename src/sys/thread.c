/* thread.c - through libc: what runs in it is the program's code, which needs a thread of libc's.
 */
#include "sys/thread.h"

#include "sys/fault.h"

#include <errno.h>
#include <signal.h>

int sys_thread_start(pthread_t *thread, const char *name, void *(*body)(void *), void *arg)
{
	sigset_t all, before;
	int err;

	if (sys_fault(SYS_FAULT_THREAD))
		return -EAGAIN;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
	err = pthread_create(thread, NULL, body, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return -EAGAIN;
	pthread_setname_np(*thread, name);
	return 0;
}

void sys_thread_join(pthread_t thread)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_join(thread, NULL);
	pthread_setcancelstate(before, NULL);
}
