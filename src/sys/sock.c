/* sock.c - by number, as in file.c. */
#include "sys/sock.h"

#include "base/bits.h"
#include "sys/fault.h"
#include "sys/result.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t sys_recv(int fd, void *to, size_t n, int flags)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_RECV))
		return -ECONNRESET;
	return sys_result(syscall(SYS_recvfrom, fd, to, n, flags, NULL, NULL), saved);
}

ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_RECV))
		return -ECONNRESET;
	return sys_result(syscall(SYS_recvmsg, fd, msg, flags), saved);
}

ssize_t sys_readv(int fd, const struct iovec *iov, unsigned n)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_RECV))
		return -EIO;
	return sys_result(syscall(SYS_readv, fd, iov, n), saved);
}

ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_SEND))
		return -ECONNRESET;
	if (flags & MSG_ZEROCOPY && sys_fault(SYS_FAULT_ZEROCOPY))
		return -ENOBUFS;
	return sys_result(syscall(SYS_sendmsg, fd, msg, flags), saved);
}

ssize_t sys_writev(int fd, const struct iovec *iov, unsigned n)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_SEND))
		return -EIO;
	return sys_result(syscall(SYS_writev, fd, iov, n), saved);
}

ssize_t sys_sendfile(int fd, int from, u64 offset, size_t n)
{
	loff_t at = (loff_t)offset;
	int saved = errno;

	if (sys_fault(SYS_FAULT_SEND))
		return -ECONNRESET;
	return sys_result(syscall(SYS_sendfile, fd, from, &at, n), saved);
}

long sys_readable(int fd)
{
	int saved = errno, n = 0;
	long err = sys_result(syscall(SYS_ioctl, fd, FIONREAD, &n), saved);

	return err ? err : n;
}

/* By number like the rest; the option's size is the system's. */
static int option_get(int fd, int option, int *value)
{
	int saved = errno;
	socklen_t size = sizeof(*value);

	return (int)sys_result(syscall(SYS_getsockopt, fd, SOL_SOCKET, option, value, &size),
			       saved);
}

static int option_set(int fd, int option, int value)
{
	int saved = errno;

	return (int)sys_result(
		syscall(SYS_setsockopt, fd, SOL_SOCKET, option, &value, sizeof(value)), saved);
}

bool sys_keeps_messages(int fd)
{
	int type;

	return !option_get(fd, SO_TYPE, &type) && type != SOCK_STREAM;
}

int sys_is_stream(int fd)
{
	int type, err = option_get(fd, SO_TYPE, &type);

	return err || type == SOCK_STREAM ? err : -EPROTOTYPE;
}

int sys_peek_offset(int fd)
{
	int offset, err = option_get(fd, SO_PEEK_OFF, &offset);

	return err ? err : offset;
}

void sys_peek_offset_set(int fd, int offset)
{
	option_set(fd, SO_PEEK_OFF, offset);
}

/* --- sent uncopied --------------------------------------------------------------------- */

int sys_cookie(int fd, u64 *cookie)
{
	int saved = errno;
	socklen_t size = sizeof(*cookie);

	return (int)sys_result(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, cookie, &size),
			       saved);
}

int sys_zerocopy_begin(int fd)
{
	int domain = 0, protocol = 0, on = 0;

	if (option_get(fd, SO_DOMAIN, &domain) || option_get(fd, SO_PROTOCOL, &protocol) ||
	    (domain != AF_INET && domain != AF_INET6) || protocol != IPPROTO_TCP)
		return -EOPNOTSUPP;
	if (option_get(fd, SO_ZEROCOPY, &on))
		return -EOPNOTSUPP;
	if (sys_fault(SYS_FAULT_SOCKOPT))
		return -ENOMEM;
	return on ? -EBUSY : option_set(fd, SO_ZEROCOPY, 1);
}

static bool is_error(const struct cmsghdr *c)
{
	return (c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
	       (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR);
}

int sys_zerocopy_done(int fd, u32 *first, u32 *last)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	struct msghdr m = {.msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = sys_recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
	struct sock_extended_err err;

	if (got < 0)
		return (int)got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (!is_error(c) || c->cmsg_len < CMSG_LEN(sizeof(err)))
			continue;
		memcpy(&err, CMSG_DATA(c), sizeof(err));
		if (err.ee_errno || err.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
			continue;
		*first = err.ee_info;
		*last = err.ee_data;
		return 0;
	}
	return -ENOMSG;
}

/* --- received uncopied ------------------------------------------------------------------ */

/* Its mapping keeps the socket, so it is one that nobody else has. */
void *sys_zerocopy_window(size_t len)
{
	int saved = errno, fd;
	long at;

	if (sys_fault(SYS_FAULT_MAP)) {
		errno = ENOMEM;
		return NULL;
	}
	fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	at = syscall(SYS_mmap, NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (at != -1)
		errno = saved;
	saved = errno;
	(void)syscall(SYS_close, fd);
	errno = saved;
	return at == -1 ? NULL : (void *)at;
}

/* What the system has known from the first on (Linux 4.18, struct tcp_zerocopy_receive). */
struct borrow {
	u64 at;
	u32 length, skip;
};
#ifndef TCP_ZEROCOPY_RECEIVE
#define TCP_ZEROCOPY_RECEIVE 35
#endif

size_t sys_zerocopy_receive(int fd, void *at, size_t n, size_t *skip)
{
	struct borrow b = {.at = (uintptr_t)at, .length = (u32)MIN(n, (size_t)1 << 30)};
	socklen_t size = sizeof(b);
	int saved = errno;

	*skip = 0;
	if (sys_fault(SYS_FAULT_RECV) ||
	    sys_result(syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &b, &size),
		       saved))
		return 0;
	*skip = b.skip;
	return b.length;
}

/* --- windows ------------------------------------------------------------------------- */

#ifndef SO_BUF_LOCK /* Linux 5.14 */
#define SO_BUF_LOCK 72
#endif

int sys_window_get(int fd, struct sys_window *w)
{
	if (option_get(fd, SO_BUF_LOCK, &w->locks))
		w->locks = -1;
	return option_get(fd, SO_RCVBUF, &w->size);
}

int sys_window_set(int fd, int bytes)
{
	if (sys_fault(SYS_FAULT_SOCKOPT))
		return -ENOMEM;
	return option_set(fd, SO_RCVBUF, bytes);
}

void sys_window_restore(int fd, const struct sys_window *w)
{
	struct sys_window now;

	sys_window_set(fd, w->size / 2);
	if (!sys_window_get(fd, &now) && now.size < w->size)
		option_set(fd, SO_RCVBUFFORCE, w->size / 2);
	if (w->locks >= 0)
		option_set(fd, SO_BUF_LOCK, w->locks);
}
