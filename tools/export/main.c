/*
 * main.c - memcg-export(1): groups of running processes, as metrics for Prometheus and its kin.
 *
 *   options -> collector -> fleet (../source/source.h)     who is asked, and what they said
 *              server    -> page -> family, label, text    what is made of it
 *
 * Three kinds of threads: this one waits for signals; libmicrohttpd's serves; the collector's asks,
 * with a few more while it does. Memory: the fleets that are held (collector.h), and a line each.
 */
#include "options.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATUS_OURS 125

static int complain(const char *what)
{
	fprintf(stderr, "memcg export: %s\n", what);
	return STATUS_OURS;
}

static int write_page(struct page *p)
{
	static char buf[65536];
	long n;

	while ((n = page_fill(p, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return complain(strerror(errno));
	if (n < 0)
		return complain("no memory");
	return fflush(stdout) ? complain(strerror(errno)) : 0;
}

static int print_once(const struct options *o)
{
	struct fleet *fleet = fleet_ask(&o->wish);
	struct page p;
	int status;

	if (!fleet)
		return complain("no memory");
	page_begin(&p, fleet, o->format);
	status = write_page(&p);
	page_end(&p);
	return status;
}

static void announce(const struct options *o, unsigned port)
{
	char address[64];

	if (o->listen.any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &o->listen.in6.sin6_addr, address, sizeof(address));
	else
		inet_ntop(AF_INET, &o->listen.in.sin_addr, address, sizeof(address));
	printf(o->listen.any.sa_family == AF_INET6 ? "http://[%s]:%u/metrics\n"
						   : "http://%s:%u/metrics\n",
	       address, port);
	fflush(stdout);
	if (!options_is_loopback(o))
		fprintf(stderr,
			"memcg export: whoever reaches %s can read names and sizes of all "
			"groups\n",
			address);
}

static int serve(const struct options *o)
{
	struct collector *c;
	struct server *s;
	sigset_t end;
	char why[256];
	int got;

	/* Before there are threads: they inherit it. */
	sigemptyset(&end);
	sigaddset(&end, SIGINT);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	c = collector_start(&o->wish);
	if (!c)
		return complain("no thread can be started");
	s = server_start(&o->listen.any, c, why, sizeof(why));
	if (s)
		announce(o, server_port(s));
	if (s)
		sigwait(&end, &got);
	/* It calls the server: first this, so that nobody is suspended then. */
	collector_stop(c);
	if (s)
		server_stop(s);
	collector_free(c);
	return s ? 0 : complain(why);
}

int main(int argc, char **argv)
{
	struct options o;
	int status = options_parse(argc, argv, &o);

	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	return o.once ? print_once(&o) : serve(&o);
}
