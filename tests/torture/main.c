/* main.c - memcg-torture: see torture.h, and docs/reliability.md for what it has shown. */
#include <unistd.h>

#include "torture.h"

int main(int argc, char **argv)
{
	struct options o = {
		.seconds = 60,
		.threads = 8,
		.groups = 2000,
		.steps = 100,
		.exchange = EXCHANGE,
		.mix = MIX_ALL,
		.limits = true,
		.top_max = 96 * MIB,
		.progress = isatty(1),
	};
	int err = options_parse(&o, argc, argv);

	return err ? err : torture(&o);
}
