/*
 * check_live.c - a running process: stopped thread by thread, looked at, let go.
 *
 * PTRACE_SEIZE leaves no trace: no signal is sent, and when we end, however we end, the kernel
 * lets go of every thread. A thread that was just about to receive a signal stops for
 * that instead; it gets its signal when it is let go.
 * Threads made while we stop the others show in the next reading of /proc/PID/task: it is
 * read until a reading brings none.
 * A thread stopped inside the library has an object in motion: it runs on for a moment, while all
 * others stand still, until it is outside. What that cannot see (a thread inside another library
 * on our behalf) may show as a difference; so differences are looked at again.
 */
#include "check.h"

#include "memcg_cmd.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_WAIT_MS 5000
#define PAUSE_NS     3000000l /* between looks: whatever was in motion has long arrived */
#define MOMENTS	     400      /* for threads to leave the library */

struct thread {
	pid_t tid;
	int signal; /* owed to it */
	bool stopped, gone;
};

struct process {
	pid_t pid;
	struct thread *thread;
	size_t threads;
};

static void pause_ns(long ns)
{
	struct timespec t = {.tv_nsec = ns};

	nanosleep(&t, NULL);
}

/* --- stopping ------------------------------------------------------------- */

/* A thread that has ended and was not waited for cannot be stopped, and need not be. */
static bool thread_ended(pid_t pid, pid_t tid)
{
	char path[64], text[512], *at;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return true;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	return !at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X';
}

static struct thread *find_thread(struct process *p, pid_t tid)
{
	for (size_t i = 0; i < p->threads; i++)
		if (p->thread[i].tid == tid)
			return &p->thread[i];
	return NULL;
}

static int add_thread(struct process *p, pid_t tid)
{
	struct thread *grown = realloc(p->thread, (p->threads + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	p->thread = grown;
	grown[p->threads] = (struct thread){.tid = tid};
	if (!ptrace(PTRACE_SEIZE, tid, 0, 0) && !ptrace(PTRACE_INTERRUPT, tid, 0, 0)) {
		p->threads++;
		return 1;
	}
	if (errno != ESRCH && !thread_ended(p->pid, tid))
		return -errno;
	grown[p->threads++].gone = true;
	return 0;
}

/* Threads that were not known before: their number, or -errno. */
static int seize_new(struct process *p)
{
	struct dirent *entry;
	int err = 0, found = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", p->pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (err >= 0 && (entry = readdir(dir))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0 || find_thread(p, tid))
			continue;
		err = add_thread(p, tid);
		found += err > 0;
	}
	closedir(dir);
	return err < 0 ? err : found;
}

/* Plain interrupts are reported as an event; anything else is a signal on its way to it. */
static void note_stop(struct thread *t, int status)
{
	if (!WIFSTOPPED(status)) {
		t->gone = true;
		return;
	}
	t->stopped = true;
	if (status >> 16 != PTRACE_EVENT_STOP)
		t->signal = WSTOPSIG(status);
}

static int wait_stop(struct thread *t)
{
	for (unsigned ms = 0; ms < STOP_WAIT_MS && !t->stopped && !t->gone; ms++) {
		int status;
		pid_t got = waitpid(t->tid, &status, __WALL | WNOHANG);

		if (got == t->tid)
			note_stop(t, status);
		else if (got < 0 && errno != EINTR)
			t->gone = true;
		else if (!got)
			pause_ns(ms < 10 ? 100000l : 1000000l);
	}
	return t->stopped || t->gone ? 0 : -ETIMEDOUT;
}

static int wait_all(struct process *p)
{
	for (size_t i = 0; i < p->threads; i++) {
		int err = wait_stop(&p->thread[i]);

		if (err)
			return err;
	}
	return 0;
}

static int stop(struct process *p)
{
	int found;

	do {
		int err;

		found = seize_new(p);
		if (found < 0)
			return found;
		err = wait_all(p);
		if (err)
			return err;
	} while (found);
	for (size_t i = 0; i < p->threads; i++)
		if (p->thread[i].stopped)
			return 0;
	return -ESRCH;
}

static void let_go(struct process *p)
{
	for (size_t i = 0; i < p->threads; i++)
		if (!p->thread[i].gone)
			ptrace(PTRACE_DETACH, p->thread[i].tid, 0, (long)p->thread[i].signal);
	free(p->thread);
	*p = (struct process){.pid = p->pid};
}

/* --- reading ---------------------------------------------------------------- */

static bool read_live(struct target *t, uint64_t from, void *to, size_t n)
{
	const struct process *p = t->private;
	struct iovec local = {to, n}, remote = {(void *)from, n};

	return process_vm_readv(p->pid, &local, 1, &remote, 1, 0) == (ssize_t)n;
}

/* Lines of /proc/PID/maps that name a file. */
static bool parse_map(struct target *t, const char *line)
{
	unsigned long start, end;
	char perms[8];
	int at = 0;

	if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &start, &end, perms, &at) < 3 || !at ||
	    line[at] != '/')
		return true;
	return target_add_map(t, start, end, perms[1] == 'w', line + at, strcspn(line + at, "\n"));
}

static int read_maps(struct target *t, pid_t pid)
{
	char path[64], *line = NULL;
	bool ok = true;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (ok && getline(&line, &size, f) > 0)
		ok = parse_map(t, line);
	free(line);
	fclose(f);
	return ok ? 0 : -ENOMEM;
}

/* --- out of the library ------------------------------------------------------- */

static bool in_library(const struct target *t, uint64_t at)
{
	for (size_t i = 0; i < t->maps; i++)
		if (at >= t->map[i].start && at < t->map[i].end &&
		    strstr(t->map[i].path, "/libmemcg"))
			return true;
	return false;
}

/* Its own code, or a function of libc that it called and that has no frame: memset, a system call.
 */
static bool inside(struct target *target, const struct thread *t)
{
	struct user_regs_struct regs;
	uint64_t caller = 0;

	if (t->gone || ptrace(PTRACE_GETREGS, t->tid, 0, &regs))
		return false;
	if (!target->read(target, regs.rsp, &caller, sizeof(caller)))
		caller = 0;
	return in_library(target, regs.rip) || in_library(target, caller);
}

/* The number of threads that went on. A signal that was on its way to one arrives. */
static size_t let_run(struct target *target, struct process *p)
{
	size_t running = 0;

	for (size_t i = 0; i < p->threads; i++) {
		struct thread *t = &p->thread[i];

		if (!inside(target, t) || ptrace(PTRACE_CONT, t->tid, 0, (long)t->signal))
			continue;
		t->signal = 0;
		t->stopped = false;
		running++;
	}
	return running;
}

/*
 * No single steps: were we killed between two, the thread would die of its trap. Whoever is inside
 * runs for a moment, all of them together, since one may wait for another's lock.
 */
static int lead_out(struct target *target, struct process *p)
{
	int err = 0;

	for (unsigned n = 0; n < MOMENTS && !err && let_run(target, p); n++) {
		for (size_t i = 0; i < p->threads; i++)
			if (!p->thread[i].gone && !p->thread[i].stopped)
				ptrace(PTRACE_INTERRUPT, p->thread[i].tid, 0, 0);
		err = wait_all(p);
	}
	return err;
}

/* --- looking ------------------------------------------------------------------ */

static void explain(pid_t pid, int err)
{
	if (err == -ESRCH)
		complain("check", "%d: no such process", pid);
	else if (err == -EPERM || err == -EACCES)
		complain("check",
			 "%d: permission denied: it is another user's, or traced already, or "
			 "kernel.yama.ptrace_scope forbids it (try as root)",
			 pid);
	else if (err == -ETIMEDOUT)
		complain("check", "%d: a thread does not stop (waiting for a device?); try again",
			 pid);
	else
		complain("check", "%d: %s", pid, strerror(-err));
}

/* One look: text into `out`. The process runs again when this returns. */
static enum look look(struct process *p, struct target *t, FILE *out)
{
	char why[256] = "";
	enum look result = LOOK_FAILED;
	int err = stop(p);

	if (!err)
		err = read_maps(t, p->pid);
	if (!err)
		err = lead_out(t, p);
	if (!err)
		result = check_walk(t, out, why, sizeof(why));
	let_go(p);
	target_free_maps(t);
	if (err)
		explain(p->pid, err);
	else if (result == LOOK_FAILED)
		complain("check", "%d: %s", p->pid, why);
	return result;
}

static enum look look_into_text(struct process *p, struct target *t, char **text, size_t *size)
{
	FILE *out = open_memstream(text, size);
	enum look result;

	if (!out) {
		explain(p->pid, -errno);
		return LOOK_FAILED;
	}
	result = look(p, t, out);
	if (fclose(out)) {
		explain(p->pid, -ENOMEM);
		return LOOK_FAILED;
	}
	return result;
}

int check_process(pid_t pid, unsigned tries)
{
	struct process p = {.pid = pid};
	struct target t = {.read = read_live, .private = &p};
	enum look result = LOOK_FAILED;
	unsigned taken = 0;
	char *text = NULL;
	size_t size = 0;

	do {
		if (taken)
			pause_ns(PAUSE_NS);
		free(text);
		text = NULL;
		result = look_into_text(&p, &t, &text, &size);
	} while (++taken < tries && result == LOOK_DIFFERENT);
	if (result != LOOK_FAILED)
		fwrite(text, 1, size, stdout);
	if (result == LOOK_DIFFERENT)
		printf("the last of %u looks; when the process is busy, these may be objects in "
		       "motion\n",
		       taken);
	free(text);
	return fflush(stdout) ? LOOK_FAILED : (int)result;
}
