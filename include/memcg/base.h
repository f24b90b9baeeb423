/*
 * memcg/base.h - what every other public header needs. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_BASE_H
#define MEMCG_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define MEMCG_BEGIN_DECLS extern "C" {
#define MEMCG_END_DECLS	  }
#else
#define MEMCG_BEGIN_DECLS
#define MEMCG_END_DECLS
#endif

#if defined(__GNUC__)
#define MEMCG_API		__attribute__((visibility("default")))
#define MEMCG_MALLOC		__attribute__((malloc, warn_unused_result))
#define MEMCG_ALLOC_SIZE(n)	__attribute__((alloc_size(n)))
#define MEMCG_ALLOC_SIZE2(n, m) __attribute__((alloc_size(n, m)))
#define MEMCG_NODISCARD		__attribute__((warn_unused_result))
#else
#define MEMCG_API
#define MEMCG_MALLOC
#define MEMCG_ALLOC_SIZE(n)
#define MEMCG_ALLOC_SIZE2(n, m)
#define MEMCG_NODISCARD
#endif

/* A struct that knows its size, the rest 0. C++17 has no designators, and its compilers warn of
 * members that are left out. */
#ifdef __cplusplus
#define MEMCG_SIZED_(type)                  \
	([] {                               \
		type sized_ = {};           \
		sized_.size = sizeof(type); \
		return sized_;              \
	}())
#else
#define MEMCG_SIZED_(type)           \
	{                            \
		.size = sizeof(type) \
	}
#endif

#define MEMCG_VERSION_MAJOR  0
#define MEMCG_VERSION_MINOR  1
#define MEMCG_VERSION_PATCH  0
#define MEMCG_VERSION_STRING "0.1.0"

/** No limit. Sizes are bytes everywhere. */
#define MEMCG_UNLIMITED UINT64_MAX

MEMCG_BEGIN_DECLS

/**
 * The version of the library that is running, "0.1.0". Any thread; no cost.
 */
MEMCG_API const char *memcg_version(void);

/**
 * Settings, for memcg_init(). Each field can also be set by the environment
 * variable MEMCG_<FIELD> in capitals (ignored in secure execution); a field
 * given here wins. Zero means "the default".
 */
struct memcg_config {
	size_t size;	      /**< sizeof(struct memcg_config): lets the struct grow */
	uint64_t max;	      /**< memory.max of the root, bytes; 0: none */
	uint64_t high;	      /**< memory.high of the root, bytes; 0: none */
	uint64_t region;      /**< addresses to reserve, bytes; 0: as much as the system gives */
	unsigned pcpu;	      /**< 0 choose, 1 portable, 2 rseq */
	unsigned unaccounted; /**< 1: start with memory.accounting off */
	uint64_t purge_ms;    /**< age at which free pages go back to the system; 0: default 1000 */
	/**
	 * File for evicted pages: an absolute path; copied. It is opened when it is first needed,
	 * made when it is missing, and must be this user's, 0600, and empty or used for this
	 * before. NULL: a file without a name, in $TMPDIR or /tmp.
	 */
	const char *swap_file;
	uint64_t swap_size; /**< bytes it may have; 0: default 1G; less than 8192: no swap file */
	uint64_t move_rate; /**< bytes that memcg_mm_move moves in a second; 0: as many as it can */
	unsigned zerocopy_recv; /**< 1: memcg_zerocopy_recv maps where it can; 0: it copies */
};
#define MEMCG_CONFIG_INIT MEMCG_SIZED_(struct memcg_config)

/**
 * Brings the library up with settings. Optional: the first call of anything
 * brings it up with the environment's. 0; -EBUSY when it is up already;
 * -EINVAL for a value that has no meaning; -E2BIG for unknown fields that are not zero.
 */
MEMCG_API int memcg_init(const struct memcg_config *config);

MEMCG_END_DECLS

#endif
