/*
 * resp.h - the parser of requests: RESP2 arrays of bulk strings, and lines of words.
 *
 * It goes on where it stopped: what has come is looked at once, but for a line that is not whole.
 * Nothing is copied, and a length that is announced takes no memory before its bytes are there.
 * Limits: those of redis-server, but for lines that hold a number (64 bytes).
 */
#ifndef TENANTD_RESP_H
#define TENANTD_RESP_H

#include "input.h"

#define RESP_LINE  64u		  /* bytes of a line with a number, at most */
#define RESP_WORDS (64u << 10)	  /* bytes of a line of words, at most */
#define RESP_ARGS  (1024l * 1024) /* in one request */
#define RESP_BULK  (512l << 20)	  /* bytes of an argument */
#define RESP_FEW   8u

enum resp_result { RESP_MORE, RESP_REQUEST, RESP_ERROR };

struct resp {
	struct slice *arg; /* few[], or an object that the tenant pays for */
	uint32_t args, room;
	long todo; /* arguments still to come; -1: between requests */
	long bulk; /* bytes of the argument still to come; -1: the line with its length is next */
	struct place at;
	uint32_t words; /* bytes of an unfinished line of words that were searched for its end */
	const char *error;
	char line[RESP_LINE];
	struct slice few[RESP_FEW];
};

void resp_init(struct resp *r);
/* The next request is in arg[0..args). RESP_MORE: read on. RESP_ERROR: for good, error says why. */
enum resp_result resp_next(struct resp *r, struct input *in);
void resp_end(struct resp *r); /* the request was carried out, or will not be */
/* Bytes that must come before there can be another request; at least 1. */
static inline size_t resp_wants(const struct resp *r)
{
	return r->bulk > 0 ? (size_t)r->bulk + 2 : 1;
}

bool word_is(const char *text, size_t length, const char *lower);
/* A number as redis-server takes it: no blanks, no plus, no leading zeros. */
bool word_number(const char *text, size_t length, long long *out);

#endif
