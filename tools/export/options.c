/* options.c - see options.h. */
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_USAGE 2
#define MOST_GROUPS  (1u << 21)

static const char help[] =
	"usage: memcg export [OPTIONS] [TARGET...]\n"
	"Groups of running processes for Prometheus: http://127.0.0.1:9909/metrics\n"
	"TARGET is a PID or the path of a socket; without one, all processes that are found\n"
	"at each scrape.\n"
	"\n"
	"  -l, --listen ADDR:PORT  where (default 127.0.0.1:9909); port 0: any that is free\n"
	"      --once              to standard output, once\n"
	"      --openmetrics       with --once: OpenMetrics, not the text format of Prometheus\n"
	"      --max-groups N      of each process, no more groups than that (default 10000)\n"
	"      --depth N           no groups that are further below the root\n"
	"      --timeout SECONDS   wait no longer for a process (default 2)\n"
	"  -h, --help              this\n";

static int misuse(const char *what, const char *value)
{
	fprintf(stderr, "memcg export: %s: '%s'; memcg export --help\n", what, value);
	return STATUS_USAGE;
}

static bool parse_number(const char *text, unsigned long least, unsigned long most,
			 unsigned long *n)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*n = strtoul(text, &end, 10);
	return !errno && !*end && *n >= least && *n <= most;
}

bool options_listen(const char *text, struct options *o)
{
	char address[64];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : sizeof(address);
	unsigned long port;

	if (n >= sizeof(address) || !parse_number(colon + 1, 0, 65535, &port))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	memset(&o->listen, 0, sizeof(o->listen));
	if (n > 2 && address[0] == '[' && address[n - 1] == ']') {
		address[n - 1] = '\0';
		o->listen.in6.sin6_family = AF_INET6;
		o->listen.in6.sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, address + 1, &o->listen.in6.sin6_addr) == 1;
	}
	o->listen.in.sin_family = AF_INET;
	o->listen.in.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, address, &o->listen.in.sin_addr) == 1;
}

bool options_is_loopback(const struct options *o)
{
	if (o->listen.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&o->listen.in6.sin6_addr);
	return ntohl(o->listen.in.sin_addr.s_addr) >> 24 == 127;
}

static int take_groups(const char *value, struct options *o)
{
	unsigned long n;

	if (!parse_number(value, 1, MOST_GROUPS, &n))
		return misuse("--max-groups takes a number from 1", value);
	o->wish.most = n;
	return -1;
}

static int take_depth(const char *value, struct options *o)
{
	unsigned long n;

	if (!parse_number(value, 0, UINT32_MAX - 1, &n))
		return misuse("--depth takes a number", value);
	o->wish.depth = (unsigned)n;
	return -1;
}

static int take_timeout(const char *value, struct options *o)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds >= 0.01 && seconds <= 60))
		return misuse("--timeout takes seconds, from 0.01 to 60", value);
	o->wish.patience_ms = (unsigned)(seconds * 1000);
	return -1;
}

static int take(int c, const char *value, struct options *o)
{
	switch (c) {
	case 'l':
		return options_listen(value, o)
			       ? -1
			       : misuse("--listen takes ADDRESS:PORT in numbers", value);
	case 'o':
		o->once = true;
		return -1;
	case 'm':
		o->format = PAGE_OPENMETRICS;
		return -1;
	case 'g':
		return take_groups(value, o);
	case 'd':
		return take_depth(value, o);
	case 't':
		return take_timeout(value, o);
	case 'h':
		fputs(help, stdout);
		return 0;
	default:
		fprintf(stderr, "memcg export: see memcg export --help\n");
		return STATUS_USAGE;
	}
}

int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"listen", required_argument, NULL, 'l'},
		{"once", no_argument, NULL, 'o'},
		{"openmetrics", no_argument, NULL, 'm'},
		{"max-groups", required_argument, NULL, 'g'},
		{"depth", required_argument, NULL, 'd'},
		{"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, status = -1;

	*o = (struct options){.format = PAGE_PROMETHEUS,
			      .wish = {.depth = UINT32_MAX, .most = 10000, .patience_ms = 2000}};
	options_listen("127.0.0.1:9909", o);
	while (status < 0 && (c = getopt_long(argc, argv, "l:h", names, NULL)) != -1)
		status = take(c, optarg, o);
	o->wish.targets = argv + optind;
	return status;
}
