/*
 * main.c - memcg-top(1): groups of a running process on a terminal, or as lines.
 *
 *   options -> source (../source/source.h) -> model -> view -> term    on a terminal, with ui and
 * feed
 *                                                   -> batch           in a pipe
 */
#include "batch.h"
#include "options.h"
#include "screen.h"

#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#define STATUS_OURS 125

int main(int argc, char **argv)
{
	struct options o;
	struct source *s;
	char why[1024];
	int status;

	setlocale(LC_ALL, "");
	/* Numbers in JSON have points, whoever reads them. */
	setlocale(LC_NUMERIC, "C");
	status = options_parse(argc, argv, &o);
	if (status >= 0)
		return status;
	s = source_open(o.target, why, sizeof(why));
	if (!s) {
		fprintf(stderr, "memcg top: %s\n", why);
		return STATUS_OURS;
	}
	if (!o.batch && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return screen_run(s, &o);
	status = batch_run(s, &o);
	source_close(s);
	return status;
}
