/* options.c - the command line of `memcg run`: a table, and one line for what is wrong. */
#include "run.h"

#include "memcg_cmd.h"
#include "size.h"

#include <memcg/base.h>
#include <string.h>

const char run_help[] =
	"usage: memcg run [OPTIONS] [--] COMMAND [ARGUMENTS]\n"
	"\n"
	"Runs COMMAND, unmodified, with its memory in a group that is held to a limit, and\n"
	"reports what it used. Each process it starts has a tree and the limits of its own.\n"
	"\n"
	"  --max SIZE         refuse memory beyond SIZE (the program sees ENOMEM)\n"
	"  --high SIZE        slow the program down in its allocations beyond SIZE\n"
	"  --group-by WHAT    none (default), or thread: a group for each thread\n"
	"  --report FILE      write the report there instead of to standard error\n"
	"  --quiet            no lines while it runs\n"
	"  --no-children      leave the processes that COMMAND starts alone\n"
	"\n"
	"SIZE is bytes, or a whole number with K, M, G or T, or max. The status is COMMAND's,\n"
	"128 + the signal that ended it; 2 wrong use, 125 a failure of memcg run itself,\n"
	"126 COMMAND cannot be executed, 127 it was not found.\n";

struct option {
	const char *name;
	bool (*set)(struct run_options *options, const char *name, const char *value);
	bool has_value;
};

static bool parse_size(const char *name, const char *value, uint64_t *bytes)
{
	if (size_parse(value, bytes))
		return true;
	complain("run",
		 "%s: '%s' is not a size (want bytes, or a number with K, M, G or T, or max)", name,
		 value);
	return false;
}

static bool set_max(struct run_options *o, const char *name, const char *value)
{
	o->max_text = value;
	return parse_size(name, value, &o->max);
}

static bool set_high(struct run_options *o, const char *name, const char *value)
{
	return parse_size(name, value, &o->high);
}

static bool set_group_by(struct run_options *o, const char *name, const char *value)
{
	if (!strcmp(value, "none"))
		o->group_by = SLOT_GROUP_NONE;
	else if (!strcmp(value, "thread"))
		o->group_by = SLOT_GROUP_THREAD;
	else {
		complain("run", "%s: '%s' is not a way to group (want none or thread)", name,
			 value);
		return false;
	}
	return true;
}

static bool set_report(struct run_options *o, const char *name, const char *value)
{
	if (!*value) {
		complain("run", "%s: the name of the file is empty", name);
		return false;
	}
	o->report = value;
	return true;
}

static bool set_quiet(struct run_options *o, const char *name, const char *value)
{
	(void)name;
	(void)value;
	o->quiet = true;
	return true;
}

static bool set_no_children(struct run_options *o, const char *name, const char *value)
{
	(void)name;
	(void)value;
	o->no_children = true;
	return true;
}

static const struct option options[] = {
	{"--max", set_max, true},	    {"--high", set_high, true},
	{"--group-by", set_group_by, true}, {"--report", set_report, true},
	{"--quiet", set_quiet, false},	    {"--no-children", set_no_children, false},
};

/* The length of the name in "--name" or "--name=value". */
static const struct option *find_option(const char *arg, const char **value)
{
	size_t n = strcspn(arg, "=");

	*value = arg[n] ? arg + n + 1 : NULL;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strlen(options[i].name) == n && !memcmp(options[i].name, arg, n))
			return &options[i];
	return NULL;
}

/* Takes one option, at argv[*at], and its value. */
static bool take_option(int argc, char **argv, int *at, struct run_options *out)
{
	const struct option *option;
	const char *value;

	option = find_option(argv[*at], &value);
	if (!option) {
		complain("run", "%s is not an option; see memcg run --help", argv[*at]);
		return false;
	}
	if (value && !option->has_value) {
		complain("run", "%s takes no value", option->name);
		return false;
	}
	if (option->has_value && !value) {
		if (++*at == argc) {
			complain("run", "%s: its value is missing", option->name);
			return false;
		}
		value = argv[*at];
	}
	return option->set(out, option->name, value);
}

int run_options_parse(int argc, char **argv, struct run_options *out)
{
	int at = 1;

	*out = (struct run_options){
		.max = MEMCG_UNLIMITED, .max_text = "max", .high = MEMCG_UNLIMITED};
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (!strcmp(argv[at], "--")) {
			at++;
			break;
		}
		if (!take_option(argc, argv, &at, out))
			return STATUS_USAGE;
	}
	if (at >= argc) {
		complain("run", "no program is named; see memcg run --help");
		return STATUS_USAGE;
	}
	out->command = argv + at;
	return 0;
}
