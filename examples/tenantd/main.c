/*
 * tenantd - a cache for many tenants that speaks Redis's protocol: each has a group, pays for what
 * its clients send and keep, and at its limit evicts its own keys. See usage() below, and
 * README.md.
 *
 * Read it from here: server (threads, turns), connection (a client), input (network pages), resp
 * (requests), command, scan and admin, tenant (groups and shrinkers), store (keys), reply, chore.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hash.h"
#include "server.h"

static const char *const usage =
	"usage: tenantd [--port N] [--bind ADDRESS] [--threads N] [--max SIZE] [--password TEXT]\n"
	"               [--timeout SECONDS]\n"
	"  --port N           6380; 0: any that is free\n"
	"  --bind ADDRESS     127.0.0.1; it has no encryption: think before you change it\n"
	"  --threads N        one for each CPU\n"
	"  --max SIZE         of everything together (K, M, G); else no limit\n"
	"  --password TEXT    for databases and TENANT; tenants have their own (AUTH name password)\n"
	"  --timeout SECONDS  60: a client that takes no reply for so long is closed\n";

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "tenantd: %s: %s\n", what, why);
	return 2;
}

struct options {
	const char *address, *max;
	long port, threads, timeout;
};

static bool number(const char *text, long least, long most, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return !errno && end != text && !*end && *out >= least && *out <= most;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {{"port", 1, NULL, 'p'},	  {"bind", 1, NULL, 'b'},
					      {"threads", 1, NULL, 't'},  {"max", 1, NULL, 'm'},
					      {"password", 1, NULL, 'a'}, {"timeout", 1, NULL, 'i'},
					      {"help", 0, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'p' && !number(optarg, 0, 65535, &o->port))
			return fail("--port", "not a port");
		if (c == 't' && !number(optarg, 1, SERVER_THREADS, &o->threads))
			return fail("--threads", "1 to 64");
		if (c == 'i' && !number(optarg, 1, 1000000, &o->timeout))
			return fail("--timeout", "not a number of seconds");
		if (c == 'a' && (!*optarg || strlen(optarg) >= sizeof(server.password)))
			return fail("--password", "1 to 63 bytes");
		if (c == 'a')
			strcpy(server.password, optarg);
		if (c == 'b')
			o->address = optarg;
		if (c == 'm')
			o->max = optarg;
		if (c == '?' || c == 'h')
			return fputs(usage, c == 'h' ? stdout : stderr), c == 'h' ? -1 : 2;
	}
	return optind < argc ? fail(argv[optind], "not an option") : 0;
}

/* As many clients as the system lets one process have. */
static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* Blocked before there are threads, so that all have them blocked. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

int main(int argc, char **argv)
{
	struct options o = {.address = "127.0.0.1", .port = 6380, .timeout = 60};
	const char *what;
	sigset_t signals;
	int status, sig, err;

	o.threads = sysconf(_SC_NPROCESSORS_ONLN);
	status = parse_options(argc, argv, &o);
	if (status)
		return status < 0 ? 0 : status;
	if (o.max && memcg_write(memcg_root(), "memory.max", o.max, strlen(o.max)))
		return fail("--max", "not a size");
	if (getrandom(hash_secret, sizeof(hash_secret), 0) != sizeof(hash_secret))
		return fail("getrandom", strerror(errno));
	server.timeout_ms = (int)o.timeout * 1000;
	raise_limit();
	block_signals(&signals);
	err = server_start(o.address, (int)o.port, (unsigned)o.threads, &what);
	if (err)
		return fail(what, strerror(-err));
	printf("tenantd: %s:%d, %ld threads\n", o.address, server.port, o.threads);
	fflush(stdout);
	sigwait(&signals, &sig);
	server_stop();
	return memcg_report(STDOUT_FILENO, 0) ? 1 : 0;
}
