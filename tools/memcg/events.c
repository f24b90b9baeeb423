/*
 * events.c - memcg watch: a line for each event, as it comes, by one write.
 *
 * It ends when the process does (that is what was waited for: status 0), after so many lines, or
 * after so long a time.
 */
#include "json.h"
#include "look.h"
#include "memcg_cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

const char watch_help[] =
	"usage: memcg watch [-p TARGET] [OPTIONS] [PATH ...]\n"
	"\n"
	"A line for each event of the groups (/ where none is named): time, path, file, what\n"
	"rose, and how often it has happened. Ends with the process, or when every group that is\n"
	"watched is gone. The line `watching' on standard error says from when on they are seen.\n"
	"\n"
	"  -p, --process TARGET   its PID, or the path of its control socket\n"
	"  -n, --count N          end after N lines\n"
	"  -t, --timeout SECONDS  end after that time\n"
	"  -j, --json             an object a line\n";

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void print_event(const struct look *l, const struct source_event *e)
{
	time_t now = time(NULL);
	struct tm local;
	char when[32];

	localtime_r(&now, &local);
	strftime(when, sizeof(when), l->json ? "%Y-%m-%dT%H:%M:%S%z" : "%H:%M:%S", &local);
	if (!l->json) {
		printf("%s %s %s %s %" PRIu64 "\n", when, e->path, e->file, e->name, e->count);
		return;
	}
	fputs("{\"time\": ", stdout);
	json_text(stdout, when);
	fputs(", \"path\": ", stdout);
	json_text(stdout, e->path);
	fputs(", \"file\": ", stdout);
	json_text(stdout, e->file);
	fputs(", \"name\": ", stdout);
	json_text(stdout, e->name);
	printf(", \"count\": %" PRIu64 "}\n", e->count);
}

/* How many groups are watched, or the status below 0. */
static int watch_all(struct look *l)
{
	int err = 0, n = l->nr ? l->nr : 1;

	for (int i = 0; !err && i < n; i++)
		err = source_watch(l->source, l->nr ? l->arg[i] : "/");
	return err ? -look_refused(l, err) : n;
}

static bool was_the_end(const struct source_event *e)
{
	return !strcmp(e->file, "cgroup.events") && !strcmp(e->name, "offline");
}

/* 0 also when the process has ended. */
static int follow(struct look *l, int groups)
{
	int64_t end = now_ms() + l->timeout_ms;
	struct source_event e;
	uint64_t printed = 0;
	int64_t left = -1;
	int got;

	for (;;) {
		if (l->timeout_ms >= 0)
			left = end > now_ms() ? end - now_ms() : 0;
		got = source_event(l->source, &e, (int)left);
		if (got == -EPIPE)
			return 0;
		if (got < 0)
			return look_refused(l, got);
		if (!got)
			return 0;
		print_event(l, &e);
		if (fflush(stdout) || ++printed == l->count)
			return 0; /* who reads has gone: the end says so */
		groups -= was_the_end(&e);
		if (!groups)
			return 0;
	}
}

/* A script that makes what it waits for must know from when on it is seen: a line says so. */
int cmd_watch(int argc, char **argv)
{
	struct look l;
	int status = look_parse(&l, LOOK_JSON | LOOK_COUNT | LOOK_TIMEOUT, argc, argv);

	if (status)
		return status;
	for (int i = 0; i < l.nr; i++)
		if (l.arg[i][0] != '/')
			return look_usage(&l, "'%s' is not the path of a group", l.arg[i]);
	status = look_open(&l);
	if (status)
		return status;
	status = watch_all(&l);
	if (status > 0)
		complain(l.command, "watching");
	return look_end(&l, status < 0 ? -status : follow(&l, status));
}
