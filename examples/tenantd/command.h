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
	const char *name;
};

/* The request in c->resp. */
void command_run(struct connection *c, struct reply *out);

bool arg_is(const struct request *r, unsigned i, const char *lower);
bool arg_number(const struct request *r, unsigned i, long long *out);
/* Into text, with a NUL. False: it is too long, or has a NUL inside. */
bool arg_copy(const struct request *r, unsigned i, char *text, size_t size);
bool glob(const char *pattern, size_t m, const char *text, size_t n);

/* admin.c */
void command_tenant(struct request *r);
void command_info(struct request *r);
void command_config(struct request *r);

#endif
