/* options.c - see options.h. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define STATUS_USAGE 2

static const char help[] =
	"usage: memcg mount [OPTIONS] DIR [TARGET]\n"
	"Groups of a running process as directories, as the cgroup file system shows them: a process\n"
	"with a control socket, or `memcg run`. TARGET is a PID or the path of a socket; without one,\n"
	"the only process there is. Ends, and unmounts, when the process does.\n"
	"\n"
	"  -f, --foreground       stay, and say on standard error why a change was refused\n"
	"  -d, --debug            as -f, and print every request\n"
	"  -o OPTION[,...]        of fuse: ro, fsname=NAME, auto_unmount, ...\n"
	"  -p, --process TARGET   as TARGET\n"
	"  -h, --help             this\n"
	"\n"
	"To unmount: fusermount3 -u DIR, or as root umount DIR.\n";

static int misuse(const char *what, const char *value)
{
	fprintf(stderr, "memcg mount: %s: '%s'; memcg mount --help\n", what, value);
	return STATUS_USAGE;
}

/* The socket answers its owner alone; the directory must not answer others in his name. */
static bool opens_to_others(const char *option, size_t n)
{
	return (n == strlen("allow_other") && !memcmp(option, "allow_other", n)) ||
	       (n == strlen("allow_root") && !memcmp(option, "allow_root", n));
}

static int take_fuse(const char *text, struct options *o)
{
	size_t used = strlen(o->fuse);

	for (const char *at = text; *at; at += strcspn(at, ","), at += *at == ',')
		if (opens_to_others(at, strcspn(at, ",")))
			return misuse("the groups are for their owner only", text);
	if (strlen(text) + 2 > sizeof(o->fuse) - used)
		return misuse("too many options", text);
	snprintf(o->fuse + used, sizeof(o->fuse) - used, "%s%s", used ? "," : "", text);
	return -1;
}

static int take_target(const char *text, struct options *o)
{
	if (o->target)
		return misuse("one process at a time", text);
	o->target = text;
	return -1;
}

static int take_argument(const char *text, struct options *o)
{
	if (o->dir)
		return take_target(text, o);
	o->dir = text;
	return -1;
}

static int take(int c, const char *value, struct options *o)
{
	switch (c) {
	case 'd':
		o->debug = true;
		/* fall through */
	case 'f':
		o->foreground = true;
		return -1;
	case 'o':
		return take_fuse(value, o);
	case 'p':
		return take_target(value, o);
	case 'h':
		fputs(help, stdout);
		return 0;
	default:
		fprintf(stderr, "memcg mount: see memcg mount --help\n");
		return STATUS_USAGE;
	}
}

int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"foreground", no_argument, NULL, 'f'},
		{"debug", no_argument, NULL, 'd'},
		{"process", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, status = -1;

	*o = (struct options){0};
	while (status < 0 && (c = getopt_long(argc, argv, "fdo:p:h", names, NULL)) != -1)
		status = take(c, optarg, o);
	while (status < 0 && optind < argc)
		status = take_argument(argv[optind++], o);
	if (status < 0 && !o->dir) {
		fprintf(stderr, "memcg mount: which directory? memcg mount --help\n");
		return STATUS_USAGE;
	}
	return status;
}
