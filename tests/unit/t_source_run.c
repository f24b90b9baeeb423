/*
 * t_source_run.c - the tree of a run: what its processes say of themselves, put below their paths.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "source/proc.h"
#include "source/source.h"
#include "source_fixture.h"

/* ---- a run ---- */

static struct {
	char dir[32], place[64], link[96];
	struct slot_header *header;
	int fd;
} run;

static void begin(void)
{
	char path[64];

	strcpy(run.dir, "/tmp/t_source.XXXXXX");
	assert_non_null(mkdtemp(run.dir));
	assert_int_equal(setenv("XDG_RUNTIME_DIR", run.dir, 1), 0);
	snprintf(run.place, sizeof(run.place), "%s/memcg", run.dir);
	assert_int_equal(mkdir(run.place, 0700), 0);
	run.fd = make_run(path, F_SEAL_SHRINK, SLOT_VERSION, &run.header);
	snprintf(run.link, sizeof(run.link), "%s/%d.run", run.place, (int)getpid());
	assert_int_equal(symlink(path, run.link), 0);
}

static void end(void)
{
	munmap(run.header, slot_file_size(2));
	close(run.fd);
	unlink(run.link);
	rmdir(run.place);
	rmdir(run.dir);
}

static struct slot *add_process(pid_t pid)
{
	struct slot *s = (struct slot *)((char *)run.header + slot_offset(run.header->next++));

	s->pid = (u32)pid;
	s->start = proc_start(pid);
	s->view.max = UINT64_MAX;
	s->view.high = UINT64_MAX;
	s->state = SLOT_RUNNING;
	assert_true(s->start);
	return s;
}

static struct source *look(void)
{
	char why[256] = "";
	struct source *s = source_open(run.link, why, sizeof(why));

	if (!s)
		fail_msg("%s", why);
	return s;
}

/* ---- a process of it that answers for itself ---- */

#define HELLO "protocol\t1\nversion\t9\npid\t1\ncomm\tfake\n"

struct peer {
	char path[96];
	int listening;
	const char *rows; /* the body of its answer */
	pthread_t thread;
};

static void say(int fd, const char *body)
{
	size_t n = strlen(body);

	dprintf(fd, "ok %zu\n", n);
	while (n) {
		ssize_t sent = send(fd, body, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		body += sent;
		n -= (size_t)sent;
	}
}

/* Who only looks whether somebody listens asks nothing. */
static void *serve(void *arg)
{
	struct peer *p = arg;
	int fd;

	while ((fd = accept(p->listening, NULL, NULL)) >= 0 && !hear_line(fd))
		close(fd);
	if (fd < 0)
		return NULL;
	say(fd, HELLO);
	if (hear_line(fd))
		say(fd, p->rows);
	close(fd);
	return NULL;
}

static void peer_start(struct peer *p, const char *rows)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	p->rows = rows;
	snprintf(p->path, sizeof(p->path), "%s/%d.sock", run.place, (int)getpid());
	strcpy(at.sun_path, p->path);
	p->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(p->listening, 8), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void peer_end(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->listening);
	unlink(p->path);
}

#define DEEP 9000 /* bytes; no path of the system's is so long */

/* One group's path, however long, takes no other from sight, nor itself. */
static void a_path_of_any_length(void **state)
{
	char *deep = malloc(DEEP + 1), *answer = NULL, prefix[16];
	struct rows rows = {0};
	struct source *s;
	struct peer p;

	(void)state;
	memset(deep, 'x', DEEP);
	for (unsigned i = 0; i < DEEP; i += 100)
		deep[i] = '/';
	deep[DEEP] = '\0';
	assert_true(asprintf(&answer, "path\tid\tcurrent\n/\t1\t7\n%s\t2\t5\n/z\t3\t1\n", deep) >
		    0);
	begin();
	add_process(getpid());
	peer_start(&p, answer);
	s = look();
	assert_int_equal(source_rows(s, "/", UINT32_MAX, &rows), 0);
	assert_int_equal(rows.n, 4);
	snprintf(prefix, sizeof(prefix), "/%d", (int)getpid());
	assert_string_equal(rows.row[1].path, prefix);
	assert_int_equal(strncmp(rows.row[2].path, prefix, strlen(prefix)), 0);
	assert_string_equal(rows.row[2].path + strlen(prefix), deep);
	assert_int_equal(rows.row[2].current, 5);
	assert_int_equal(rows.row[2].parent, 1);
	assert_string_equal(rows.row[3].name, "z");
	source_close(s);
	peer_end(&p);
	rows_free(&rows);
	end();
	free(answer);
	free(deep);
}

/* ---- limits of each ---- */

/* Another one that lives until it is killed. */
static pid_t bystander(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

/* The sum is held against nothing: what is near its limit is the fullest of them. */
static void limits_of_each(void **state)
{
	pid_t other = bystander();
	struct rows rows = {0};
	struct source *s;

	(void)state;
	begin();
	run.header->max = 100 << 20;
	add_process(getpid())->view.current = 90 << 20;
	add_process(other)->view.current = 30 << 20;
	s = look();
	assert_int_equal(source_rows(s, "/", UINT32_MAX, &rows), 0);
	assert_int_equal(rows.n, 3);
	assert_int_equal(rows.row[0].current, 120 << 20);
	assert_int_equal(rows.row[0].max, 100 << 20);
	assert_int_equal(rows.row[0].each, 2);
	assert_int_equal(rows.row[0].fullest, 90 << 20);
	assert_int_equal(rows.row[1].each, 0);
	source_close(s);
	rows_free(&rows);
	end();
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_of_each),
		cmocka_unit_test(a_path_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
