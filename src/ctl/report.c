/*
 * report.c - the report a process makes about itself. It may be the last thing
 * the process does, in whatever state it is: written by a buffer on the stack, no stdio, no
 * allocation. The first write that fails ends the output, not the recount.
 */
#include "ctl/report.h"

#include <errno.h>
#include <string.h>

#include "base/up.h"
#include "ctl/print.h"
#include "sys/file.h"

#define OUT_SIZE 4096u

struct out {
	int fd;
	int err; /* of the first write that failed */
	u32 used;
	char buf[OUT_SIZE];
};

static void out_flush(struct out *o)
{
	if (!o->err && o->used)
		o->err = sys_write_full(o->fd, o->buf, o->used);
	o->used = 0;
}

static void out_write(void *arg, const char *text, size_t n)
{
	struct out *o = arg;

	if (n > OUT_SIZE - o->used)
		out_flush(o);
	memcpy(o->buf + o->used, text, n); /* print_text's lines are shorter than the buffer */
	o->used += (u32)n;
}

static void say(void *arg, const char *line)
{
	print_text(arg, "difference: %s\n", line);
}

static int report(struct walk *w, struct print *p, unsigned flags)
{
	int err = walk_tree(w);

	if (err)
		return err;
	if (!(flags & MEMCG_REPORT_QUIET))
		print_tree(p, w, 0);
	if (flags & MEMCG_REPORT_NO_RECOUNT)
		return 0;
	err = walk_recount(w);
	if (err || (flags & MEMCG_REPORT_QUIET && !w->sum.differences))
		return err;
	if (!(flags & MEMCG_REPORT_QUIET))
		print_sums(p, w);
	print_verdict(p, &w->sum);
	return 0;
}

static void verdict_below(struct print *p, struct walk *w, u32 top)
{
	struct recount_result r = w->sum;

	r.groups = walk_end(w, top) - top;
	r.owned = w->group[top].expected;
	print_verdict(p, &r);
}

static int report_below(struct walk *w, struct print *p, const struct memcg *cg)
{
	int err = walk_tree(w);
	u32 top;

	if (err)
		return err;
	top = walk_place(w, (u64)cg);
	if (top == w->groups)
		return -ENODEV;
	print_tree(p, w, top);
	err = walk_recount(w);
	if (err)
		return err;
	if (top) {
		verdict_below(p, w, top);
		return 0;
	}
	print_sums(p, w);
	print_verdict(p, &w->sum);
	return 0;
}

int report_group(const struct memcg *cg, struct print *p)
{
	struct walk_env env;
	struct walk w;
	int err;

	recount_env(&env);
	env.say = say;
	env.say_arg = p;
	err = walk_open(&w, &env, &memcg__layout);
	if (!err)
		err = report_below(&w, p, cg);
	walk_close(&w);
	return err;
}

static int differences(const struct walk *w)
{
	return (int)MIN(w->sum.differences, (u64)INT32_MAX);
}

int report_write(int fd, unsigned flags, struct recount_result *result)
{
	struct out out = {.fd = fd};
	struct print p = {.write = out_write, .arg = &out};
	struct walk_env env;
	struct walk w;
	int err;

	recount_env(&env);
	env.say = say;
	env.say_arg = &p;
	err = walk_open(&w, &env, &memcg__layout);
	if (!err)
		err = report(&w, &p, flags);
	if (err)
		print_text(&p, "recount: not taken (%s)\n",
			   err == -ENOMEM ? "no memory for its tables" : "the tree is overwritten");
	out_flush(&out);
	if (result)
		*result = w.sum;
	walk_close(&w);
	if (out.err)
		return out.err;
	return err ? err : differences(&w);
}

int memcg_report(int fd, unsigned flags)
{
	if (fd < 0 || flags & ~(unsigned)(MEMCG_REPORT_NO_RECOUNT | MEMCG_REPORT_QUIET))
		return fd < 0 ? -EBADF : -EINVAL;
	lib_up();
	return report_write(fd, flags, NULL);
}
