/* check_managed.c - the walk over managed pages, compiled into this program: see check_walk.c. */
#include "ctl/walk_managed.c"
