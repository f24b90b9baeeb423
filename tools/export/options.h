/* options.h - the command line of memcg-export(1). */
#ifndef MEMCG_EXPORT_OPTIONS_H
#define MEMCG_EXPORT_OPTIONS_H

#include "page.h"

#include <netinet/in.h>

struct options {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} listen;
	bool once;
	enum page_format format; /* of --once */
	struct fleet_wish wish;
};

/* -1: go on. Else the exit status; what there is to say has been said. */
int options_parse(int argc, char **argv, struct options *o);

/* "127.0.0.1:9909", "[::1]:9909"; numbers only. */
bool options_listen(const char *text, struct options *o);
/* Only this machine can come there. */
bool options_is_loopback(const struct options *o);

#endif
