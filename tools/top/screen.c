/*
 * screen.c - see screen.h.
 *
 * The loop waits for keys, for news of the feed and for signals, which come by a descriptor: no
 * code runs in a handler. SIGTSTP alone keeps ncurses' handler, which gives the terminal back
 * before we stop. When the process ends, what it had last stays on the screen until `q`.
 */
#include "screen.h"

#include "feed.h"
#include "term.h"
#include "ui.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define STATUS_OURS   125
#define LOOK_MS	      500 /* the clock and the wait in the last line go on by themselves */
#define SLOW_S	      2
#define STATUS_SIGNAL 128

struct screen {
	struct ui ui;
	struct grid grid;
	struct feed *feed;
	struct feed_news news;
	struct source_info info; /* a copy: the thread has the source */
	int signals;
	int signo;   /* that ended us; 0: none */
	bool ended;  /* the process */
	bool silent; /* it is slow, and that is said */
	unsigned long rounds, most;
};

static int take_signals(struct screen *s)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, NULL);
	return 0;
}

/* ---- what comes ---- */

static void hear_signals(struct screen *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGWINCH) {
			s->signo = (int)info.ssi_signo;
			s->ui.quit = true;
		}
}

static void hear_end(struct screen *s)
{
	s->ended = true;
	ui_say(&s->ui, STYLE_WARN, "%s (%d) has ended; these are its last numbers. q quits",
	       s->info.comm, (int)s->info.pid);
}

static void hear_rows(struct screen *s)
{
	const struct feed_news *n = &s->news;

	if (n->rows) {
		if (!ui_rows(&s->ui, n->rows))
			labels_give(n->labels, &s->ui.model);
		s->rounds++;
	}
	if (n->err == -EPIPE)
		hear_end(s);
	else if (n->err)
		ui_say(&s->ui, STYLE_BAD, "%s", *n->why ? n->why : strerror(-n->err));
	if (s->most && (s->rounds >= s->most || s->ended))
		s->ui.quit = true;
}

static void hear_feed(struct screen *s)
{
	struct view *v = &s->ui.view;

	feed_take(s->feed, &s->news);
	if (s->news.done)
		ui_done(&s->ui, s->news.done_err, s->news.done_why);
	if (s->news.detailed) {
		strcpy(v->detail_path, s->news.detail_path);
		strcpy(v->detail, s->news.detail);
	}
	hear_rows(s);
}

static void hear_keys(struct screen *s)
{
	long key;

	while ((key = term_key()) >= 0)
		ui_key(&s->ui, key);
}

/* ---- what is to be done ---- */

static void follow_details(struct screen *s)
{
	const struct group *g = s->ui.view.details ? model_cursor(&s->ui.model) : NULL;

	feed_detail(s->feed, g ? g->path : NULL);
}

static void carry_out(struct screen *s)
{
	struct ui *u = &s->ui;

	if (s->ended) {
		if (u->order.wanted)
			ui_say(u, STYLE_BAD, "%s has ended: nothing is set any more", s->info.comm);
		u->order.wanted = false;
		return;
	}
	if (u->order.wanted && !feed_order(s->feed, u->order.path, u->order.file, u->order.text))
		ui_say(u, STYLE_WARN, "the last limit is not set yet: try again");
	u->order.wanted = false;
	follow_details(s);
	if (u->refresh)
		feed_refresh(s->feed);
	u->refresh = false;
}

/* That keys still work shows; that numbers are old must be said. */
static void tell_slow(struct screen *s)
{
	double waits = s->ended ? 0 : feed_waits(s->feed);

	if (waits >= SLOW_S)
		ui_say(&s->ui, STYLE_WARN, "%s has not answered for %.0f s", s->info.comm, waits);
	else if (s->silent)
		ui_say(&s->ui, STYLE_PLAIN, "%s", "");
	s->silent = waits >= SLOW_S;
}

static void draw(struct screen *s)
{
	time_t now = time(NULL);
	struct tm tm;

	tell_slow(s);
	strftime(s->ui.view.clock, sizeof(s->ui.view.clock), "%H:%M:%S", localtime_r(&now, &tm));
	if (term_fit(&s->grid, s->ui.redraw))
		return;
	s->ui.redraw = false;
	view_draw(&s->ui.view, &s->grid);
	term_show(&s->grid);
}

static void loop(struct screen *s)
{
	while (!s->ui.quit) {
		struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
				       {.fd = feed_fd(s->feed), .events = POLLIN},
				       {.fd = s->signals, .events = POLLIN}};

		draw(s);
		poll(fds, 3, LOOK_MS);
		hear_signals(s);
		hear_keys(s);
		if (fds[1].revents)
			hear_feed(s);
		/* The terminal has gone: there is nobody to show anything to. */
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			s->ui.quit = true;
		carry_out(s);
	}
}

/* ---- beginning and end ---- */

static int begin(struct screen *s, struct source *source, const struct options *o)
{
	int err = ui_init(&s->ui, &s->info, o->delay);

	s->info = *source_info(source);
	s->most = o->rounds;
	s->ui.model.sort = o->sort;
	s->ui.model.reversed = o->reversed;
	s->ui.model.flat = o->flat;
	s->grid.ascii = term_ascii();
	if (!err)
		err = take_signals(s);
	if (!err)
		err = feed_start(&s->feed, source, o->delay);
	if (err)
		fprintf(stderr, "memcg top: cannot start: %s\n", strerror(-err));
	return err;
}

static void end(struct screen *s)
{
	feed_stop(s->feed);
	close(s->signals);
	grid_free(&s->grid);
	ui_exit(&s->ui);
}

/* By the signal itself, so that who waits for us sees it. */
static int end_by(int signo)
{
	sigset_t set;

	signal(signo, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signo);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return STATUS_SIGNAL + signo;
}

int screen_run(struct source *source, const struct options *o)
{
	static struct screen s;
	int signo;

	if (begin(&s, source, o))
		return STATUS_OURS;
	if (term_open()) {
		end(&s);
		return STATUS_OURS;
	}
	loop(&s);
	term_close();
	if (s.ended)
		fprintf(stderr, "memcg top: %s (%d) has ended\n", s.info.comm, (int)s.info.pid);
	signo = s.signo;
	end(&s);
	return signo ? end_by(signo) : 0;
}
