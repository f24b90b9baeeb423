/*
 * maps.c - mmap, munmap, mremap and mprotect of the program: charged as alloc/maps.h
 * says, then made by number, so that nothing here meets itself.
 *
 * Calls that glibc makes inside itself (stacks of its threads, the loader's maps) do not come
 * here and are nobody's.
 *
 * mmap is often called from signal handlers though nothing promises that it may. A handler that
 * interrupts a slow path of its own thread goes past the accounting instead of waiting
 * for a lock it stands on: what it maps there is not charged, what it unmaps stays charged until
 * its addresses are used again.
 */
/* Both names are defined here: neither may be turned into the other. */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc/maps.h"
#include "ctl/publish.h"
#include "preload.h"

/* What enter did, for leave: a record may come, or go, in between. */
enum entered {
	INSIDE = 0,    /* this thread is in a slow path already: past the accounting */
	UNCOUNTED = 1, /* it has no record */
	COUNTED = 2,
};

static enum entered enter(void)
{
	if (unlikely(!task_self())) {
		memcg_active(); /* brings all up; a thread on its way out stays without a record */
		return UNCOUNTED;
	}
	if (memcg__self->busy)
		return INSIDE;
	memcg__self->busy++;
	return COUNTED;
}

/* A thread that maps before it allocates must be known, to be in its group. */
static enum entered enter_new(const void *caller)
{
	if (unlikely(by_caller))
		object_enter(caller);
	if (unlikely(!task_self()))
		memcg_leave(memcg_enter(NULL));
	return enter();
}

static void leave(enum entered how)
{
	if (likely(how == COUNTED && task_self()))
		memcg__self->busy--;
}

/* What the kernel said becomes the set's; returned as the system call returned it. */
static long settle(enum entered how, struct map_change *c, long result)
{
	if (result == -1)
		maps_cancel(c);
	else
		maps_commit(c, (void *)result);
	memcg__publish_watch(); /* the statistics of maps follow their charge */
	leave(how);
	return result;
}

static long refuse(enum entered how)
{
	leave(how);
	errno = ENOMEM;
	return -1;
}

static void *map(void *addr, size_t len, int prot, int flags, int fd, off_t offset,
		 const void *caller)
{
	enum entered how = enter_new(caller);
	struct map_change c;

	if (how == INSIDE)
		return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
	if (maps_charge(&c, addr, len, prot, flags))
		return (void *)refuse(how);
	return (void *)settle(how, &c, syscall(SYS_mmap, addr, len, prot, flags, fd, offset));
}

__public_ void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return map(addr, len, prot, flags, fd, offset, CALLER);
}

__public_ void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	return map(addr, len, prot, flags, fd, offset, CALLER);
}

__public_ int munmap(void *addr, size_t len)
{
	enum entered how = enter();
	struct map_change c;

	if (how == INSIDE)
		return (int)syscall(SYS_munmap, addr, len);
	if (maps_release(&c, addr, len))
		return (int)refuse(how);
	return (int)settle(how, &c, syscall(SYS_munmap, addr, len));
}

__public_ int mprotect(void *addr, size_t len, int prot)
{
	enum entered how = enter();
	struct map_change c;

	if (how == INSIDE)
		return (int)syscall(SYS_mprotect, addr, len, prot);
	if (maps_protect(&c, addr, len, prot))
		return (int)refuse(how);
	return (int)settle(how, &c, syscall(SYS_mprotect, addr, len, prot));
}

__public_ void *mremap(void *old, size_t old_len, size_t new_len, int flags, ...)
{
	enum entered how = enter();
	struct map_change c;
	void *target = NULL;
	va_list args;

	va_start(args, flags);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		target = va_arg(args, void *);
	va_end(args);
	if (how == INSIDE)
		return (void *)syscall(SYS_mremap, old, old_len, new_len, flags, target);
	if (maps_move(&c, old, old_len, new_len, flags, target))
		return (void *)refuse(how);
	return (void *)settle(how, &c, syscall(SYS_mremap, old, old_len, new_len, flags, target));
}
