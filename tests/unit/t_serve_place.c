/* t_serve_place.c - where the socket is, whose it is, and what becomes of it in a fork. */
#include "fork_fixture.h"
#include "serve_fixture.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "ctl/conf.h"
#include "sys/clock.h"
#include "sys/unix.h"

static struct talk t;
static struct stat st;

static bool is_there(const char *path)
{
	return !lstat(path, &st);
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* A socket that nobody listens on: what is left of a process that was killed. */
static void make_stale(const char *path)
{
	struct sockaddr_un at = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
}

/* --- paths that are given ------------------------------------------------------------------ */

static void bad_paths(void **state)
{
	char path[200];

	(void)state;
	assert_int_equal(memcg_serve(""), -EINVAL);
	assert_int_equal(memcg_serve("name"), -EINVAL);
	assert_int_equal(memcg_serve("/tmp/"), -EINVAL);
	assert_int_equal(memcg_serve("/tmp/.."), -EINVAL);
	assert_int_equal(memcg_serve("/no/such/place/s"), -ENOENT);
	assert_int_equal(memcg_serve("/dev/null/s"), -ENOTDIR);
	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[108] = '\0';
	assert_int_equal(memcg_serve(path), -ENAMETOOLONG);
	path[5 + SYS_UNIX_NAME] = '\0';
	assert_int_equal(memcg_serve(path), -ENAMETOOLONG);
	assert_int_equal(memcg_serve_stop(), -ESRCH);
}

/* Its mode is 0600 whatever the umask says. */
static void the_mode(void **state)
{
	mode_t before = umask(0);

	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	assert_true(is_there(place_path));
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(memcg_serve_stop(), 0);
	umask(0777);
	assert_int_equal(memcg_serve(place_path), 0);
	umask(before);
	assert_int_equal(memcg_serve_stop(), 0);
}

/* Nothing is followed, nothing is replaced that is no socket of ours. */
static void what_has_the_name(void **state)
{
	char aim[96];

	(void)state;
	snprintf(aim, sizeof(aim), "%s/aim", place_dir);
	make_file(place_path);
	assert_int_equal(memcg_serve(place_path), -EADDRINUSE);
	assert_true(is_there(place_path) && S_ISREG(st.st_mode));
	unlink(place_path);
	assert_int_equal(symlink(aim, place_path), 0); /* to nothing: it would be made there */
	assert_int_equal(memcg_serve(place_path), -EADDRINUSE);
	assert_false(is_there(aim));
	make_stale(aim); /* and to a socket that would be replaced */
	assert_int_equal(memcg_serve(place_path), -EADDRINUSE);
	assert_true(is_there(place_path) && S_ISLNK(st.st_mode));
	assert_true(is_there(aim));
	unlink(aim);
	unlink(place_path);
	assert_int_equal(memcg_serve(place_path), 0);
}

static void what_a_killed_process_left(void **state)
{
	(void)state;
	make_stale(place_path);
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
	asks_ok(&t, "read\t/\tmemory.max\n", "max\n");
	talk_end(&t);
}

/* Also one that does not answer: it has been asked, and that is enough. */
static void somebody_is_there(void **state)
{
	struct sockaddr_un at = address(place_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 0), 0);
	for (unsigned i = 0; i < 3; i++) /* more than it has room for */
		assert_int_equal(memcg_serve(place_path), -EADDRINUSE);
	assert_true(is_there(place_path));
	close(fd);
	assert_int_equal(memcg_serve(place_path), 0);
}

/* Only its own name is removed at the end. */
static void another_has_the_name_by_then(void **state)
{
	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	unlink(place_path);
	make_file(place_path);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_true(is_there(place_path));
}

/* --- the default ------------------------------------------------------------------------------ */

static int default_up(void **state)
{
	place_up(state);
	strcpy(conf.runtime_dir, place_dir);
	return 0;
}

static int default_down(void **state)
{
	char path[96];

	memcg_serve_stop();
	snprintf(path, sizeof(path), "%s/memcg", place_dir);
	if (rmdir(path))
		unlink(path);
	conf.runtime_dir[0] = '\0';
	return place_down(state);
}

#define DEFAULT(f) cmocka_unit_test_setup_teardown(f, default_up, default_down)

static void the_default_place(void **state)
{
	char path[128];

	(void)state;
	assert_int_equal(memcg_serve(NULL), 0);
	snprintf(path, sizeof(path), "%s/memcg", place_dir);
	assert_true(is_there(path));
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/memcg/%d.sock", place_dir, getpid());
	talk_to(&t, path);
	asks_ok(&t, "read\t/\tmemory.max\n", "max\n");
	talk_end(&t);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_false(is_there(path));
}

static void a_directory_that_others_may_write(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/memcg", place_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 01777), 0);
	assert_int_equal(memcg_serve(NULL), -EPERM);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(memcg_serve(NULL), -EPERM);
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(memcg_serve(NULL), 0);
}

static void a_directory_of_another_user(void **state)
{
	char path[96];

	(void)state;
	if (geteuid()) {
		print_message("skipped: another user can be had by root alone\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/memcg", place_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(memcg_serve(NULL), -EPERM);
}

/* Wherever it leads, also to a directory of this user's. */
static void a_directory_that_is_a_link(void **state)
{
	char path[96], aim[96], made[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/memcg", place_dir);
	snprintf(aim, sizeof(aim), "%s/aim", place_dir);
	assert_int_equal(mkdir(aim, 0700), 0);
	assert_int_equal(symlink(aim, path), 0);
	assert_int_equal(memcg_serve(NULL), -ENOTDIR);
	snprintf(made, sizeof(made), "%s/%d.sock", aim, getpid());
	assert_false(is_there(made));
	assert_int_equal(rmdir(aim), 0);
}

/* --- what cannot be had
 * --------------------------------------------------------------------------- */

/* Each call of each kind fails in turn, until all goes well; nothing is left each time. */
static void nothing_is_left(void **state)
{
	static const enum sys_call calls[] = {SYS_FAULT_SOCKET, SYS_FAULT_BIND,
					      SYS_FAULT_POLL,	SYS_FAULT_OPEN,
					      SYS_FAULT_THREAD, SYS_FAULT_EVENTFD};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		unsigned failed = 0;
		int err = -1;

		for (u64 nth = 1; err; nth++) {
			int fds = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

			close(fds);
			sys_fault_arm(calls[i], nth, 0, 0, 0);
			err = memcg_serve(place_path);
			sys_fault_disarm_all();
			failed += err != 0;
			if (!err)
				assert_int_equal(memcg_serve_stop(), 0);
			assert_false(is_there(place_path));
			after = open("/dev/null", O_RDONLY | O_CLOEXEC);
			assert_int_equal(after, fds);
			close(after);
			for (int fd = 512; fd < 530; fd++)
				assert_int_equal(fcntl(fd, F_GETFD), -1);
		}
		assert_true(failed);
	}
}

/* Its descriptors are out of the program's way, and go with an exec. */
static void descriptors(void **state)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
	asks_ok(&t, "watch\t/\n", "");
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(after, t.fd + 1);
	assert_int_equal(t.fd, before + 1);
	for (int fd = 512; fd < 530; fd++) {
		int flags = fcntl(fd, F_GETFD);

		assert_true(flags < 0 || flags & FD_CLOEXEC);
	}
	close(after);
	close(before);
	talk_end(&t);
}

/* A program that closes whatever there is ends it; it does not end the program, or spin. */
static void the_program_closes_everything(void **state)
{
	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
	asks_ok(&t, "read\t/\tmemory.min\n", "0\n");
	for (int fd = 512; fd < 530; fd++)
		close(fd);
	talk_end(&t);
	assert_int_equal(memcg_serve_stop(), 0);
	unlink(place_path); /* by its directory's descriptor it cannot be removed any more */
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
	asks_ok(&t, "read\t/\tmemory.min\n", "0\n");
	talk_end(&t);
}

/* The numbers are other files of the program's by then: events, as our bell, and null. */
static void take_the_numbers(void)
{
	for (int fd = 512; fd < 530; fd++)
		close(fd);
	for (int fd = 512; fd < 530; fd++) {
		int any = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		assert_int_equal(dup2(any, fd), fd);
		close(any);
	}
}

/* 0, or which is not the program's any more, or was written to. */
static int who_is_touched(void)
{
	for (int fd = 512; fd < 530; fd++) {
		unsigned long long n;

		if (fcntl(fd, F_GETFD) < 0)
			return fd - 511;
		if (read(fd, &n, sizeof(n)) >= 0 || errno != EAGAIN)
			return fd - 511;
	}
	return 0;
}

static void forks_and_touches_nothing(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(who_is_touched());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(who_is_touched(), 0);
}

/* A fork and the end touch none of them, whether the thread has noticed or not. */
static void the_numbers_are_the_programs(void **state)
{
	int err = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		u64 begin = sys_clock_ns();

		assert_int_equal(memcg_serve(place_path), 0);
		talk_to(&t, place_path);
		asks_ok(&t, "watch\t/\n", "");
		take_the_numbers();
		forks_and_touches_nothing();
		while (i && (err = memcg_serve("/nowhere/s")) == -EALREADY) {
			assert_true(sys_clock_ns() - begin < PATIENCE_S * 1000000000ul);
			sys_sleep_ns(10000000);
		}
		forks_and_touches_nothing();
		assert_int_equal(memcg_serve_stop(), i ? -ESRCH : 0);
		forks_and_touches_nothing();
		unlink(place_path);
		for (int fd = 512; fd < 530; fd++)
			close(fd);
		talk_end(&t);
	}
	assert_int_equal(err, -ENOENT);
}

/* --- forks ---------------------------------------------------------------------------------------
 */

/* 0, or where it went wrong: a child has no assertions. */
static int in_the_child(const char *own)
{
	if (memcg_serve_stop() != -ESRCH)
		return 2;
	if (send(t.fd, "read\t/\tmemory.min\n", 18, 0) != 18)
		return 3; /* the connection is the parent's: it answers */
	for (int fd = 512; fd < 530; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 4;
	if (!THREADS_AFTER_FORK)
		return 0;
	if (memcg_serve(own))
		return 5;
	return memcg_serve_stop() ? 6 : 0;
}

static void a_child_has_none(void **state)
{
	char own[96];
	pid_t pid;
	int status;

	(void)state;
	snprintf(own, sizeof(own), "%s/child", place_dir);
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
	asks_ok(&t, "watch\t/\n", "");
	pid = fork();
	if (!pid)
		_exit(in_the_child(own));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(hear(&t)); /* what the child asked on its connection */
	assert_string_equal(t.text, "0\n");
	assert_true(is_there(place_path));
	asks_ok(&t, "read\t/\tmemory.max\n", "max\n");
	talk_end(&t);
}

/* The name goes when the process ends by itself, and its child's end does not take it. */
static int serve_and_exit(bool fork_first)
{
	if (memcg_serve(place_path))
		_exit(2);
	if (fork_first && !fork())
		exit(0);
	if (fork_first)
		while (wait(NULL) > 0)
			;
	if (!is_there(place_path))
		_exit(3);
	exit(0);
}

static void the_end_of_a_process(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			serve_and_exit(i);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_false(is_there(place_path));
	}
}

/* While answers are being made: the child finds everything whole, and the parent goes on. */
static void forks_meanwhile(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
	for (unsigned i = 0; i < effort(60); i++) {
		pid_t pid;
		int status;

		say(&t, "rows\t/\nwatch\t/cg\nread\t/\tmemory.stat\nunwatch\t/cg\nrows\t/\n");
		pid = fork();
		if (!pid)
			_exit(memcg_serve_stop() == -ESRCH ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		for (unsigned k = 0; k < 5; k++) {
			assert_true(hear(&t));
			assert_string_equal(t.word, "ok");
		}
	}
	talk_end(&t);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_int_equal(group_refs(cg), 2);
	destroy(cg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(bad_paths),
		SERVED(the_mode),
		SERVED(what_has_the_name),
		SERVED(what_a_killed_process_left),
		SERVED(somebody_is_there),
		SERVED(another_has_the_name_by_then),
		DEFAULT(the_default_place),
		DEFAULT(a_directory_that_others_may_write),
		DEFAULT(a_directory_of_another_user),
		DEFAULT(a_directory_that_is_a_link),
		SERVED(nothing_is_left),
		SERVED(descriptors),
		SERVED(the_program_closes_everything),
		SERVED(the_numbers_are_the_programs),
		SERVED(a_child_has_none),
		SERVED(the_end_of_a_process),
		SERVED(forks_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
