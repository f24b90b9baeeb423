/* pipes.c - the streams of pipes. Theory in pipes.h. */
#include "pipes.h"

#include <errno.h>

#include "groups.h"
#include "item.h"

#define PIPES 12u
#define PIECE 20000u

static struct channel {
	pthread_mutex_t in, out; /* in before out */
	struct memcg_pipe *pipe;
	u64 written, read; /* bytes; `in`, `out` */
	/* out: a second pipe, with copies of the bytes from `copied` on, and how many. */
	struct memcg_pipe *copy;
	u64 copied, copies;
} channel[PIPES];

static u8 byte_at(u64 n)
{
	return (u8)(chance_mix(n / 8) >> n % 8 * 8);
}

static void make_bytes(u8 *to, u64 from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = byte_at(from + i);
}

static void check_bytes(const u8 *at, u64 from, size_t n, const char *how)
{
	for (size_t i = 0; i < n; i++)
		EXPECT(at[i] == byte_at(from + i), "byte %lu of a pipe's stream, %s, is wrong",
		       from + i, how);
}

static void channel_open(struct channel *ch)
{
	ch->pipe = memcg_pipe_create(24, MEMCG_PIPE_NONBLOCK);
	ch->copy = memcg_pipe_create(40, MEMCG_PIPE_NONBLOCK);
	EXPECT(ch->pipe && ch->copy, "no pipe: %d", errno);
	ch->written = ch->read = ch->copies = 0;
}

static void channel_close(struct channel *ch)
{
	memcg_pipe_destroy(ch->pipe);
	memcg_pipe_destroy(ch->copy);
}

void pipes_begin(void)
{
	for (unsigned i = 0; i < PIPES; i++) {
		pthread_mutex_init(&channel[i].in, NULL);
		pthread_mutex_init(&channel[i].out, NULL);
		channel_open(&channel[i]);
	}
}

void pipes_end(void)
{
	for (unsigned i = 0; i < PIPES; i++)
		channel_close(&channel[i]);
}

void pipe_renew(struct chance *c)
{
	struct channel *ch = &channel[below(c, PIPES)];

	pthread_mutex_lock(&ch->in);
	pthread_mutex_lock(&ch->out);
	channel_close(ch);
	channel_open(ch);
	pthread_mutex_unlock(&ch->out);
	pthread_mutex_unlock(&ch->in);
}

/* --- in ------------------------------------------------------------------------------ */

void pipe_write_some(struct chance *c)
{
	struct channel *ch = &channel[below(c, PIPES)];
	size_t n = 1 + below(c, one_in(c, 2) ? 300 : PIECE);
	u8 bytes[PIECE];
	ssize_t put;

	pthread_mutex_lock(&ch->in);
	make_bytes(bytes, ch->written, n);
	put = memcg_pipe_write(ch->pipe, bytes, n);
	EXPECT((put > 0 && put <= (ssize_t)n) || put == -EAGAIN || put == -ENOMEM,
	       "writing %zu bytes into a pipe: %zd", n, put);
	if (put > 0)
		ch->written += (u64)put;
	pthread_mutex_unlock(&ch->in);
}

/* --- out ------------------------------------------------------------------------------- */

static void read_locked(struct channel *ch, struct chance *c)
{
	u8 bytes[PIECE];
	ssize_t got = memcg_pipe_read(ch->pipe, bytes, 1 + below(c, PIECE));

	EXPECT(got > 0 || got == -EAGAIN, "reading a pipe: %zd", got);
	if (got <= 0)
		return;
	check_bytes(bytes, ch->read, (size_t)got, "read");
	ch->read += (u64)got;
}

/* The page is ours, and charged to us: an item like any other. -EBUSY: a copy has it too. */
static void steal_locked(struct channel *ch, struct chance *c)
{
	struct memcg_page *page;
	struct item *it;
	size_t offset;
	ssize_t got = memcg_pipe_steal(ch->pipe, &page, &offset);

	EXPECT(got > 0 || got == -EAGAIN || got == -EBUSY || got == -ENOMEM, "stealing: %zd", got);
	if (got <= 0)
		return;
	check_bytes((u8 *)memcg_page_address(page) + offset, ch->read, (size_t)got, "stolen");
	ch->read += (u64)got;
	DID(stolen);
	it = item_of_page(page, c);
	item_pass_on(it, c);
}

static void copy_locked(struct channel *ch, struct chance *c)
{
	ssize_t got = memcg_pipe_tee(ch->pipe, ch->copy, 1 + below(c, PIECE));

	EXPECT(got > 0 || got == -EAGAIN, "copying a pipe: %zd", got);
	if (got <= 0)
		return;
	ch->copied = ch->read;
	ch->copies = (u64)got;
}

static void read_copy_locked(struct channel *ch)
{
	u8 bytes[PIECE];
	ssize_t got = memcg_pipe_read(ch->copy, bytes, sizeof(bytes));

	EXPECT(got > 0 && (u64)got <= ch->copies, "reading a copy of %lu bytes: %zd", ch->copies,
	       got);
	check_bytes(bytes, ch->copied, (size_t)got, "copied");
	ch->copied += (u64)got;
	ch->copies -= (u64)got;
}

static void out_locked(struct channel *ch, struct chance *c)
{
	switch (below(c, 4)) {
	case 0:
		steal_locked(ch, c);
		break;
	case 1:
		if (ch->copies)
			read_copy_locked(ch);
		else
			copy_locked(ch, c);
		break;
	default:
		read_locked(ch, c);
	}
}

void pipe_read_some(struct chance *c)
{
	struct channel *ch = &channel[below(c, PIPES)];

	pthread_mutex_lock(&ch->out);
	for (unsigned i = 0; i < 3; i++)
		out_locked(ch, c);
	pthread_mutex_unlock(&ch->out);
}

/* --- waiting ----------------------------------------------------------------------------- */

#define WAITED 60000u

/* Two pages of room for what is written: each end waits for the other. */
static void *write_all(void *pipe)
{
	static u8 bytes[WAITED];
	ssize_t put;

	put = memcg_pipe_write(pipe, bytes, sizeof(bytes));
	EXPECT(put == WAITED || put == -ENOMEM || (put > 0 && opt.limits),
	       "a write that may wait: %zd", put);
	EXPECT(!memcg_pipe_close(pipe, MEMCG_PIPE_WRITE), "closing an end");
	return NULL;
}

void pipe_wait(struct chance *c)
{
	struct memcg_pipe *pipe = memcg_pipe_create(2, 0);
	u8 bytes[3000];
	pthread_t writer;
	ssize_t got;

	(void)c;
	EXPECT(pipe, "no pipe: %d", errno);
	EXPECT(!pthread_create(&writer, NULL, write_all, pipe), "no thread");
	while ((got = memcg_pipe_read(pipe, bytes, sizeof(bytes))) > 0)
		;
	EXPECT(got == 0, "a read that may wait: %zd", got);
	EXPECT(!pthread_join(writer, NULL), "no join");
	memcg_pipe_destroy(pipe);
}
