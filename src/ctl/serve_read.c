/* serve_read.c - a file's text, and which files there are. */
#include <errno.h>
#include <string.h>

#include "ctl/file.h"
#include "ctl/serve.h"
#include "sys/map.h"

#define LONG_FIRST (1 * MIB)
#define LONG_MOST  (256 * MIB)

/* --- a text longer than a piece ----------------------------------------------------------- */

static void long_end(struct serve_client *c)
{
	sys_unmap(c->text.text, c->text.size);
}

/* Whole lines, as many as fit. */
static bool long_more(struct serve_client *c, struct text *t)
{
	const char *from = c->text.text + c->text.at;
	size_t left = c->text.len - c->text.at, n = MIN(left, t->size - 1);
	const char *end = memrchr(from, '\n', n);

	if (n < left && end)
		n = (size_t)(end - from) + 1;
	text_add(t, from, n);
	c->text.at += n;
	return c->text.at < c->text.len;
}

/* Into a mapping that is made larger until it fits; the length, or -errno and there is none. */
static ssize_t read_long(struct serve_long *l, const struct file *f, struct memcg *cg)
{
	ssize_t n = -ERANGE;

	for (l->size = LONG_FIRST; l->size <= LONG_MOST; l->size *= 4) {
		l->text = sys_map(l->size);
		if (!l->text)
			return -ENOMEM;
		n = file_read(f, cg, l->text, l->size);
		if (n >= 0)
			return n;
		sys_unmap(l->text, l->size);
		if (n != -ERANGE)
			break;
	}
	return n;
}

static int answer_long(struct serve_call *call, const struct file *f, struct memcg *cg)
{
	struct serve_client *c = call->client;
	struct serve_long l = {.at = 0};
	ssize_t n = read_long(&l, f, cg);

	if (n < 0)
		return (int)n;
	l.len = (size_t)n;
	call->t->len = 0;
	serve_lock();
	c->text = l;
	c->give_up = long_end;
	c->more = long_more;
	serve_unlock();
	return 0;
}

/* --- read ------------------------------------------------------------------------------------ */

static int read_file(struct serve_call *call, const struct file *f, struct memcg *cg)
{
	ssize_t n = file_read(f, cg, call->t->buf, call->t->size);

	if (n == -ERANGE)
		return answer_long(call, f, cg);
	if (n < 0)
		return (int)n;
	call->t->len = (size_t)n;
	return 0;
}

int serve_read(struct serve_call *call)
{
	struct text why = {.buf = call->why, .size = sizeof(call->why)};
	const struct file *f;
	struct memcg *cg;
	int err;

	cg = serve_group(call, 0, &err);
	if (!cg)
		return err;
	f = file_find(cg, call->arg[1]);
	err = f ? read_file(call, f, cg) : -ENOENT;
	if (!f)
		text_say(&why, "%.80s: no such file in %.80s", call->arg[1], call->arg[0]);
	group_put(cg);
	return err;
}

/* --- files ----------------------------------------------------------------------------------- */

int serve_files(struct serve_call *call)
{
	struct memcg *cg;
	int err;

	cg = serve_group(call, 0, &err);
	if (!cg)
		return err;
	for (size_t i = 0; i < file_count; i++) {
		const struct file *f = &file_table[i];

		if (file_find(cg, f->name) == f)
			text_say(call->t, "%s\t%s%s%s\n", f->name, f->show ? "r" : "",
				 f->store ? "w" : "", f->flags & FILE_NOTIFIES ? "n" : "");
	}
	group_put(cg);
	return 0;
}
