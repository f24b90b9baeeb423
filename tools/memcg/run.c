/*
 * run.c - memcg run: the order of things.
 *
 * Everything that can be refused is refused before the program starts: options, the program's
 * file, the library, the report's file, the memfd. From then on the program's status is
 * ours whatever happens here, save for a report that could not be written.
 */
#include "run.h"

#include "account_run.h"
#include "memcg_cmd.h"
#include "program.h"
#include "record.h"
#include "rules.h"
#include "source/directory.h"
#include "source/source.h"
#include "web.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_NS  1000000000ull
#define START_MAX (16ull << 20)

struct run {
	struct run_options options;
	struct room room;
	struct track track;
	struct watch watch;
	struct record *record; /* NULL: the report is no page */
	sigset_t mask;	       /* as the program is to have it */
	int report_fd;	       /* -1: standard error */
	int rules_fd;	       /* -1: none */
	bool created;	       /* the report's file was not there before */
	char link[128];	       /* by which other commands find us; "" where it could not be made */
	char library[PATH_MAX];
};

/* ---- before ---- */

static int check_program(const char *command)
{
	struct verdict verdict;

	program_judge(command, &verdict);
	if (verdict.status)
		complain("run", "%s", verdict.why);
	else if (verdict.warning[0])
		complain("run", "warning: %s", verdict.warning);
	return verdict.status;
}

static int never_started(const struct run *r)
{
	complain("run", "--max %s is below what '%s' needs to start", r->options.max_text,
		 r->options.command[0]);
	return STATUS_OURS;
}

/* What stands in the file stays until there is a report to put in its place. */
static int open_report(struct run *r)
{
	const char *name = r->options.report;

	r->report_fd = -1;
	if (!name)
		return 0;
	r->report_fd = open(name, O_WRONLY | O_CLOEXEC);
	if (r->report_fd < 0 && errno == ENOENT) {
		r->report_fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		r->created = r->report_fd >= 0;
	}
	if (r->report_fd >= 0)
		return 0;
	complain("run", "--report: '%s' cannot be written: %s", name, strerror(errno));
	return STATUS_OURS;
}

/* The program did not start: an empty file would look like a report. */
static void forget_report(struct run *r)
{
	if (r->report_fd >= 0)
		close(r->report_fd);
	if (r->created)
		unlink(r->options.report);
}

static int refused(const char *what, int err)
{
	complain("run", "%s: %s", what, strerror(-err));
	return STATUS_OURS;
}

static bool wants_page(const struct run *r)
{
	const char *name = r->options.report, *dot = name ? strrchr(name, '.') : NULL;

	return dot && !strcasecmp(dot, ".html");
}

static int begin_record(struct run *r)
{
	r->record = r->watch.record = record_create(&r->room, r->watch.began);
	return r->record ? 0 : refused("no memory to record what the report shows", -ENOMEM);
}

static int make_room(struct run *r)
{
	const struct run_options *o = &r->options;
	int err = room_create(&r->room, o->max, o->high, o->group_by);

	if (err)
		return refused("no shared memory for the processes to report in (memfd)", err);
	err = track_init(&r->track, &r->room, !o->no_children);
	if (err)
		return refused("no memory to keep track of processes", err);
	r->watch.quiet = o->quiet;
	r->watch.top = o->top;
	err = watch_init(&r->watch, &r->mask);
	if (err)
		return refused("no descriptor to receive signals by", err);
	return wants_page(r) ? begin_record(r) : 0;
}

static int prepare(struct run *r)
{
	int status = check_program(r->options.command[0]);

	/* In the environment 0 would mean no limit. */
	if (!status && !r->options.max)
		status = never_started(r);
	if (!status)
		status = launch_find_library(r->library, sizeof(r->library));
	if (!status && r->options.rules)
		status = rules_load(r->options.rules, &r->rules_fd);
	return status ? status : open_report(r);
}

static int start(struct run *r)
{
	int status = make_room(r);
	char place[SOURCE_PLACE];

	if (status)
		return status;
	/* A program that runs unseen by other commands is better than one that does not run. */
	if (directory_register(r->room.path, r->link, sizeof(r->link))) {
		r->link[0] = '\0';
		if (!r->options.quiet)
			complain("run",
				 "other commands will not find this run: %s cannot be used, "
				 "a directory of this user that nobody else writes to",
				 source_place(place));
	}
	r->track.main = launch_program(&(struct launch){.options = &r->options,
							.room = &r->room,
							.library = r->library,
							.rules = r->rules_fd,
							.mask = &r->mask});
	return r->track.main < 0 ? -r->track.main : 0;
}

/* ---- after ---- */

static FILE *report_stream(struct run *r)
{
	FILE *to;

	if (r->report_fd < 0)
		return stderr;
	/* What is no plain file has no length to set. */
	if (ftruncate(r->report_fd, 0) && errno != EINVAL)
		return NULL;
	to = fdopen(r->report_fd, "w");
	return to;
}

static int write_page(FILE *to, struct run *r, const char *text)
{
	struct account account;
	int err = account_run(&account, &r->track, r->record, &r->options, text);

	if (!err)
		err = web_write(to, &account);
	account_free(&account);
	return err;
}

/* The page has the text within. */
static int write_report(FILE *to, struct run *r)
{
	char *text = NULL;
	size_t size;
	FILE *memory;
	int err;

	if (!r->record)
		return report_write(to, &r->track, &r->options);
	memory = open_memstream(&text, &size);
	err = memory ? report_write(memory, &r->track, &r->options) : -errno;
	if (memory && fclose(memory) && !err)
		err = -errno;
	if (!err)
		err = write_page(to, r, text);
	free(text);
	return err;
}

/* Status 0 or STATUS_OURS; also closes the file, which may be where a full disk shows. */
static int put_report(struct run *r)
{
	FILE *to = report_stream(r);
	int err = to ? write_report(to, r) : -errno;

	if (to && to != stderr && fclose(to) && !err)
		err = -errno;
	if (!err)
		return 0;
	complain("run", "--report: '%s' cannot be written: %s",
		 r->options.report ? r->options.report : "standard error", strerror(-err));
	return STATUS_OURS;
}

static bool limit_too_small(const struct run *r)
{
	for (uint32_t i = 0; i < room_used(&r->room); i++) {
		const struct slot *s = room_slot(&r->room, i);

		if (s->state == SLOT_TOO_SMALL && s->pid == (uint32_t)r->track.main)
			return true;
	}
	return false;
}

/* Was the image refused memory, with nearly all of its limit in use? */
static bool starved(const struct slot *s, uint64_t max)
{
	struct slot_view v;

	room_read(s, &v);
	return v.refusals && v.peak >= max - max / 10;
}

/*
 * A program that a small limit stops in its start says anything, or nothing at all. Beyond
 * START_MAX it was refused at its own work, whose words are good enough. Whether it was at its
 * work already, or somebody ended it, is not known here: only what happened is said.
 */
static void explain_early_end(const struct run *r, int status)
{
	const struct run_options *o = &r->options;
	uint64_t lived = r->track.main_ended_at - r->watch.began;

	if (!status || o->max > START_MAX || lived > START_NS)
		return;
	for (uint32_t i = 0; i < room_used(&r->room); i++) {
		const struct slot *s = room_slot(&r->room, i);

		if (s->pid != (uint32_t)r->track.main || !starved(s, o->max))
			continue;
		complain("run", "--max %s refused '%s' memory, and it ended after %u ms",
			 o->max_text, o->command[0], (unsigned)(lived / 1000000));
		return;
	}
}

static int program_status(int status)
{
	return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Who runs on. A process that is just being started takes its slot while we look: look again. */
static void look_last(struct run *r)
{
	uint32_t used;

	watch_reap(&r->track); /* orphans that ended with the program */
	for (unsigned tries = 0; tries < 10; tries++) {
		used = room_used(&r->room);
		track_look(&r->track, run_clock_ns());
		if (used == room_used(&r->room))
			return;
	}
}

static int finish(struct run *r)
{
	int status = program_status(r->track.main_status), ours;

	look_last(r);
	track_pending(&r->track);
	if (r->record)
		record_finish(r->record, &r->track, run_clock_ns());
	if (limit_too_small(r)) {
		forget_report(r);
		return never_started(r);
	}
	explain_early_end(r, status);
	ours = put_report(r);
	return status ? status : ours;
}

/*
 * A standard descriptor that is closed would be the number of the next file we open, and our
 * own lines would go there. The program finds it closed as before.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int cmd_run(int argc, char **argv)
{
	struct run *r = calloc(1, sizeof(*r));
	int status;

	if (!r)
		return refused("no memory", -ENOMEM);
	r->rules_fd = -1;
	fill_standard_descriptors();
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* lines of ours and of the program do not mix */
	status = run_options_parse(argc, argv, &r->options);
	if (!status)
		status = prepare(r);
	if (status)
		goto out;
	status = start(r);
	if (status) {
		forget_report(r);
		goto out;
	}
	signal(SIGPIPE, SIG_IGN); /* after the program has its own: a closed pipe ends no program */
	watch_run(&r->watch, &r->track);
	status = finish(r);
out:
	if (r->link[0])
		unlink(r->link);
	track_exit(&r->track);
	record_destroy(r->record);
	free(r);
	return status;
}
