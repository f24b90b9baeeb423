/*
 * compiler.h - what we ask of the compiler, gathered in one place.
 * gcc >= 12 and clang >= 14; nothing here has state.
 */
#ifndef MEMCG_BASE_COMPILER_H
#define MEMCG_BASE_COMPILER_H

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define __always_inline_ static inline __attribute__((always_inline))
#define __noinline_	 __attribute__((noinline))
#define __cold_		 __attribute__((cold, noinline))
#define __hidden_	 __attribute__((visibility("hidden")))
#define __private_	 __attribute__((visibility("default"))) /* node MEMCG_PRIVATE */
#define __public_	 __attribute__((visibility("default")))
#define __printf_(f, a)	 __attribute__((format(printf, f, a)))
#define __packed_	 __attribute__((packed))
#define __aligned_(n)	 __attribute__((aligned(n)))
#define __unused_	 __attribute__((unused))
#define __must_check_	 __attribute__((warn_unused_result))

/* A function that reads, plainly, what others may be writing, and says why that is tolerated. */
#define __racy_ __attribute__((noinline, no_sanitize("thread")))

#define CACHELINE	     64
#define __cacheline_aligned_ __aligned_(CACHELINE)

/*
 * One access, as written: the compiler may neither split, repeat nor invent
 * it. Says nothing about order; see sync/atomic.h for that.
 */
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define container_of(ptr, type, member) \
	((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - __builtin_offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define barrier() __asm__ __volatile__("" ::: "memory")

#endif
