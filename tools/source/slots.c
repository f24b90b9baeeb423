/* slots.c - see slots.h. */
#include "slots.h"

#include "inside.h"
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NR_MAX 65536u

/* ---- opening ---- */

/* /proc/PID/fd/N, by itself or as what a link says. */
static bool resolve(const char *path, char *real, size_t size, pid_t *pid)
{
	char text[64] = "", end;
	int owner, fd;
	ssize_t n;

	if (!strncmp(path, "/proc/", 6)) {
		if (strlen(path) >= sizeof(text))
			return false;
		strcpy(text, path);
	} else {
		n = readlink(path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
	}
	text[strcspn(text, " ")] = '\0'; /* behind it stands where that is so: directory.h */
	if (sscanf(text, "/proc/%d/fd/%d%c", &owner, &fd, &end) != 2 || owner <= 0)
		return false;
	*pid = owner;
	return snprintf(real, size, "/proc/%d/fd/%d", owner, fd) < (int)size;
}

/*
 * The number may be another file by now, of another process: nothing but a plain file is opened,
 * because opening a terminal or a pipe does something.
 */
static int open_file(const char *real)
{
	struct stat st;
	int fd;

	if (stat(real, &st))
		return errno == EACCES || errno == EPERM ? -EACCES : -ENOENT;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	fd = open(real, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static bool cannot_shrink(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK);
}

static int look_at_header(int fd, uint32_t *nr)
{
	struct slot_header h;
	struct stat st;

	if (!cannot_shrink(fd) || pread(fd, &h, sizeof(h), 0) != sizeof(h) || h.magic != SLOT_MAGIC)
		return -ENOENT;
	if (h.version != SLOT_VERSION || h.slot_size != SLOT_SIZE)
		return -EPROTO;
	if (!h.nr_slots || h.nr_slots > NR_MAX || fstat(fd, &st) ||
	    (uint64_t)st.st_size < slot_file_size(h.nr_slots))
		return -ENOENT;
	*nr = h.nr_slots;
	return 0;
}

static int map_file(struct slots *s, int fd)
{
	int err = look_at_header(fd, &s->nr);

	if (err)
		return err;
	s->size = slot_file_size(s->nr);
	s->dead = calloc(s->nr, 1);
	if (!s->dead)
		return -ENOMEM;
	s->header = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->header != MAP_FAILED)
		return 0;
	free(s->dead);
	return -errno;
}

int slots_open(struct slots *s, const char *path)
{
	int fd, err;

	*s = (struct slots){0};
	if (!resolve(path, s->path, sizeof(s->path), &s->pid))
		return -ENOENT;
	s->start = proc_start(s->pid);
	fd = open_file(s->path);
	if (fd < 0)
		return fd;
	err = map_file(s, fd);
	close(fd);
	return err;
}

void slots_close(struct slots *s)
{
	munmap(s->header, s->size);
	free(s->dead);
}

int slots_are_at(const char *path, pid_t pid)
{
	char real[64];
	uint32_t nr;
	pid_t owner;
	int fd, err;

	if (!resolve(path, real, sizeof(real), &owner) || owner != pid)
		return -ENOENT;
	fd = open_file(real);
	if (fd < 0)
		return fd;
	err = look_at_header(fd, &nr);
	close(fd);
	return err == -EPROTO ? 0 : err;
}

bool slots_run_lives(const struct slots *s)
{
	return s->start && proc_start(s->pid) == s->start;
}

/* ---- processes ---- */

static struct slot *slot_at(const struct slots *s, uint32_t index)
{
	return (struct slot *)((char *)s->header + slot_offset(index));
}

static uint32_t used(const struct slots *s)
{
	uint32_t next = atomic_load_acquire(&s->header->next);

	return next < s->nr ? next : s->nr;
}

static bool gone(uint32_t state)
{
	return state == SLOT_EXITED || state == SLOT_EXECED || state == SLOT_TOO_SMALL;
}

/* A slot is claimed once, so what is gone stays so. */
static bool lives(struct slots *s, uint32_t index)
{
	const struct slot *slot = slot_at(s, index);
	uint32_t state;

	if (s->dead[index])
		return false;
	state = atomic_load_acquire(&slot->state);
	if (state == SLOT_EMPTY)
		return false;
	if (gone(state) || !slot->start || proc_start((pid_t)slot->pid) != slot->start)
		s->dead[index] = 1;
	return !s->dead[index];
}

/* An exec that took a new slot and could not say so in the old one. */
static bool superseded(struct slots *s, uint32_t index, uint32_t end)
{
	const struct slot *slot = slot_at(s, index);

	for (uint32_t i = index + 1; i < end; i++) {
		const struct slot *later = slot_at(s, i);

		if (later->pid == slot->pid && later->start == slot->start &&
		    atomic_load_acquire(&later->state) != SLOT_EMPTY) {
			s->dead[index] = 1;
			return true;
		}
	}
	return false;
}

static void copy(const struct slot *slot, uint32_t index, struct process_view *out)
{
	out->index = index;
	out->pid = (pid_t)slot->pid;
	out->start = slot->start;
	memcpy(out->comm, slot->comm, sizeof(out->comm));
	memcpy(out->command, slot->command, sizeof(out->command));
	out->comm[sizeof(out->comm) - 1] = '\0';
	out->command[sizeof(out->command) - 1] = '\0';
	source_clean(out->comm);
	source_clean(out->command);
	slot_read(slot, &out->view);
	if (out->view.nr_rows > SLOT_ROWS)
		out->view.nr_rows = SLOT_ROWS;
	for (uint64_t i = 0; i < out->view.nr_rows; i++) {
		out->view.rows[i].name[SLOT_NAME_MAX - 1] = '\0';
		source_clean(out->view.rows[i].name);
	}
	if (out->view.peak < out->view.current)
		out->view.peak = out->view.current;
}

bool slots_next(struct slots *s, uint32_t *at, struct process_view *out)
{
	uint32_t end = used(s);

	for (uint32_t i = *at; i < end; i++) {
		if (!lives(s, i) || superseded(s, i, end))
			continue;
		copy(slot_at(s, i), i, out);
		*at = i + 1;
		return true;
	}
	return false;
}

bool slots_find(struct slots *s, pid_t pid, struct process_view *out)
{
	for (uint32_t i = used(s); i-- > 0;)
		if (slot_at(s, i)->pid == (uint32_t)pid && lives(s, i)) {
			copy(slot_at(s, i), i, out);
			return true;
		}
	return false;
}

const char *slots_row_name(const struct slot_row *row)
{
	return strcmp(row->name, SLOT_OTHERS) ? row->name : "(others)";
}
