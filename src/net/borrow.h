/* borrow.h - whether the system's own pages may be mapped from sockets. Theory in borrow.c. */
#ifndef MEMCG_NET_BORROW_H
#define MEMCG_NET_BORROW_H

#include <memcg/net.h>

#include "base/compiler.h"
#include "base/types.h"

extern __hidden_ u32 borrow_on; /* 0: everything is copied; constant after start */

#endif
