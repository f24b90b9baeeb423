/* main.c - memcg(1): one table of subcommands. */
#include "memcg_cmd.h"

#include <memcg.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
	{"run", "run a program in a memory group of its own, held to a limit", run_help, cmd_run},
	{"ls", "list processes, or the groups of one", ls_help, cmd_ls},
	{"tree", "the groups of a process and what they have", tree_help, cmd_tree},
	{"get", "read files of a group", get_help, cmd_get},
	{"set", "write files of a group", set_help, cmd_set},
	{"stat", "what one group has, and what happened to it", stat_help, cmd_stat},
	{"watch", "events of groups, as they come", watch_help, cmd_watch},
	{"mkdir", "make groups", mkdir_help, cmd_mkdir},
	{"rmdir", "take groups offline", rmdir_help, cmd_rmdir},
	{"move", "move managed memory to another group", move_help, cmd_move},
	{"top", "watch groups on the whole terminal", NULL, cmd_top},
	{"mount", "groups as directories and files", NULL, cmd_mount},
	{"export", "numbers for Prometheus", NULL, cmd_export},
	{"report", "what a process has, as text or as a page", report_help, cmd_report},
	{"check", "recount a running process or a core dump", check_help, cmd_check},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_usage(FILE *to)
{
	fputs("usage: memcg COMMAND [ARGUMENTS]\n\n", to);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\n  memcg help COMMAND says more; memcg --version.\n", to);
}

static int unknown(const char *name)
{
	if (name[0] == '-')
		fprintf(stderr,
			"memcg: options come after the command: memcg COMMAND %s; see memcg "
			"--help\n",
			name);
	else
		fprintf(stderr, "memcg: '%s' is not a command; see memcg --help\n", name);
	return STATUS_USAGE;
}

/* What was asked for is output: a full disk or closed pipe must show in the status. */
static int printed(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	fputs("memcg: cannot write to standard output\n", stderr);
	return STATUS_OURS;
}

static int help(const char *name)
{
	const struct command *c = name ? find_command(name) : NULL;

	if (name && !c)
		return unknown(name);
	if (c && !c->help) {
		char *argv[] = {(char *)c->name, (char *)"--help", NULL};

		return c->run(2, argv);
	}
	if (c)
		fputs(c->help, stdout);
	else
		print_usage(stdout);
	return printed();
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc > 2 ? argv[2] : NULL);
	if (!strcmp(argv[1], "--version")) {
		printf("memcg %s\n", memcg_version());
		return printed();
	}
	c = find_command(argv[1]);
	if (!c)
		return unknown(argv[1]);
	if (argc > 2 && c->help && !strcmp(argv[2], "--help"))
		return help(c->name);
	return c->run(argc - 1, argv + 1);
}
