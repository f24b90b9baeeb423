/*
 * slot.c - the process's side of a slot. See slot.h.
 *
 * Runs before the program's constructors and in the child of fork, where nothing may be
 * allocated and no lock of libc may be taken. Mappings are made by number: the functions of
 * that name are hooked. Every failure leaves the process without a slot and is no
 * concern of the program.
 */
#include "ctl/pending.h"

#include "base/bits.h"
#include "sys/clock.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct slot_header *header;
static struct slot_exec *execs;
static struct slot *mine;
static char slot_path[64]; /* a child of fork opens it again */
static u32 writing;	   /* one thread at a time; the others skip their turn */

static void *map_shared(int fd, u64 offset, u64 size)
{
	int saved = errno;
	long p =
		syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (long)offset);

	errno = saved;
	return p == -1 ? NULL : (void *)p;
}

static void unmap(void *p)
{
	int saved = errno;

	if (p)
		syscall(SYS_munmap, p, (size_t)SLOT_SIZE);
	errno = saved;
}

static bool header_fits(int fd, const struct slot_header *h)
{
	struct stat st;

	if (h->magic != SLOT_MAGIC || h->version != SLOT_VERSION || h->slot_size != SLOT_SIZE)
		return false;
	/* Touching a slot beyond the end of the file would be a SIGBUS in the program. */
	return !fstat(fd, &st) && (u64)st.st_size >= slot_file_size(h->nr_slots);
}

/* The first page alone must be there before it may be looked at. */
static int map_header(int fd)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) || st.st_size < (off_t)SLOT_SIZE)
		return -EINVAL;
	p = map_shared(fd, 0, SLOT_SIZE);
	if (!p)
		return -ENOMEM;
	if (!header_fits(fd, p)) {
		unmap(p);
		return -EINVAL;
	}
	header = p;
	execs = map_shared(fd, slot_execs_offset(header->nr_slots),
			   SLOT_EXECS * sizeof(struct slot_exec));
	return 0; /* without a table escapes are seen by `run` only */
}

/* ---- who we are ---- */

/* Arguments are separated by NULs in /proc; control characters would spoil a line. */
static void read_command(char *buf, size_t size)
{
	int fd = sys_open("/proc/self/cmdline", O_RDONLY, 0);
	ssize_t len = fd < 0 ? 0 : sys_read_full(fd, buf, size - 1);

	if (fd >= 0)
		sys_close(fd);
	if (len < 0)
		len = 0;
	while (len && !buf[len - 1])
		len--;
	for (ssize_t i = 0; i < len; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 127)
			buf[i] = ' ';
	buf[len] = '\0';
}

static u64 parse_number(const char *s)
{
	u64 n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (u64)(*s - '0');
	return n;
}

/* Field 22; the name before it may hold spaces and parentheses, so count from the last ')'. */
static u64 read_start(void)
{
	char stat[1024], *p;

	if (sys_read_text("/proc/self/stat", stat, sizeof(stat)) < 0)
		return 0;
	p = strrchr(stat, ')');
	for (unsigned field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? parse_number(p + 1) : 0;
}

static u64 read_rss_anon(void)
{
	char status[4096], *p;

	/* Longer than the buffer is no harm: the line is near the beginning. */
	sys_read_text("/proc/self/status", status, sizeof(status));
	p = strstr(status, "\nRssAnon:");
	if (!p)
		return 0;
	p += sizeof("\nRssAnon:") - 1;
	while (*p == ' ' || *p == '\t')
		p++;
	return parse_number(p) * KIB;
}

static void introduce(struct slot *s, enum slot_state state)
{
	struct stat st;

	s->pid = (u32)syscall(SYS_getpid);
	s->ppid = (u32)syscall(SYS_getppid);
	s->start = read_start();
	s->claimed = sys_clock_ns();
	s->forked = state == SLOT_FORKED;
	if (!stat("/proc/self/exe", &st)) {
		s->exe_dev = st.st_dev;
		s->exe_ino = st.st_ino;
	}
	if (sys_read_text("/proc/self/comm", s->comm, sizeof(s->comm)) > 0)
		s->comm[strcspn(s->comm, "\n")] = '\0';
	read_command(s->command, sizeof(s->command));
	s->view.max = header->max;
	s->view.high = header->high;
	atomic_store_release(&s->state, state);
}

/* ---- claiming ---- */

static int claim(int fd, enum slot_state state)
{
	u32 index = atomic_load(&header->next);

	/* Not a plain add: processes without room are counted, but never round to 0. */
	do
		if (index == UINT32_MAX)
			return -ENOSPC;
	while (!atomic_cas(&header->next, &index, index + 1));
	if (index >= header->nr_slots)
		return -ENOSPC;
	mine = map_shared(fd, slot_offset(index), SLOT_SIZE);
	if (!mine)
		return -ENOMEM;
	introduce(mine, state);
	return 0;
}

static int attach(enum slot_state state)
{
	int saved = errno;
	int fd = sys_open(slot_path, O_RDWR, 0);
	int err;

	if (fd < 0)
		return fd;
	err = header ? 0 : map_header(fd);
	if (!err)
		err = claim(fd, state);
	sys_close(fd);
	errno = saved;
	return err;
}

int slot_attach(const char *path)
{
	size_t len = strlen(path);
	int err;

	if (header)
		return -EBUSY;
	if (len >= sizeof(slot_path))
		return -ENAMETOOLONG;
	memcpy(slot_path, path, len + 1);
	err = attach(SLOT_STARTING);
	pending_settle((u32)syscall(SYS_getpid)); /* also without a slot: it did not escape */
	return err;
}

int slot_fork_child(void)
{
	atomic_store(&writing, 0); /* its holder may be a thread that fork did not copy */
	unmap(mine);
	mine = NULL;
	return header ? attach(SLOT_FORKED) : -ENOENT;
}

/* ---- publishing ---- */

static bool begin(void)
{
	if (!mine || atomic_xchg(&writing, 1u))
		return false;
	/* Seen by whoever sees one of the words that follow: those are stored with release. */
	atomic_store(&mine->seq, mine->seq + 1);
	return true;
}

/*
 * What is said once must not be lost to a publication that happens to run. Its thread may
 * be stopped for good, though (killed, or interrupted by the handler we are in): not for ever.
 */
static bool begin_patiently(void)
{
	for (unsigned tries = 0; mine && tries < 100000; tries++) {
		if (begin())
			return true;
		cpu_relax();
	}
	return false;
}

static void end(void)
{
	atomic_store_release(&mine->seq, mine->seq + 1); /* pairs with the acquire in slot_read */
	atomic_store_release(&writing, 0u);
}

static void store_words(void *dst, const void *src, size_t bytes)
{
	const u64 *from = src;
	u64 *to = dst;

	for (size_t i = 0; i < bytes / sizeof(u64); i++)
		atomic_store_release(&to[i], from[i]);
}

bool slot_publish(const struct slot_view *view)
{
	u64 rows = view->nr_rows < SLOT_ROWS ? view->nr_rows : SLOT_ROWS;

	if (!begin())
		return false;
	store_words(&mine->view, view, offsetof(struct slot_view, rss_anon));
	atomic_store_release(&mine->view.groups, view->groups);
	atomic_store_release(&mine->view.nr_rows, rows);
	store_words(mine->view.rows, view->rows, rows * sizeof(view->rows[0]));
	atomic_store_release(&mine->refreshed, mine->refreshed + 1);
	end();
	if (mine->state == SLOT_STARTING || mine->state == SLOT_FORKED)
		atomic_store_release(&mine->state, SLOT_RUNNING);
	return true;
}

/* Under the lock of publications, which no other thread writes names without. */
static int store_row(const struct slot_row *row)
{
	u64 nr = MIN(mine->view.nr_rows, SLOT_ROWS);

	for (u64 i = 0; i < nr; i++)
		if (!strncmp(mine->view.rows[i].name, row->name, SLOT_NAME_MAX)) {
			store_words(&mine->view.rows[i].current, &row->current,
				    sizeof(*row) - offsetof(struct slot_row, current));
			return 0;
		}
	return nr < SLOT_ROWS ? -ENOENT : -ENOSPC;
}

int slot_publish_row(const struct slot_row *row)
{
	int err;

	if (!begin())
		return -EBUSY;
	err = store_row(row);
	end();
	return err;
}

struct slot *slot_mine(void)
{
	return mine;
}

struct slot_header *slot_header(void)
{
	return header;
}

struct slot_exec *slot_execs(void)
{
	return execs;
}

struct slot_view *slot_live(void)
{
	return mine ? &mine->view : NULL;
}

void slot_recount(const struct slot_recount *recount)
{
	if (!begin_patiently())
		return;
	store_words(&mine->view.recount, recount, sizeof(*recount));
	end();
}

void slot_mark(enum slot_state state)
{
	if (!mine)
		return;
	if (state == SLOT_EXITED && begin_patiently()) {
		atomic_store_release(&mine->view.rss_anon, read_rss_anon());
		end();
	}
	atomic_store_release(&mine->state, state);
}

bool slot_limits(u64 *max, u64 *high)
{
	if (!header)
		return false;
	*max = atomic_load(&header->max);
	*high = atomic_load(&header->high);
	return true;
}

unsigned slot_group_by(void)
{
	return header ? atomic_load(&header->group_by) : SLOT_GROUP_NONE;
}

bool slot_attached(void)
{
	return mine;
}
