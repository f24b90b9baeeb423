/*
 * cxx.c - operator new and delete, by their names on 64-bit Linux (Itanium ABI, size_t is
 * unsigned long).
 *
 * Success is malloc's fast path. A refusal is handed to the next operator new, that of the C++
 * library: it asks our malloc again, calls the program's new handler, and throws,
 * none of which C can do. The exception passes through our frame, which has unwind tables and
 * nothing to clean up. A C++ library that came by dlopen may not be in the global scope; then it is
 * found among the dependencies of whoever called.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "preload.h"

struct nothrow;

typedef void *(*new_plain)(size_t);
typedef void *(*new_aligned)(size_t, size_t);

static void *next_operator(const char *name, void *caller)
{
	void *found = dlsym(RTLD_NEXT, name), *library;
	Dl_info info;

	if (found || !dladdr(caller, &info))
		return found;
	library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (!library)
		return NULL;
	found = dlsym(library, name);
	dlclose(library);
	return found;
}

static __cold_ __attribute__((noreturn)) void no_operator(size_t size)
{
	say("operator new: no memory for %zu bytes, and no C++ library found to throw bad_alloc",
	    size);
	abort();
}

static __cold_ void *refused(size_t size, const char *name, void *caller)
{
	new_plain next = (new_plain)next_operator(name, caller);

	if (!next)
		no_operator(size);
	return next(size);
}

static __cold_ void *refused_aligned(size_t size, size_t align, const char *name, void *caller)
{
	new_aligned next = (new_aligned)next_operator(name, caller);

	if (!next)
		no_operator(size);
	return next(size, align);
}

/* A nothrow form without a C++ library has no handler to call. */
static __cold_ void *refused_quietly(size_t size, const struct nothrow *n, const char *name,
				     void *caller)
{
	void *(*next)(size_t, const struct nothrow *) =
		(void *(*)(size_t, const struct nothrow *))next_operator(name, caller);

	return next ? next(size, n) : NULL;
}

static __cold_ void *refused_aligned_quietly(size_t size, size_t align, const struct nothrow *n,
					     const char *name, void *caller)
{
	void *(*next)(size_t, size_t, const struct nothrow *) =
		(void *(*)(size_t, size_t, const struct nothrow *))next_operator(name, caller);

	return next ? next(size, align, n) : NULL;
}

static void *aligned_called(size_t align, size_t size, const void *caller)
{
	if (unlikely(by_caller))
		object_enter(caller);
	return memcg_aligned_alloc(align, size);
}

#define NEW(name)                                                    \
	__public_ void *name(size_t size);                           \
	__public_ void *name(size_t size)                            \
	{                                                            \
		void *p = alloc_called(size, CALLER);                \
                                                                     \
		return likely(p) ? p : refused(size, #name, CALLER); \
	}

#define NEW_NOTHROW(name)                                                       \
	__public_ void *name(size_t size, const struct nothrow *n);             \
	__public_ void *name(size_t size, const struct nothrow *n)              \
	{                                                                       \
		void *p = alloc_called(size, CALLER);                           \
                                                                                \
		return likely(p) ? p : refused_quietly(size, n, #name, CALLER); \
	}

#define NEW_ALIGNED(name)                                                           \
	__public_ void *name(size_t size, size_t align);                            \
	__public_ void *name(size_t size, size_t align)                             \
	{                                                                           \
		void *p = aligned_called(align, size, CALLER);                      \
                                                                                    \
		return likely(p) ? p : refused_aligned(size, align, #name, CALLER); \
	}

#define NEW_ALIGNED_NOTHROW(name)                                                              \
	__public_ void *name(size_t size, size_t align, const struct nothrow *n);              \
	__public_ void *name(size_t size, size_t align, const struct nothrow *n)               \
	{                                                                                      \
		void *p = aligned_called(align, size, CALLER);                                 \
                                                                                               \
		return likely(p) ? p : refused_aligned_quietly(size, align, n, #name, CALLER); \
	}

NEW(_Znwm)
NEW(_Znam)
NEW_NOTHROW(_ZnwmRKSt9nothrow_t)
NEW_NOTHROW(_ZnamRKSt9nothrow_t)
NEW_ALIGNED(_ZnwmSt11align_val_t)
NEW_ALIGNED(_ZnamSt11align_val_t)
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t)

/* Size and alignment of the sized and aligned forms are not needed: the page knows. */
#define DELETE(name, ...)                            \
	__public_ void name(void *p, ##__VA_ARGS__); \
	__public_ void name(void *p, ##__VA_ARGS__)  \
	{                                            \
		if (likely(region_has(p)))           \
			free_fast(p);                \
		else if (p)                          \
			foreign_free(p);             \
	}

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvm, __unused_ size_t size)
DELETE(_ZdaPvm, __unused_ size_t size)
DELETE(_ZdlPvRKSt9nothrow_t, __unused_ const struct nothrow *n)
DELETE(_ZdaPvRKSt9nothrow_t, __unused_ const struct nothrow *n)
DELETE(_ZdlPvSt11align_val_t, __unused_ size_t align)
DELETE(_ZdaPvSt11align_val_t, __unused_ size_t align)
DELETE(_ZdlPvmSt11align_val_t, __unused_ size_t size, __unused_ size_t align)
DELETE(_ZdaPvmSt11align_val_t, __unused_ size_t size, __unused_ size_t align)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, __unused_ size_t align,
       __unused_ const struct nothrow *n)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, __unused_ size_t align,
       __unused_ const struct nothrow *n)
