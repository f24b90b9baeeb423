/* options.c - the command line of `memcg run`: a table, and one line for what is wrong. */
#include "run.h"

#include "memcg_cmd.h"
#include "size.h"
#include "holders.h"

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
	"  --group-by WHAT    none (default); a group for each thread, thread-name, or object\n"
	"                     (the program, and each library that allocates)\n"
	"  --rules FILE       lines PATTERN /GROUP [memory.max=SIZE] [memory.high=SIZE]\n"
	"                     [memory.low=SIZE]: which of these names share a group, and its limits\n"
	"  --top [N]          show the N (10) groups that held most, and the others as one\n"
	"  --report FILE      write the report there instead of to standard error; FILE.html\n"
	"                     is a page with charts of all groups over time\n"
	"  --quiet            no lines while it runs\n"
	"  --no-children      leave the processes that COMMAND starts alone\n"
	"  --control          let memcg look at and change their groups while they run: a\n"
	"                     thread and a socket in each process\n"
	"\n"
	"SIZE is bytes, or a whole number with K, M, G or T, or max. The status is COMMAND's,\n"
	"128 + the signal that ended it; 2 wrong use, 125 a failure of memcg run itself,\n"
	"126 COMMAND cannot be executed, 127 it was not found.\n";

struct option {
	const char *name;
	bool (*set)(struct run_options *options, const char *name, const char *value);
	enum {
		NONE,
		NEEDED,
		NUMBER
	} value; /* NUMBER: may be left out, and is the next word if
		  * that is a number */
};

static bool parse_size(const char *name, const char *value, uint64_t *bytes)
{
	if (size_from_text(value, bytes))
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

static const char *const ways[] = {[SLOT_GROUP_NONE] = "none",
				   [SLOT_GROUP_THREAD] = "thread",
				   [SLOT_GROUP_NAME] = "thread-name",
				   [SLOT_GROUP_OBJECT] = "object"};
#define NR_WAYS (sizeof(ways) / sizeof(ways[0]))

const char *options_group_by(unsigned way)
{
	return way < NR_WAYS ? ways[way] : ways[SLOT_GROUP_NONE];
}

static bool set_group_by(struct run_options *o, const char *name, const char *value)
{
	for (unsigned i = 0; i < NR_WAYS; i++)
		if (!strcmp(value, ways[i])) {
			o->group_by = i;
			return true;
		}
	complain("run", "%s: '%s' is not a way to group (want none, thread, thread-name or object)",
		 name, value);
	return false;
}

static bool set_file(const char **file, const char *name, const char *value)
{
	if (!*value) {
		complain("run", "%s: the name of the file is empty", name);
		return false;
	}
	*file = value;
	return true;
}

static bool set_rules(struct run_options *o, const char *name, const char *value)
{
	return set_file(&o->rules, name, value);
}

static bool is_number(const char *word)
{
	return *word && !word[strspn(word, "0123456789")];
}

static bool set_top(struct run_options *o, const char *name, const char *value)
{
	uint64_t n = HOLDERS_DEFAULT;

	if (value && (!is_number(value) || !size_from_text(value, &n) || !n || n > UINT32_MAX)) {
		complain("run", "%s: '%s' is not a number of groups", name, value);
		return false;
	}
	o->top = (unsigned)n;
	return true;
}

static bool set_report(struct run_options *o, const char *name, const char *value)
{
	return set_file(&o->report, name, value);
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

static bool set_control(struct run_options *o, const char *name, const char *value)
{
	(void)name;
	(void)value;
	o->control = true;
	return true;
}

static const struct option options[] = {
	{"--max", set_max, NEEDED},	      {"--high", set_high, NEEDED},
	{"--group-by", set_group_by, NEEDED}, {"--rules", set_rules, NEEDED},
	{"--top", set_top, NUMBER},	      {"--report", set_report, NEEDED},
	{"--quiet", set_quiet, NONE},	      {"--no-children", set_no_children, NONE},
	{"--control", set_control, NONE},
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
	if (value && option->value == NONE) {
		complain("run", "%s takes no value", option->name);
		return false;
	}
	if (option->value == NUMBER && !value && *at + 1 < argc && is_number(argv[*at + 1]))
		value = argv[++*at];
	if (option->value == NEEDED && !value) {
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
	if (out->rules && out->group_by == SLOT_GROUP_NONE) {
		complain("run",
			 "--rules: names of what? (want --group-by thread-name or object too)");
		return STATUS_USAGE;
	}
	out->command = argv + at;
	return 0;
}
