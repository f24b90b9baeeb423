/*
 * pipes.h - pipes in use by all threads: each with a stream of bytes that is known.
 *
 * The n-th byte of a pipe's stream follows from n, so whatever is read, stolen, or read from a copy
 * (tee) can be told to be right. Writers of a pipe take turns by one lock, readers by
 * another: a writer, a reader, and passers-by that try to get its pages are in it at once.
 */
#ifndef MEMCG_TORTURE_PIPES_H
#define MEMCG_TORTURE_PIPES_H

#include "torture.h"

void pipes_begin(void);
void pipe_write_some(struct chance *c);
void pipe_read_some(struct chance *c); /* reads, steals, copies */
void pipe_wait(struct chance *c);      /* one that makes a reader and a writer wait */
void pipe_renew(struct chance *c);     /* destroys one, with what is in it */
void pipes_end(void);

#endif
