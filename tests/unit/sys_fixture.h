/* sys_fixture.h - tests that make system calls fail, which afterwards do not. */
#ifndef MEMCG_TESTS_SYS_FIXTURE_H
#define MEMCG_TESTS_SYS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "sys/cpu.h"
#include "sys/fault.h"
#include "sys/file.h"
#include "sys/futex.h"
#include "sys/map.h"

static inline int disarm(void **state)
{
	(void)state;
	sys_fault_disarm_all();
	return 0;
}

#define T(f) cmocka_unit_test_teardown(f, disarm)

#endif
