/*
 * watch.c - waiting for the program to end.
 *
 * Signals come through a descriptor, so nothing runs in a handler. Those that another process
 * sent are handed on. Those the terminal sent are not: the program is in our process
 * group and has them already. `run` never ends by one of them; it ends after its program.
 *
 * A program that stops because of the terminal (^Z in a job of its own, reading in
 * the background) stops us too: the shell waits for us, not for it. SIGCONT is handed on.
 * A stop by kill -STOP is somebody's look at that process alone and is left to them.
 */
#include "run.h"

#include "procfs.h"
#include "record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS		 1000000ull
#define FIRST_LOOK_NS	 (10 * MS)
#define LOOK_NS		 (50 * MS)
#define LOOK_SHARE	 100 /* looking takes one part in so many of the time */
#define FIRST_LINE_NS	 (500 * MS)
#define BETWEEN_LINES_NS (1000 * MS)

static const int handed_on[] = {SIGINT,	 SIGTERM, SIGHUP,   SIGQUIT,
				SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

uint64_t run_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Of ours, in ns: on a busy machine a look takes long that costs little. */
static uint64_t spent(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int watch_init(struct watch *w, void *mask)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		sigaddset(&set, handed_on[i]);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, mask);
	/* Orphans of the program become our children: their end is seen, none is left behind. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	w->began = run_clock_ns();
	return 0;
}

static void take_signals(struct watch *w, const struct track *t)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL && !t->main_ended)
			kill(t->main, (int)info.ssi_signo);
}

static bool by_terminal(int signo)
{
	return signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
}

/* The report of a stop may be older than the SIGCONT that ended it. */
static void stop_too(pid_t program, int signo)
{
	struct process p;

	if (by_terminal(signo) && procfs_read(program, &p) && p.state == 'T')
		raise(SIGSTOP);
}

void watch_reap(struct track *t)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (!WIFSTOPPED(status))
			track_reaped(t, pid, status);
		else if (pid == t->main)
			stop_too(pid, WSTOPSIG(status));
	}
}

static uint64_t next_look(uint64_t took)
{
	uint64_t pause = took * LOOK_SHARE;

	return pause > LOOK_NS ? pause : LOOK_NS;
}

static void wait_until(const struct watch *w, uint64_t when)
{
	struct pollfd fd = {.fd = w->signals, .events = POLLIN};
	uint64_t now = run_clock_ns();

	poll(&fd, 1, when > now ? (int)((when - now) / MS + 1) : 0);
}

void watch_run(struct watch *w, struct track *t)
{
	uint64_t look = w->began + FIRST_LOOK_NS, line = w->began + FIRST_LINE_NS, now, before;

	for (;;) {
		wait_until(w, look);
		take_signals(w, t);
		watch_reap(t);
		if (t->main_ended)
			return;
		now = run_clock_ns();
		if (now < look)
			continue;
		before = spent();
		track_look(t, now);
		if (w->record)
			record_look(w->record, t, now);
		look = run_clock_ns() + next_look(spent() - before);
		if (now >= line && !w->quiet) {
			live_print(t, now - w->began, w->top);
			line = now + BETWEEN_LINES_NS;
		}
	}
}
