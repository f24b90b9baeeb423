/* reply.c - see reply.h. */
#include "reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void reply_begin(struct reply *r, int fd, struct backlog *backlog)
{
	r->fd = fd;
	r->backlog = backlog;
	r->broken = r->told = false;
	r->parts = 0;
	r->used = 0;
}

/* ---- sending ---- */

static ssize_t send_parts(int fd, struct iovec *part, unsigned n)
{
	struct msghdr msg = {.msg_iov = part, .msg_iovlen = n};
	ssize_t sent;

	do
		sent = n == 1 ? send(fd, part->iov_base, part->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
			      : sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -errno;
	return sent;
}

/* Parts that are sent, and the beginning of the next that is. */
static unsigned skip(struct iovec *part, unsigned n, size_t bytes)
{
	unsigned i = 0;

	for (; i < n && bytes >= part[i].iov_len; i++)
		bytes -= part[i].iov_len;
	if (i < n) {
		part[i].iov_base = (char *)part[i].iov_base + bytes;
		part[i].iov_len -= bytes;
	}
	return i;
}

static void put_pages(struct memcg_page **page, unsigned n)
{
	unsigned any = 0;

	for (unsigned i = 0; i < n; i++)
		any |= page[i] != NULL;
	if (any)
		memcg_pages_release(page, n);
}

/* ---- the backlog ---- */

static struct block *block_new(const struct reply *r, unsigned from)
{
	unsigned n = r->parts - from;
	struct block *b;
	size_t bytes = 0;
	char *to;

	for (unsigned i = from; i < r->parts; i++)
		bytes += r->page[i] ? 0 : r->part[i].iov_len;
	b = memcg_malloc(sizeof(*b) + n * (sizeof(*b->part) + sizeof(*b->page)) + bytes);
	if (!b)
		return NULL;
	*b = (struct block){.parts = n, .page = (struct memcg_page **)&b->part[n]};
	memcpy(b->part, r->part + from, n * sizeof(*b->part));
	memcpy(b->page, r->page + from, n * sizeof(*b->page));
	to = (char *)&b->page[n];
	for (unsigned i = 0; i < n; i++) {
		if (b->page[i])
			continue;
		b->part[i].iov_base = memcpy(to, b->part[i].iov_base, b->part[i].iov_len);
		to += b->part[i].iov_len;
	}
	return b;
}

static void block_free(struct block *b)
{
	put_pages(b->page, b->parts);
	memcg_free(b);
}

static bool backlog_add(struct reply *r, unsigned from)
{
	struct block *b = block_new(r, from);

	if (!b)
		return false;
	if (r->backlog->last)
		r->backlog->last->next = b;
	else
		r->backlog->first = b;
	r->backlog->last = b;
	return true;
}

int backlog_send(struct backlog *b, int fd)
{
	struct block *block;

	while ((block = b->first)) {
		ssize_t n = send_parts(fd, block->part + block->sent, block->parts - block->sent);

		if (n <= 0)
			return (int)n;
		block->sent +=
			skip(block->part + block->sent, block->parts - block->sent, (size_t)n);
		if (block->sent < block->parts)
			return 0;
		b->first = block->next;
		if (!b->first)
			b->last = NULL;
		block_free(block);
	}
	return 1;
}

void backlog_clear(struct backlog *b)
{
	struct block *block;

	while ((block = b->first)) {
		b->first = block->next;
		block_free(block);
	}
	b->last = NULL;
}

void reply_send(struct reply *r)
{
	unsigned done = 0;
	ssize_t n;

	if (!r->parts)
		return;
	if (!r->backlog->first && !r->broken) {
		n = send_parts(r->fd, r->part, r->parts);
		r->broken = n < 0;
		done = skip(r->part, r->parts, n < 0 ? 0 : (size_t)n);
	}
	put_pages(r->page, done);
	if (done < r->parts && (r->broken || !backlog_add(r, done))) {
		put_pages(r->page + done, r->parts - done);
		r->broken = true;
	}
	r->parts = 0;
	r->used = 0;
}

/* ---- adding ---- */

static void add_part(struct reply *r, const char *at, size_t n, struct memcg_page *page)
{
	if (r->parts == REPLY_PARTS)
		reply_send(r);
	r->part[r->parts] = (struct iovec){(void *)at, n};
	r->page[r->parts++] = page;
}

/* Room for n bytes behind those that are there; they count when `grow` is told. */
static char *reserve(struct reply *r, size_t n)
{
	if (r->used + n > REPLY_BYTES || r->parts == REPLY_PARTS)
		reply_send(r);
	return r->bytes + r->used;
}

static void grow(struct reply *r, size_t n)
{
	const char *at = r->bytes + r->used;
	struct iovec *last = r->parts ? &r->part[r->parts - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += n;
	else
		add_part(r, at, n, NULL);
	r->used += n;
	r->told = true;
}

void reply_bytes(struct reply *r, const char *bytes, size_t n)
{
	while (n) {
		size_t some = n < REPLY_BYTES / 2 ? n : REPLY_BYTES / 2;

		memcpy(reserve(r, some), bytes, some);
		grow(r, some);
		bytes += some;
		n -= some;
	}
}

void reply_text(struct reply *r, const char *text)
{
	reply_bytes(r, text, strlen(text));
}

void reply_error(struct reply *r, const char *how, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, how);
	n = vsnprintf(text, sizeof(text), how, args);
	va_end(args);
	reply_bytes(r, "-", 1);
	reply_bytes(r, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
	reply_text(r, "\r\n");
}

void reply_number(struct reply *r, char sign, long long n)
{
	unsigned long long left = n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n;
	char text[24], *at = text + sizeof(text);

	*--at = '\n';
	*--at = '\r';
	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (n < 0)
		*--at = '-';
	*--at = sign;
	reply_bytes(r, at, (size_t)(text + sizeof(text) - at));
}

void reply_bulk(struct reply *r, const char *bytes, size_t n)
{
	reply_number(r, '$', (long long)n);
	reply_bytes(r, bytes, n);
	reply_bytes(r, "\r\n", 2);
}

static void add_frag(struct reply *r, const struct memcg_frag *f)
{
	memcg_page_get(f->page);
	add_part(r, frag_bytes(f), f->length, f->page);
}

void reply_value(struct reply *r, const struct entry *e)
{
	const char *here;

	if (!e) {
		reply_bytes(r, "$-1\r\n", 5);
		return;
	}
	here = entry_bytes(e);
	if (!e->pieces) {
		reply_bulk(r, here, e->length);
		return;
	}
	reply_number(r, '$', e->length);
	for (uint32_t i = 0; i < e->pieces; i++) {
		if (e->piece[i].page) {
			add_frag(r, &e->piece[i]);
			continue;
		}
		reply_bytes(r, here, e->piece[i].length);
		here += e->piece[i].length;
	}
	reply_bytes(r, "\r\n", 2);
}
