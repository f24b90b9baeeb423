/*
 * atomic.h - the atomics we use, on plain integers, each naming its order.
 * Prefer acquire/release on the object that is published: ThreadSanitizer sees
 * those. Fences live only in this directory.
 */
#ifndef MEMCG_SYNC_ATOMIC_H
#define MEMCG_SYNC_ATOMIC_H

#include "base/compiler.h"
#include "base/types.h"
#include "sync/traffic.h"

#define atomic_load(p)	       __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
/* For "write mine, then look at theirs" on both sides: not before an RMW of this thread's. */
#define atomic_load_seq(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
/*
 * Writes: WRITE_ counts them in builds that were configured for it (traffic.h), and is nothing
 * else. p is evaluated once.
 */
#ifdef MEMCG_COUNT_TRAFFIC
#define WRITE_(p, operation, ...)                   \
	__extension__({                             \
		__typeof__(p) written_ = (p);       \
		traffic_note(written_);             \
		operation(written_, ##__VA_ARGS__); \
	})
#else
#define WRITE_(p, operation, ...) operation((p), ##__VA_ARGS__)
#endif

#define atomic_store(p, v)	   WRITE_(p, __atomic_store_n, (v), __ATOMIC_RELAXED)
#define atomic_store_release(p, v) WRITE_(p, __atomic_store_n, (v), __ATOMIC_RELEASE)
/* Read-modify-write: full order unless the name says relaxed. */
#define atomic_xchg(p, v)	 WRITE_(p, __atomic_exchange_n, (v), __ATOMIC_SEQ_CST)
#define atomic_add(p, v)	 WRITE_(p, __atomic_add_fetch, (v), __ATOMIC_SEQ_CST) /* new value */
#define atomic_sub(p, v)	 WRITE_(p, __atomic_sub_fetch, (v), __ATOMIC_SEQ_CST) /* new value */
#define atomic_add_relaxed(p, v) ((void)WRITE_(p, __atomic_fetch_add, (v), __ATOMIC_RELAXED))
#define atomic_or(p, v)		 WRITE_(p, __atomic_fetch_or, (v), __ATOMIC_SEQ_CST) /* old value */
#define atomic_and(p, v)	 WRITE_(p, __atomic_fetch_and, (v), __ATOMIC_SEQ_CST) /* old value */
/* On failure *old is what was found. */
#define atomic_cas(p, old, new)                                                       \
	WRITE_(p, __atomic_compare_exchange_n, (old), (new), false, __ATOMIC_ACQ_REL, \
	       __ATOMIC_ACQUIRE)

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	barrier();
#endif
}

#if defined(__SANITIZE_THREAD__)
#define MEMCG_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MEMCG_TSAN 1
#endif
#endif

/*
 * atomic_load_acquire for __racy_ functions: ThreadSanitizer looks at atomics there too, and would
 * report the other side's plain store. It runs on x86-64 here, where every load is an acquire.
 */
#ifdef MEMCG_TSAN
#define racy_load_acquire(p) (*(const volatile __typeof__(*(p)) *)(p))
#else
#define racy_load_acquire(p) atomic_load_acquire(p)
#endif

/* Full barrier; the partner is named where it is used. Only for sync/. */
static inline void smp_mb(void)
{
#ifdef MEMCG_TSAN
	/* ThreadSanitizer knows no fences; an exchange on the stack is one to the CPU. */
	u32 dummy = 0;

	(void)atomic_xchg(&dummy, 1u);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
