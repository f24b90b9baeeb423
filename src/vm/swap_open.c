/* swap_open.c - theory in swap_open.h. */
#include "vm/swap_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "page/page.h"
#include "sys/file.h"
#include "sys/log.h"
#include "vm/sum.h"

struct swap_setup swap_setup = {.dir = "/tmp", .size = GIB};

#define MARK "libmemcg swap 1\n"

struct header {
	char mark[16];
	u32 sum; /* of mark */
	char rest[PAGE_SIZE - 20];
};
_Static_assert(sizeof(struct header) == PAGE_SIZE, "the header is slot 0");

const char *swap_name(void)
{
	return swap_setup.file ? swap_setup.file : swap_setup.dir;
}

/* The one line about a file that cannot be used. */
static int refuse(int err, const char *why)
{
	log_line("swap file %s%s: %s (%s): pages stay in memory", swap_setup.file ? "" : "in ",
		 swap_name(), why, strerrordesc_np(-err));
	return err;
}

/* --- is it one to write to? ------------------------------------------------------- */

static int check_file(int fd, struct sys_file_info *info)
{
	int err = sys_file_info(fd, info);

	if (err)
		return refuse(err, "cannot be looked at");
	if (!info->regular)
		return refuse(-EINVAL, "is no regular file");
	if (info->owner != sys_user_id())
		return refuse(-EPERM, "belongs to another user");
	if (info->mode & 077)
		return refuse(-EPERM, "others may open it; chmod 600 it");
	return 0;
}

/* Not to be opened by two processes. A file without a name is known to this one only. */
static int check_alone(int fd)
{
	int err = swap_setup.file ? sys_lock_file(fd) : 0;

	return err ? refuse(err, "is another process's swap file now") : 0;
}

static bool is_zero(const char *p, size_t n)
{
	return !*p && !memcmp(p, p + 1, n - 1);
}

static int check_header(const struct header *h)
{
	if (is_zero((const char *)h, sizeof(*h)))
		return 0;
	if (memcmp(h->mark, MARK, sizeof(h->mark)) != 0)
		return refuse(-EEXIST, "holds data that are no swap file's");
	if (h->sum != sum_of(h->mark, sizeof(h->mark)))
		return refuse(-EINVAL, "its header is damaged; remove it");
	return 0;
}

/* Read before the file is switched to direct transfers: its end may lie anywhere. */
static int check_content(int fd, u64 size, struct header *h)
{
	void *page = h;
	int n;

	if (!size)
		return 0;
	if (size < PAGE_SIZE)
		return refuse(-EEXIST, "is too short to be a swap file, and not empty");
	n = sys_read_pages(fd, &page, 1, 0);
	if (n != 1)
		return refuse(n < 0 ? n : -EIO, "cannot be read");
	return check_header(h);
}

/* --- its first pages ---------------------------------------------------------------- */

struct buffers {
	struct header header, zero; /* page aligned: page/meta.c aligns such sizes to themselves */
};

/*
 * And zeros to the end of its cluster: ext4 takes milliseconds for each write to space that was set
 * aside behind a first page and a gap (measured: 4 ms, against 0.2).
 */
static int write_header(int fd, struct buffers *b)
{
	unsigned n = (unsigned)MIN(swap_setup.size >> PAGE_SHIFT, (u64)SYS_IO_PAGES), i;
	const void *pages[SYS_IO_PAGES];

	memset(&b->header, 0, sizeof(b->header));
	memcpy(b->header.mark, MARK, sizeof(b->header.mark));
	b->header.sum = sum_of(b->header.mark, sizeof(b->header.mark));
	pages[0] = &b->header;
	for (i = 1; i < n; i++)
		pages[i] = &b->zero;
	return sys_write_pages(fd, pages, n, 0);
}

static int read_header(int fd, struct buffers *b)
{
	void *page = &b->header;
	int n;

	memset(page, 0, PAGE_SIZE);
	n = sys_read_pages(fd, &page, 1, 0);
	if (n != 1)
		return n < 0 ? n : -EIO;
	return memcmp(b->header.mark, MARK, sizeof(b->header.mark)) ? -EIO : 0;
}

static int try_header(int fd, struct buffers *b)
{
	int err = write_header(fd, b);

	return err ? err : read_header(fd, b);
}

static int set_up(int fd, struct buffers *b)
{
	int direct = sys_direct(fd, true), err;

	if (!direct) {
		err = try_header(fd, b);
		if (err != -EINVAL)
			return err ? refuse(err, "cannot be used") : 0;
		direct = err;
		(void)sys_direct(fd, false);
	}
	err = try_header(fd, b);
	if (err)
		return refuse(err, "cannot be used");
	log_line("swap file %s%s: its file system has no direct transfers (%s): "
		 "the system's cache holds its pages too",
		 swap_setup.file ? "" : "in ", swap_name(), strerrordesc_np(-direct));
	return 0;
}

/* --- opening ------------------------------------------------------------------------- */

static int open_file(void)
{
	int fd;

	if (!swap_setup.file)
		fd = sys_open_temp(swap_setup.dir);
	else /* not held up by a pipe's other end */
		fd = sys_open(swap_setup.file, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd == -ELOOP)
		return refuse(fd, "is a symbolic link");
	return fd < 0 ? refuse(fd, "cannot be opened") : fd;
}

static int check_and_set_up(int fd, struct sys_file_info *info)
{
	struct buffers *b = meta_alloc(sizeof(*b));
	int err;

	if (!b)
		return refuse(-ENOMEM, "cannot be checked");
	err = check_file(fd, info);
	if (!err)
		err = check_alone(fd);
	if (!err)
		err = check_content(fd, info->size, &b->header);
	if (!err)
		err = set_up(fd, b);
	meta_free(b, sizeof(*b));
	return err;
}

int swap_open(struct sys_file_info *info)
{
	int fd = open_file(), err;

	if (fd < 0)
		return fd;
	err = check_and_set_up(fd, info);
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}
