/*
 * t_source_directory.c - the directory of sockets and runs: whose it is, what a name in it says,
 * and that looking takes away only what is known to be over.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "effort.h"
#include "source/directory.h"
#include "source/source.h"
#include "source_fixture.h"

static size_t listed(void)
{
	struct entry *list;
	size_t n;

	assert_int_equal(directory_list(false, &list, &n), 0);
	free(list);
	return n;
}

static void whose_directory(void **state)
{
	char dir[] = "/tmp/t_source.XXXXXX", place[64], link[128], path[64];
	int fd = make_run(path, F_SEAL_SHRINK, SLOT_VERSION, NULL);
	struct entry *list;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	snprintf(place, sizeof(place), "%s/memcg", dir);
	assert_int_equal(directory_register(path, link, sizeof(link)), 0);
	assert_int_equal(directory_list(false, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].pid, getpid());
	free(list);
	/* Others could have put it there. */
	assert_int_equal(chmod(place, 0777), 0);
	assert_int_equal(directory_list(false, &list, &n), 0);
	assert_int_equal(n, 0);
	free(list);
	assert_true(directory_register(path, link, sizeof(link)) < 0);
	assert_int_equal(chmod(place, 0700), 0);
	/* Its file is gone, its process is not: nothing to look at, and nothing to take away. */
	close(fd);
	assert_int_equal(listed(), 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(place), 0);
	rmdir(dir);
}

static bool lists(bool others, pid_t pid)
{
	struct entry *list;
	bool found = false;
	size_t n;

	assert_int_equal(directory_list(others, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		found |= list[i].pid == pid;
	free(list);
	return found;
}

/* A /tmp of this process's own: others that list meanwhile are not to find what is made in it. */
static bool own_tmp(void)
{
	/* Memcheck has files of its own in the /tmp that there is. */
	return effort_divisor() == 1 && !geteuid() && !unshare(CLONE_NEWNS) &&
	       !mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) &&
	       !mount("t_source", "/tmp", "tmpfs", 0, "mode=1777");
}

/* Root sees what others have, in a directory that is theirs; nobody else does. The last test. */
static void whose_processes(void **state)
{
	char dir[] = "/tmp/t_source.XXXXXX", place[64], link[96], path[64];
	uid_t user = 54321;
	int fd;

	(void)state;
	if (!own_tmp())
		skip();
	fd = make_run(path, F_SEAL_SHRINK, SLOT_VERSION, NULL);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	snprintf(place, sizeof(place), "/tmp/memcg-%u", (unsigned)user);
	assert_int_equal(mkdir(place, 0700), 0);
	snprintf(link, sizeof(link), "%s/%d.run", place, (int)getpid());
	assert_int_equal(symlink(path, link), 0);
	assert_false(lists(true, getpid())); /* root's, but named for another */
	assert_int_equal(chown(place, user, (gid_t)-1), 0);
	assert_true(lists(true, getpid()));
	assert_false(lists(false, getpid()));
	assert_int_equal(seteuid(user), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/nowhere", 1), 0);
	assert_false(lists(true, getpid()));
	assert_int_equal(seteuid(0), 0);
	close(fd);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(place), 0);
	rmdir(dir);
}

/* The number of a process that has ended. */
static pid_t ended_process(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static bool stays(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void make_place(char dir[32], char place[64])
{
	strcpy(dir, "/tmp/t_source.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	snprintf(place, 64, "%s/memcg", dir);
	assert_int_equal(mkdir(place, 0700), 0);
}

/* A link to the file of a process that has ended, said to be of some namespace. */
static void link_of(const char *path, pid_t pid, const char *where)
{
	char text[128];

	snprintf(text, sizeof(text), "/proc/%d/fd/3%s", (int)pid, where);
	assert_int_equal(symlink(text, path), 0);
}

/* Looking removes what is known to be over, nothing else. */
static void looking_removes(void **state)
{
	char dir[32], place[64], path[96], here[64] = " ";
	pid_t pid = ended_process();

	(void)state;
	make_place(dir, place);
	assert_true(readlink("/proc/self/ns/pid", here + 1, sizeof(here) - 2) > 0);
	here[strcspn(here, "]") + 1] = '\0';
	snprintf(path, sizeof(path), "%s/%d.run", place, (int)pid);
	link_of(path, pid, " pid:[1]"); /* another namespace's: the number says nothing here */
	assert_int_equal(listed(), 0);
	assert_true(stays(path));
	assert_int_equal(unlink(path), 0);
	link_of(path, pid, "");
	assert_int_equal(listed(), 0);
	assert_true(stays(path));
	assert_int_equal(unlink(path), 0);
	link_of(path, pid, here);
	assert_int_equal(listed(), 0);
	assert_false(stays(path));
	assert_int_equal(rmdir(place), 0);
	rmdir(dir);
}

static int bind_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(at.sun_path));
	strcpy(at.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* A process between its bind and its listen; then one that has ended there. */
static void about_to_listen(void **state)
{
	char dir[32], place[64], path[96], old[96];
	int fd;

	(void)state;
	make_place(dir, place);
	snprintf(path, sizeof(path), "%s/%d.sock", place, (int)getpid());
	snprintf(old, sizeof(old), "%s/%d.sock", place, (int)ended_process());
	fd = bind_at(path);
	close(bind_at(old));
	assert_int_equal(listed(), 0);
	assert_true(stays(path));
	assert_false(stays(old));
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(listed(), 1);
	close(fd);
	unlink(path);
	rmdir(place);
	rmdir(dir);
}

/* With no descriptor left nothing can be seen, and nothing is known. */
static void without_descriptors(void **state)
{
	char dir[32], place[64], link[128], path[64];
	int run = make_run(path, F_SEAL_SHRINK, SLOT_VERSION, NULL);
	struct rlimit had, one;
	int lowest;

	(void)state;
	make_place(dir, place);
	assert_int_equal(directory_register(path, link, sizeof(link)), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
	one = had;
	lowest = dup(run); /* the lowest free one: the directory may be opened, and no more */
	close(lowest);
	one.rlim_cur = (rlim_t)lowest + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &one), 0);
	assert_int_equal(slots_are_at(link, getpid()), 0);
	assert_int_equal(listed(), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
	assert_true(stays(link));
	close(run);
	unlink(link);
	rmdir(place);
	rmdir(dir);
}

/* A name says nothing: a link in a socket's place, or a socket with another's number. */
static void named_for_another(void **state)
{
	char dir[32], place[64], own[96], other[96], target[16], why[256] = "";
	pid_t pid = fork();
	struct entry e;
	int fd;

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	make_place(dir, place);
	snprintf(own, sizeof(own), "%s/own", dir);
	snprintf(other, sizeof(other), "%s/%d.sock", place, (int)pid);
	snprintf(target, sizeof(target), "%d", (int)pid);
	fd = bind_at(own);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(symlink(own, other), 0);
	assert_false(directory_find(pid, &e));
	assert_int_equal(listed(), 0);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(link(own, other), 0);
	assert_true(directory_find(pid, &e));
	assert_null(source_open(target, why, sizeof(why)));
	assert_non_null(strstr(why, "listens there"));
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(own);
	unlink(other);
	rmdir(place);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whose_directory),   cmocka_unit_test(looking_removes),
		cmocka_unit_test(about_to_listen),   cmocka_unit_test(without_descriptors),
		cmocka_unit_test(named_for_another), cmocka_unit_test(whose_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
