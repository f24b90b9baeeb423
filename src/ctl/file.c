/* file.c - finding, reading and writing a file. Theory in file.h, the table in file_table.c. */
#include "ctl/file.h"

#include <errno.h>
#include <string.h>

const struct file *file_find(struct memcg *cg, const char *name)
{
	size_t i;

	for (i = 0; name && i < file_count; i++)
		if (!strcmp(file_table[i].name, name))
			return cg == root_group && file_table[i].flags & FILE_NOT_ON_ROOT
				       ? NULL
				       : &file_table[i];
	return NULL;
}

ssize_t file_read(const struct file *f, struct memcg *cg, char *buf, size_t size)
{
	struct text t = {.buf = buf, .size = size};
	int err;

	if (!f->show)
		return -EACCES;
	if (!buf)
		return -EINVAL;
	if (size)
		*buf = '\0'; /* for a text without a line */
	err = f->show(cg, &t);
	if (err)
		return err;
	return t.len < size ? (ssize_t)t.len : -ERANGE;
}

int file_write(const struct file *f, struct memcg *cg, const void *buf, size_t len)
{
	if (!f->store)
		return -EACCES;
	if (!buf || !len)
		return -EINVAL;
	if (len > FILE_WRITE_MAX)
		return -E2BIG;
	if (memchr(buf, '\0', len))
		return -EINVAL;
	if (!memcg_online(cg))
		return -ENODEV;
	return f->store(cg, buf, len);
}

ssize_t memcg_read(struct memcg *cg, const char *file, char *buf, size_t size)
{
	struct memcg *of = cg ? cg : group_active();
	const struct file *f = file_find(of, file);

	return f ? file_read(f, of, buf, size) : -ENOENT;
}

int memcg_write(struct memcg *cg, const char *file, const void *buf, size_t len)
{
	struct memcg *of = cg ? cg : group_active();
	const struct file *f = file_find(of, file);

	return f ? file_write(f, of, buf, len) : -ENOENT;
}
