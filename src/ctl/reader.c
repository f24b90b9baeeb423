/* reader.c - memcg_ctl_open and what it opens. Theory in reader.h. */
#include "ctl/reader.h"

#include <errno.h>

#include "ctl/file.h"
#include "ctl/parse.h"
#include "group/event.h"
#include "group/record.h"
#include "group/vm.h"
#include "page/page.h"
#include "reclaim/psi.h"
#include "sync/lock.h"
#include "sys/file.h"

struct memcg_ctl {
	/* Constant. */
	struct memcg *cg; /* referenced */
	const struct file *file;
	/* reader_lock. */
	struct event_watch *watch;    /* NULL: no descriptor was asked for */
	struct psi_trigger *trigger;  /* of memory.pressure: there when watch is */
	int fd;			      /* the program's end; the watch has a duplicate */
	u32 process;		      /* that made the watch: `generation` then */
	u64 peak;		      /* while on the list: what it has been given */
	struct memcg_ctl *next, **at; /* list of readers with their own peak; at NULL: not on it */
};

static struct lock reader_lock = LOCK_INIT(RANK_READER);
static u32 generation; /* of processes */

struct memcg_ctl *memcg_ctl_open(struct memcg *cg, const char *file)
{
	struct memcg *of = cg ? cg : group_active();
	const struct file *f = file_find(of, file);
	struct memcg_ctl *ctl;

	if (!f || !memcg_online(of)) {
		errno = f ? ENODEV : ENOENT;
		return NULL;
	}
	ctl = meta_alloc(sizeof(*ctl));
	if (!ctl) {
		errno = ENOMEM;
		return NULL;
	}
	*ctl = (struct memcg_ctl){.cg = memcg_get(of), .file = f};
	return ctl;
}

/* --- peaks -------------------------------------------------------------------- */

#define FILE_ANY_PEAK (FILE_PEAK | FILE_SWAP_PEAK)

/* NULL: of swap, and the group has had none so far. Its counter begins at 0, as if reset. */
static struct counter *peak_counter(const struct memcg_ctl *ctl)
{
	struct group_vm *vm;

	if (ctl->file->flags & FILE_PEAK)
		return &ctl->cg->counter;
	vm = atomic_load_acquire(&ctl->cg->vm);
	return vm ? &vm->swap : NULL;
}

/* The local peak, and for the root what it answers for without a charge. */
static u64 peak_now(const struct memcg_ctl *ctl)
{
	const struct counter *c = peak_counter(ctl);
	u64 now = ctl->file->flags & FILE_PEAK ? group_current(ctl->cg) : 0;

	return MAX(MAX(ctl->peak, c ? counter_local_peak(c) : 0), now);
}

/* False: it was never reset, and its peak is everybody's. */
static bool own_peak(struct memcg_ctl *ctl, u64 *peak)
{
	bool own;

	lock_acquire(&reader_lock);
	own = ctl->at;
	if (own)
		*peak = peak_now(ctl);
	lock_release(&reader_lock);
	return own;
}

static void list_peak_locked(struct memcg_ctl *ctl)
{
	struct memcg_ctl **first = &ctl->cg->record->peak_readers; /* memcg_ctl_write has made it */

	ctl->next = *first;
	if (ctl->next)
		ctl->next->at = &ctl->next;
	ctl->at = first;
	*first = ctl;
}

static void unlist_peak_locked(struct memcg_ctl *ctl)
{
	if (!ctl->at)
		return;
	*ctl->at = ctl->next;
	if (ctl->next)
		ctl->next->at = ctl->at;
}

/* The others get what the local peak had reached before it starts afresh. */
static void reset_peak(struct memcg_ctl *ctl)
{
	struct memcg_ctl *other;
	struct counter *c;
	u64 before = 0;

	lock_acquire(&reader_lock);
	c = peak_counter(ctl);
	if (c)
		counter_reset_local_peak(c, &before);
	for (other = group_record(ctl->cg)->peak_readers; other; other = other->next)
		if (other->file == ctl->file)
			other->peak = MAX(other->peak, before);
	ctl->peak = 0;
	if (!ctl->at)
		list_peak_locked(ctl);
	lock_release(&reader_lock);
}

/* --- news --------------------------------------------------------------------- */

static u32 mask_of(const struct file *f)
{
	if (f->flags & FILE_EVENTS)
		return BIT(EV_KERNEL_NR) - 1;
	if (f->flags & FILE_EVENTS_LOCAL)
		return EVENT_LOCAL(BIT(EV_KERNEL_NR) - 1);
	return 0; /* the end of the group alone */
}

static bool watching_locked(const struct memcg_ctl *ctl)
{
	return ctl->watch && ctl->process == generation;
}

static void drop_watch_locked(struct memcg_ctl *ctl)
{
	if (!ctl->watch)
		return;
	if (ctl->trigger)
		psi_trigger_del(ctl->trigger);
	event_watch_del(ctl->watch);
	sys_close(ctl->fd);
	ctl->trigger = NULL;
	ctl->watch = NULL;
}

/* The descriptor, or -errno. */
static int make_watch_locked(struct memcg_ctl *ctl)
{
	int fd = sys_eventfd(), end, err;

	if (fd < 0)
		return fd;
	err = end = sys_dup(fd);
	if (end < 0)
		goto close_fd;
	ctl->watch = event_watch_add(ctl->cg, mask_of(ctl->file), end);
	if (!ctl->watch) {
		err = -errno;
		goto close_end;
	}
	ctl->process = generation;
	return ctl->fd = fd;
close_end:
	sys_close(end);
close_fd:
	sys_close(fd);
	return err;
}

/* The descriptor there is, made if need be; of memory.pressure a trigger's or none. */
static int fd_locked(struct memcg_ctl *ctl)
{
	if (!watching_locked(ctl))
		drop_watch_locked(ctl);
	if (ctl->watch)
		return ctl->fd;
	return ctl->file->flags & FILE_PRESSURE ? -EOPNOTSUPP : make_watch_locked(ctl);
}

int memcg_ctl_fd(struct memcg_ctl *ctl)
{
	int saved = errno, fd;

	if (!(ctl->file->flags & FILE_NOTIFIES))
		return -EOPNOTSUPP;
	lock_acquire(&reader_lock);
	fd = fd_locked(ctl);
	lock_release(&reader_lock);
	errno = saved;
	return fd;
}

static int make_trigger_locked(struct memcg_ctl *ctl, const struct parsed_trigger *p)
{
	int end, err = make_watch_locked(ctl);

	if (err < 0)
		return err;
	err = end = sys_dup(ctl->fd);
	if (end >= 0) {
		ctl->trigger = psi_trigger_add(ctl->cg, p->full, p->stall_us, p->window_us, end);
		if (ctl->trigger)
			return 0;
		err = -errno;
		sys_close(end);
	}
	drop_watch_locked(ctl);
	return err;
}

/* One for each reader, as for each open file in the kernel. */
static int set_trigger(struct memcg_ctl *ctl, const void *buf, size_t len)
{
	struct parsed_trigger parsed;
	int saved = errno, err = parse_trigger(buf, len, &parsed);

	if (err)
		return err;
	lock_acquire(&reader_lock);
	if (!watching_locked(ctl))
		drop_watch_locked(ctl);
	err = ctl->watch ? -EBUSY : make_trigger_locked(ctl, &parsed);
	lock_release(&reader_lock);
	errno = saved;
	return err;
}

/* Unreadable first, then armed, then the caller reads: nothing falls between. */
static void rearm(struct memcg_ctl *ctl)
{
	lock_acquire(&reader_lock);
	if (watching_locked(ctl)) {
		sys_eventfd_clear(ctl->fd);
		event_watch_arm(ctl->watch);
	}
	lock_release(&reader_lock);
}

/* --- reading and writing -------------------------------------------------------- */

ssize_t memcg_ctl_read(struct memcg_ctl *ctl, char *buf, size_t size)
{
	struct text t = {.buf = buf, .size = size};
	u64 peak;

	if (!memcg_online(ctl->cg))
		return -ENODEV;
	if (ctl->file->flags & FILE_NOTIFIES)
		rearm(ctl);
	if (!(ctl->file->flags & FILE_ANY_PEAK) || !own_peak(ctl, &peak))
		return file_read(ctl->file, ctl->cg, buf, size);
	if (!buf)
		return -EINVAL;
	text_number(&t, peak);
	return t.len < size ? (ssize_t)t.len : -ERANGE;
}

int memcg_ctl_write(struct memcg_ctl *ctl, const void *buf, size_t len)
{
	bool peak = ctl->file->flags & FILE_ANY_PEAK;
	int err;

	if (peak && !group_record_make(ctl->cg))
		return -ENOMEM;
	err = file_write(ctl->file, ctl->cg, buf, len);
	if (!err && peak)
		reset_peak(ctl);
	if (!err && ctl->file->flags & FILE_PRESSURE)
		err = set_trigger(ctl, buf, len);
	return err;
}

void memcg_ctl_close(struct memcg_ctl *ctl)
{
	struct memcg *cg;

	if (!ctl)
		return;
	cg = ctl->cg;
	lock_acquire(&reader_lock);
	unlist_peak_locked(ctl);
	drop_watch_locked(ctl);
	lock_release(&reader_lock);
	meta_free(ctl, sizeof(*ctl));
	memcg_put(cg);
}

/* --- forks -------------------------------------------------------------------- */

void reader_fork_prepare(void)
{
	lock_acquire(&reader_lock);
}

void reader_fork_parent(void)
{
	lock_release(&reader_lock);
}

void reader_fork_child(void)
{
	generation++;
	lock_release(&reader_lock);
}
