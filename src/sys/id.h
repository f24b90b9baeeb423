/* id.h - what the system calls this process and this thread. */
#ifndef MEMCG_SYS_ID_H
#define MEMCG_SYS_ID_H

#include "base/compiler.h"
#include "base/types.h"

__hidden_ u32 sys_process_id(void);
__hidden_ u32 sys_thread_id(void);
__hidden_ bool sys_thread_is(u32 id); /* this process has such a thread */

#endif
