/* glue.c - requests of FUSE. See glue.h. */
#include "glue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_TIMEOUT 1.0
#define DIR_TIMEOUT  0.01

static double timeout_of(const struct node *node)
{
	return node->slot ? FILE_TIMEOUT : DIR_TIMEOUT;
}

static struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct node *node_of(fuse_req_t req, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? fs_of(req)->nodes.root : (struct node *)(uintptr_t)ino;
}

/* ---- names ---- */

static void reply_entry(fuse_req_t req, int err, struct node *node, const struct stat *st)
{
	struct fuse_entry_param e = {.ino = (uintptr_t)node};

	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	e.attr = *st;
	e.attr_timeout = e.entry_timeout = timeout_of(node);
	/* Who asked may have been interrupted: then the kernel was not told. */
	if (fuse_reply_entry(req, &e) == -ENOENT)
		nodes_forget(&fs_of(req)->nodes, node, 1);
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *node = NULL;
	struct stat st;
	int err = fs_lookup(fs_of(req), node_of(req, parent), name, &node, &st);

	reply_entry(req, err, node, &st);
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct node *node = NULL;
	struct stat st;
	int err = fs_mkdir(fs_of(req), node_of(req, parent), name, &node, &st);

	(void)mode;
	reply_entry(req, err, node, &st);
}

static void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, -fs_rmdir(fs_of(req), node_of(req, parent), name));
}

static void do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t times)
{
	nodes_forget(&fs_of(req)->nodes, node_of(req, ino), times);
	fuse_reply_none(req);
}

static void do_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *of)
{
	for (size_t i = 0; i < n; i++)
		nodes_forget(&fs_of(req)->nodes, node_of(req, of[i].ino), of[i].nlookup);
	fuse_reply_none(req);
}

/* ---- attributes ---- */

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct node *node = node_of(req, ino);
	struct stat st;
	int err = fs_attr(fs_of(req), node, &st);

	(void)fi;
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_attr(req, &st, timeout_of(node));
}

/* A shell's > makes the size 0, which it is. Times may be given and mean nothing. */
static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *to, int what,
		       struct fuse_file_info *fi)
{
	(void)to;
	if (what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		fuse_reply_err(req, EPERM);
	else
		do_getattr(req, ino, fi);
}

/* ---- what cgroup does not do either, with its errors ---- */

static void do_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void do_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to,
		      const char *new_name, unsigned flags)
{
	(void)parent;
	(void)name;
	(void)to;
	(void)new_name;
	(void)flags;
	fuse_reply_err(req, EPERM);
}

static void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t to, const char *name)
{
	(void)ino;
	(void)to;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void do_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	(void)parent;
	(void)name;
	(void)dev;
	fuse_reply_err(req, S_ISREG(mode) ? EACCES : EPERM);
}

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)fi;
	fuse_reply_err(req, EACCES);
}

/* ---- files ---- */

static struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct file *f = fs_open(fs_of(req), node_of(req, ino));

	if (!f) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	fi->fh = (uintptr_t)f;
	fi->direct_io = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		fs_close(fs_of(req), f);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fs_close(fs_of(req), file_of(fi));
	fuse_reply_err(req, 0);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	const char *text;
	ssize_t n = fs_read(fs_of(req), file_of(fi), (size_t)offset, &text);

	(void)ino;
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, text, (size_t)n < size ? (size_t)n : size);
}

/* Where it is written does not matter: >> is as good as >. */
static void do_write(fuse_req_t req, fuse_ino_t ino, const char *text, size_t n, off_t offset,
		     struct fuse_file_info *fi)
{
	int err = fs_write(fs_of(req), file_of(fi), text, n);

	(void)ino;
	(void)offset;
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_write(req, n);
}

static void do_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *ph)
{
	unsigned events;
	int err = fs_poll(fs_of(req), file_of(fi), ph, &events);

	(void)ino;
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_poll(req, events);
}

static void wake(void *waiter)
{
	fuse_lowlevel_notify_poll(waiter);
}

static void drop(void *waiter)
{
	fuse_pollhandle_destroy(waiter);
}

/* ---- directories ---- */

static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int err;
	struct listing *l = listing_open(fs_of(req), node_of(req, ino), &err);

	if (!l) {
		fuse_reply_err(req, -err);
		return;
	}
	fi->fh = (uintptr_t)l;
	if (fuse_reply_open(req, fi) == -ENOENT)
		listing_close(l);
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	const struct listing *l = (struct listing *)(uintptr_t)fi->fh;
	char *buf = malloc(size);
	size_t used = 0;

	(void)ino;
	for (size_t i = (size_t)offset; buf && i < l->n; i++) {
		struct stat st = {.st_ino = l->of[i].number,
				  .st_mode = l->of[i].is_dir ? S_IFDIR : S_IFREG};
		size_t n = fuse_add_direntry(req, buf + used, size - used, l->of[i].name, &st,
					     (off_t)i + 1);

		if (n > size - used)
			break;
		used += n;
	}
	if (buf)
		fuse_reply_buf(req, buf, used);
	else
		fuse_reply_err(req, ENOMEM);
	free(buf);
}

static void do_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	listing_close((struct listing *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* ---- the session ---- */

/* Pieces of one read are to come in their order: the first one makes the text. */
static void do_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->want &= ~(unsigned)FUSE_CAP_ASYNC_DIO;
}

static const struct fuse_lowlevel_ops ops = {
	.init = do_init,
	.lookup = do_lookup,
	.forget = do_forget,
	.forget_multi = do_forget_multi,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.mknod = do_mknod,
	.mkdir = do_mkdir,
	.unlink = do_unlink,
	.rmdir = do_rmdir,
	.symlink = do_symlink,
	.rename = do_rename,
	.link = do_link,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.release = do_release,
	.opendir = do_opendir,
	.readdir = do_readdir,
	.releasedir = do_releasedir,
	.create = do_create,
	.poll = do_poll,
};

struct fuse_session *glue_session(struct fs *fs, const char *options, bool debug)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se = NULL;
	char fixed[128];

	snprintf(fixed, sizeof(fixed), "-odefault_permissions,fsname=memcg#%d,subtype=memcg",
		 (int)fs->tree.pid);
	fs->wake = wake;
	fs->drop = drop;
	if (!fuse_opt_add_arg(&args, "memcg mount") && !fuse_opt_add_arg(&args, fixed) &&
	    (!debug || !fuse_opt_add_arg(&args, "-odebug")) &&
	    (!*options || (!fuse_opt_add_arg(&args, "-o") && !fuse_opt_add_arg(&args, options))))
		se = fuse_session_new(&args, &ops, sizeof(ops), fs);
	fuse_opt_free_args(&args);
	return se;
}
