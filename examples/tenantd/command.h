/*
 * command.h - what clients can ask for. One table: name, how many words, what it needs.
 */
#ifndef TENANTD_COMMAND_H
#define TENANTD_COMMAND_H

#include "connection.h"

/* A command while it is carried out, with its tenant's lock where it asked for that. */
struct request {
	struct connection *c;
	struct tenant *t;
	struct store *s;
	struct reply *out;
	const struct slice *arg; /* all of them side by side, but for large values */
	unsigned args;
};

/* An error to answer, or NULL: it is answered. */
#define NO_NUMBER "ERR value is not an integer or out of range"
#define NO_SYNTAX "ERR syntax error"
const char *done(struct request *r); /* "OK" */

/* The request in c->resp. Carried out by a function of the table that returns its error. */
void command_run(struct connection *c, struct reply *out);

bool arg_is(const struct request *r, unsigned i, const char *lower);
bool arg_number(const struct request *r, unsigned i, long long *out);
/* Into text, with a NUL. False: it is too long, or has a NUL inside. */
bool arg_copy(const struct request *r, unsigned i, char *text, size_t size);
/* * ? [...] and backslash. */
bool glob(const char *pattern, size_t m, const char *text, size_t n);

const char *command_scan(struct request *r);   /* scan.c */
const char *command_tenant(struct request *r); /* admin.c, as are: */
const char *command_info(struct request *r);
const char *command_config(struct request *r);

#endif
