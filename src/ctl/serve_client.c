/* serve_client.c - lines in, pieces out, as the socket takes them. Theory in serve.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl/serve.h"
#include "page/page.h"
#include "sys/file.h"
#include "sys/poller.h"
#include "sys/sock.h"

/* --- what arrives ------------------------------------------------------------------------ */

static ssize_t receive(int fd, void *to, size_t n)
{
	struct iovec iov = {.iov_base = to, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return sys_recvmsg(fd, &msg, MSG_DONTWAIT);
}

static void swap_in(struct serve_client *c, char *in, u32 size)
{
	char *old = c->in;
	u32 old_size = c->in_size;

	serve_lock();
	c->in = in;
	c->in_size = size;
	if (old)
		meta_free(old, old_size);
	serve_unlock();
}

/* The line that is not whole yet moves to the front, or to where there is more room. */
static bool make_room(struct serve_client *c)
{
	u32 left = c->in_len - c->in_at, size = c->in_size ? c->in_size : SERVE_LINE_MIN;
	char *in = c->in;

	if (left == size)
		size *= 2;
	if (size != c->in_size) {
		in = meta_alloc(size);
		if (!in)
			return false;
	}
	if (left)
		memmove(in, c->in + c->in_at, left);
	c->in_seen -= c->in_at;
	c->in_len = left;
	c->in_at = 0;
	if (in != c->in)
		swap_in(c, in, size);
	return true;
}

/* A call for what is there: the rest of it is told of again. */
void serve_client_receive(struct serve_client *c)
{
	ssize_t n;

	if (c->in_len == c->in_size && !make_room(c)) {
		c->over = true;
		return;
	}
	n = receive(c->fd, c->in + c->in_len, c->in_size - c->in_len);
	if (n > 0)
		c->in_len += (u32)n;
	else if (n != -EAGAIN && n != -EINTR)
		c->eof = true; /* what it asked before is answered, as far as it still reads */
}

/* The length of the first whole line, without its newline; -1. */
static ssize_t line_length(struct serve_client *c)
{
	const char *end = c->in ? memchr(c->in + c->in_seen, '\n', c->in_len - c->in_seen) : NULL;

	if (end)
		return end - (c->in + c->in_at);
	c->in_seen = c->in_len;
	return -1;
}

static bool has_line(const struct serve_client *c)
{
	return c->in_seen < c->in_len;
}

/* --- what is sent --------------------------------------------------------------------------- */

static ssize_t send_some(int fd, const void *from, size_t n)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)from, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return sys_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool sending(const struct serve_client *c)
{
	return c->out_at < c->out_end;
}

/* As much as the socket takes now. */
static void flush(struct serve_client *c)
{
	ssize_t n = send_some(c->fd, c->out + c->out_at, c->out_end - c->out_at);

	c->blocked = n == -EAGAIN;
	if (n > 0)
		c->out_at += (u32)n;
	else if (n != -EAGAIN && n != -EINTR)
		c->over = true; /* nobody reads: what was asked behind it is not done */
}

static bool need_out(struct serve_client *c)
{
	char *out = c->out ? c->out : meta_alloc(SERVE_PIECE);

	c->out = out;
	return out;
}

/* The text stands at SERVE_HEAD; its head is put right before it. */
static void post(struct serve_client *c, const char *word, size_t len)
{
	char head[SERVE_HEAD];
	struct text t = {.buf = head, .size = sizeof(head)};

	text_say(&t, "%s %lu\n", word, (unsigned long)len);
	c->out_at = SERVE_HEAD - (u32)t.len;
	memcpy(c->out + c->out_at, head, t.len);
	c->out_end = SERVE_HEAD + (u32)len;
	flush(c);
}

static struct text piece_text(struct serve_client *c)
{
	return (struct text){.buf = c->out + SERVE_HEAD, .size = SERVE_PIECE - SERVE_HEAD};
}

static void answer_over(struct serve_client *c)
{
	void (*give_up)(struct serve_client *) = c->give_up;

	serve_lock();
	c->more = NULL;
	serve_unlock();
	give_up(c);
}

static void send_more(struct serve_client *c)
{
	struct text t = piece_text(c);

	if (c->more(c, &t))
		post(c, "more", t.len);
	else {
		answer_over(c);
		post(c, "ok", t.len);
	}
}

/* A text for people may quote what was sent: no line of it becomes two. */
static void send_refusal(struct serve_client *c, const char *name, const char *why)
{
	struct text t = {.buf = c->out, .size = SERVE_PIECE};
	size_t i;

	text_say(&t, "err %s %s", name, why);
	for (i = 0; i < t.len; i++)
		if ((u8)t.buf[i] < 0x20 || t.buf[i] == 0x7f)
			t.buf[i] = '?';
	text_say(&t, "\n");
	c->out_at = 0;
	c->out_end = (u32)t.len;
	flush(c);
}

static void send_errno(struct serve_client *c, int err, const char *why)
{
	const char *name = strerrorname_np(-err);
	char number[16];
	struct text t = {.buf = number, .size = sizeof(number)};

	text_say(&t, "E%d", -err); /* for one that libc has no name for */
	send_refusal(c, name ? name : number, *why ? why : strerrordesc_np(-err));
}

void serve_client_refuse(struct serve_client *c, const char *name, const char *why)
{
	if (need_out(c))
		send_refusal(c, name, why);
}

/* --- steps ----------------------------------------------------------------------------------- */

static void answer(struct serve_client *c, size_t len)
{
	struct text t = piece_text(c);
	struct serve_call call = {.client = c, .t = &t};
	int err = serve_dispatch(&call, c->in + c->in_at, len);

	c->in_at += (u32)len + 1;
	c->in_seen = c->in_at;
	if (c->over)
		return;
	if (err)
		send_errno(c, err, call.why);
	else if (c->more)
		send_more(c);
	else
		post(c, "ok", t.len);
}

static void next_request(struct serve_client *c)
{
	ssize_t len = line_length(c);

	if (len >= 0)
		answer(c, (size_t)len);
	else if (c->in_len - c->in_at == SERVE_LINE) {
		send_refusal(c, "E2BIG", "a request is one line of at most 64 KiB");
		c->last = true;
	}
}

/* Events go between two answers, and do not take the turn of a request. */
static void send_events(struct serve_client *c)
{
	memcpy(c->out + SERVE_HEAD, c->watch.told, c->watch.told_len);
	post(c, "event", c->watch.told_len);
	serve_watch_said(c);
}

/* Who has stopped asking may still be waiting for events, as long as he is there. */
static bool has_left(const struct serve_client *c)
{
	return c->eof && (c->hung || !c->watch.first);
}

bool serve_client_ready(const struct serve_client *c)
{
	if (c->over || c->blocked)
		return c->over;
	return sending(c) || c->more || c->watch.told_len || has_line(c) || has_left(c) || c->last;
}

static void step_between(struct serve_client *c)
{
	if (c->watch.told_len)
		send_events(c);
	if (sending(c) || c->over)
		return;
	if (has_line(c))
		next_request(c);
	else if (has_left(c))
		c->over = true;
}

void serve_client_step(struct serve_client *c)
{
	if (!need_out(c)) {
		c->over = true;
		return;
	}
	if (sending(c))
		flush(c);
	else if (c->last)
		c->over = true;
	else if (c->more)
		send_more(c);
	else
		step_between(c);
}

unsigned serve_client_wants(const struct serve_client *c)
{
	if (c->blocked)
		return SYS_POLL_OUT;
	return c->eof || c->last ? 0 : SYS_POLL_IN;
}

static void drop_out(struct serve_client *c)
{
	char *out = c->out;

	serve_lock();
	c->out = NULL;
	if (out)
		meta_free(out, SERVE_PIECE);
	serve_unlock();
}

void serve_client_rest(struct serve_client *c)
{
	if (c->out)
		drop_out(c);
	if (c->in && c->in_at == c->in_len) {
		swap_in(c, NULL, 0);
		c->in_at = c->in_len = c->in_seen = 0;
	}
}

/* The descriptor last: its number may be another file's at once. */
void serve_client_end(struct serve_client *c)
{
	if (c->more)
		answer_over(c);
	serve_watch_end(c);
	drop_out(c);
	swap_in(c, NULL, 0);
	if (c->fd >= 0)
		sys_close(c->fd);
}
