/*
 * reply.h - what goes back: bytes that are copied, and values that are passed on by reference.
 *
 * A thread has one reply, for the connection it is at: an iovec with the pages behind it, sent by
 * one sendmsg. What the socket does not take becomes a block of the connection's backlog, an object
 * the tenant pays for that holds the references. No more is read from a client that has a backlog.
 */
#ifndef TENANTD_REPLY_H
#define TENANTD_REPLY_H

#include <sys/uio.h>

#include "store.h"

#define REPLY_PARTS 256u
#define REPLY_BYTES (32u << 10)

struct block {
	struct block *next;
	struct memcg_page **page;
	unsigned parts, sent; /* those before `sent` are done with */
	struct iovec part[];  /* then the pages, then the bytes */
};

struct backlog {
	struct block *first, *last;
};

struct reply {
	int fd;
	struct backlog *backlog;
	bool broken; /* the socket is, or the tenant has no memory for what is not sent */
	bool told;   /* something was said since reply_begin */
	unsigned parts;
	size_t used;
	struct iovec part[REPLY_PARTS];
	struct memcg_page *page[REPLY_PARTS]; /* a reference, or NULL: it lies in bytes */
	char bytes[REPLY_BYTES];
};

void reply_begin(struct reply *r, int fd, struct backlog *backlog);
void reply_send(struct reply *r);
/* Sends what was kept. 1: all of it; 0: the socket takes no more; -errno. */
int backlog_send(struct backlog *b, int fd);
void backlog_clear(struct backlog *b);

void reply_bytes(struct reply *r, const char *bytes, size_t n);
void reply_text(struct reply *r, const char *text); /* to the NUL, as it is */
void reply_error(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_number(struct reply *r, char sign, long long n); /* ":" a number, "*" an array, "$" */
void reply_bulk(struct reply *r, const char *bytes, size_t n);
void reply_value(struct reply *r, const struct entry *e); /* NULL: nil */

#endif
