/*
 * map.c - address space from the system.
 *
 * The calls are made by number: the functions of that name in libc may be
 * taken over, by our own preload library among others, and would lead back here.
 */
#include "sys/map.h"

#include "base/bits.h"
#include "sys/fault.h"
#include "sys/file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* By number: headers older than Linux 6.13 do not have them. */
#define ADVICE_GUARD_INSTALL 102
#define ADVICE_GUARD_REMOVE  103

#define MAPS_MAX_DEFAULT 65530u

static void *map_anonymous(size_t len, int prot, int flags)
{
	int saved = errno;
	long p = syscall(SYS_mmap, NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0L);

	if (p == -1)
		return NULL;
	errno = saved;
	return (void *)p;
}

/* A refusal leaves addresses reserved that nobody uses: harmless for what was never opened. */
static void trim(char *from, const char *to)
{
	int saved = errno;

	if (from < to)
		syscall(SYS_munmap, from, (size_t)(to - from));
	errno = saved;
}

/* A dump of the process takes what is open and skips the rest: gdb would write out every reserved
 * byte. */
static void dump(void *p, size_t len, bool on)
{
	int saved = errno;

	syscall(SYS_madvise, p, len, on ? MADV_DODUMP : MADV_DONTDUMP);
	errno = saved;
}

void *sys_reserve(size_t len, size_t align)
{
	size_t slack = align > PAGE_SIZE ? align - PAGE_SIZE : 0;
	char *p, *start;
	size_t total;

	if (__builtin_add_overflow(len, slack, &total) || sys_fault(SYS_FAULT_RESERVE)) {
		errno = ENOMEM;
		return NULL;
	}
	p = map_anonymous(total, PROT_NONE, MAP_NORESERVE);
	if (p)
		dump(p, total, false);
	if (!p || !slack)
		return p;
	start = (char *)ALIGN_UP((uintptr_t)p, align);
	trim(p, start);
	trim((char *)ALIGN_UP((uintptr_t)start + len, PAGE_SIZE), p + total);
	return start;
}

static int protect(void *p, size_t len, int prot)
{
	int saved = errno, err;

	if (sys_fault(SYS_FAULT_OPEN_RANGE))
		return -ENOMEM;
	if (!syscall(SYS_mprotect, p, len, prot))
		return 0;
	err = -errno;
	errno = saved;
	return err;
}

int sys_open_range(void *p, size_t len)
{
	int err = protect(p, len, PROT_READ | PROT_WRITE);

	if (!err)
		dump(p, len, true);
	return err;
}

int sys_open_readable(void *p, size_t len)
{
	return protect(p, len, PROT_READ);
}

int sys_guard_protect(void *p, size_t len, bool on)
{
	return protect(p, len, on ? PROT_NONE : PROT_READ | PROT_WRITE);
}

static int advise(void *p, size_t len, int advice)
{
	int saved = errno, err;

	if (!syscall(SYS_madvise, p, len, advice))
		return 0;
	err = -errno;
	errno = saved;
	return err;
}

int sys_guard_mark(void *p, size_t len, bool on)
{
	if (sys_fault(SYS_FAULT_GUARD))
		return -EINVAL;
	return advise(p, len, on ? ADVICE_GUARD_INSTALL : ADVICE_GUARD_REMOVE);
}

bool sys_peek(const void *from, void *to, size_t n)
{
	struct iovec local = {.iov_base = to, .iov_len = n};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)from, .iov_len = n};
	int saved = errno;
	ssize_t got;

	if (sys_fault(SYS_FAULT_PEEK))
		return false;
	got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	if (got < 0 && errno != EFAULT) {
		memcpy(to, from, n);
		got = (ssize_t)n;
	}
	errno = saved;
	return got == (ssize_t)n;
}

u32 sys_maps_max(void)
{
	char text[16];
	u32 n = 0;

	if (sys_read_text("/proc/sys/vm/max_map_count", text, sizeof(text)) < 0)
		return MAPS_MAX_DEFAULT;
	for (const char *c = text; *c >= '0' && *c <= '9'; c++)
		n = n < UINT32_MAX / 10 - 1 ? n * 10 + (u32)(*c - '0') : n;
	return n;
}

int sys_purge(void *p, size_t len)
{
	if (sys_fault(SYS_FAULT_PURGE))
		return -EINVAL;
	return advise(p, len, MADV_DONTNEED);
}

void *sys_map(size_t len)
{
	if (sys_fault(SYS_FAULT_MAP)) {
		errno = ENOMEM;
		return NULL;
	}
	return map_anonymous(len, PROT_READ | PROT_WRITE, 0);
}

void sys_unmap(void *p, size_t len)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_UNMAP))
		return;
	/*
	 * Splitting a mapping may exceed the process's number of mappings; then at
	 * least the memory goes back.
	 */
	if (syscall(SYS_munmap, p, len))
		(void)advise(p, len, MADV_DONTNEED);
	errno = saved;
}
