/* t_serve_client.c - clients that are slow, rude, many, or gone; and what others notice of them. */
#include "serve_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "sys/clock.h"

/* As many rows as a socket's buffers and two pieces do not hold. */
#define MANY 6000u

static struct talk t, other;
static struct memcg *many[MANY];

static void connect_both(void)
{
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
	talk_to(&other, place_path);
}

static void end_both(void)
{
	talk_end(&t);
	talk_end(&other);
}

static void make_many(void)
{
	char name[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		many[i] = group(NULL, name);
	}
}

static void destroy_many(void)
{
	for (unsigned i = 0; i < MANY; i++)
		if (many[i])
			destroy(many[i]);
}

static unsigned lines_of(const struct talk *k)
{
	unsigned n = 0;

	for (const char *at = k->text; (at = strchr(at, '\n')); at++)
		n++;
	return n;
}

/* --- lines ------------------------------------------------------------------------------- */

/* It waits for the rest; others are answered meanwhile. */
static void half_a_line(void **state)
{
	static const char line[] = "read\t/\tmemory.max\n";

	(void)state;
	connect_both();
	say(&t, "read\t/\tmemo");
	asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	asks_ok(&t, "ry.max\n", "max\n");
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		assert_int_equal(send(t.fd, line + i, 1, 0), 1);
		asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	}
	assert_true(hear(&t));
	assert_string_equal(t.text, "max\n");
	end_both();
}

static void *send_all(void *text)
{
	size_t n = strlen(text), at = 0;
	ssize_t sent = 1;

	for (; at < n && sent > 0; at += (size_t)sent)
		sent = send(t.fd, (char *)text + at, n - at, MSG_NOSIGNAL);
	return NULL;
}

/* All at once, answered in order; over several buffers of what is received. */
static void requests_in_advance(void **state)
{
	enum { N = 3000 };
	static char text[N * 32];
	struct memcg *cg = group(NULL, "cg");
	char expected[16];
	pthread_t thread;
	size_t len = 0;

	(void)state;
	connect_both();
	for (unsigned i = 0; i < N; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					i % 2 ? "read\t/cg\tmemory.max\n"
					      : "write\t/cg\tmemory.max\t%u\n",
					i * 4096);
	assert_int_equal(pthread_create(&thread, NULL, send_all, text), 0);
	for (unsigned i = 0; i < N; i++) {
		assert_true(hear(&t));
		snprintf(expected, sizeof(expected), "%u\n", (i - 1) * 4096);
		assert_string_equal(t.text, i % 2 ? expected : "");
	}
	pthread_join(thread, NULL);
	end_both();
	destroy(cg);
}

static void a_line_of_64_kib(void **state)
{
	static char line[SERVE_LINE + 1];

	(void)state;
	connect_both();
	memset(line, 'x', sizeof(line));
	memcpy(line, "write\t/\tmemory.max\t", 19);
	line[SERVE_LINE - 1] = '\n';
	line[SERVE_LINE] = '\0';
	say(&t, line);
	assert_true(hear(&t));
	assert_string_equal(t.word, "err");
	assert_int_equal(strncmp(t.text, "E2BIG ", 6), 0); /* the file's answer: still here */
	asks_ok(&t, "read\t/\tmemory.max\n", "max\n");
	end_both();
}

static void a_line_that_is_too_long(void **state)
{
	static char line[SERVE_LINE + 1];

	(void)state;
	connect_both();
	memset(line, 'x', SERVE_LINE);
	say(&t, line);
	assert_true(hear(&t));
	assert_string_equal(t.word, "err");
	assert_int_equal(strncmp(t.text, "E2BIG ", 6), 0);
	assert_false(hear(&t)); /* and it is closed */
	asks_ok(&other, "read\t/\tmemory.max\n", "max\n");
	end_both();
}

/* Who has shut down his side is answered what he asked before. */
static void the_last_questions(void **state)
{
	(void)state;
	connect_both();
	say(&t, "read\t/\tmemory.max\nread\t/\tmemory.min\nread\t/\tmemo");
	assert_int_equal(shutdown(t.fd, SHUT_WR), 0);
	assert_true(hear(&t));
	assert_string_equal(t.text, "max\n");
	assert_true(hear(&t));
	assert_string_equal(t.text, "0\n");
	assert_false(hear(&t));
	asks_ok(&other, "read\t/\tmemory.max\n", "max\n");
	end_both();
}

/* --- who does not read, and who goes ------------------------------------------------------------
 */

/* Until it has no answer more to take in, so that the other side is stopped in the middle. */
static void wait_until_full(int fd)
{
	int before = -1, now = 0;

	while (now != before || !now) {
		before = now;
		usleep(20000); /* either it grows, or it is full: a wrong guess tests less, never
				  fails */
		assert_int_equal(ioctl(fd, FIONREAD, &now), 0);
	}
}

static void a_slow_reader(void **state)
{
	(void)state;
	make_many();
	connect_both();
	say(&t, "rows\t/\n");
	wait_until_full(t.fd);
	for (unsigned i = 0; i < 50; i++)
		asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	ask(&other, "rows\t/\n");
	assert_int_equal(lines_of(&other), MANY + 2);
	assert_true(hear(&t)); /* and it gets all of it, when it comes */
	assert_int_equal(lines_of(&t), MANY + 2);
	assert_true(t.pieces > 10);
	end_both();
	destroy_many();
}

/* 64 KiB and its struct, whatever the answer; and nothing when it has gone. */
static void a_slow_reader_costs_a_piece(void **state)
{
	u64 before, during;

	(void)state;
	make_many();
	connect_both();
	asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	ask(&t, "rows\t/\n"); /* what is kept for the next one is there */
	before = number(&t, "/", "metadata");
	say(&t, "rows\t/\n");
	wait_until_full(t.fd);
	ask(&other, "rows\t/\t0\n");
	during = number(&other, "/", "metadata");
	assert_true(during <= before + 3 * SERVE_PIECE);
	end_both();
	destroy_many();
}

/* The groups of the rest go while the answer stands: no crash, no row of theirs, and the end comes.
 */
static void groups_go_during_an_answer(void **state)
{
	unsigned lines;

	(void)state;
	make_many();
	connect_both();
	say(&t, "rows\t/\n");
	wait_until_full(t.fd);
	for (unsigned i = 10; i < MANY; i++) {
		destroy(many[i]);
		many[i] = NULL;
	}
	settle();
	assert_true(hear(&t));
	lines = lines_of(&t);
	assert_true(lines >= 12 && lines < MANY);
	assert_non_null(cell(&t, "/g9", "id"));
	ask(&t, "rows\t/\n");
	assert_int_equal(lines_of(&t), 12);
	end_both();
	destroy_many();
}

/* The references of an answer that nobody takes are given back. */
static void gone_during_an_answer(void **state)
{
	(void)state;
	make_many();
	connect_both();
	say(&t, "rows\t/\nrows\t/\n");
	wait_until_full(t.fd);
	talk_end(&t);
	asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	talk_end(&other);
	assert_int_equal(memcg_serve_stop(), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(group_refs(many[i]), 2);
	destroy_many();
}

static void comes_and_goes(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&other, place_path);
	for (unsigned i = 0; i < effort(500); i++) {
		talk_to(&t, place_path);
		if (i % 4)
			say(&t, i % 4 == 1 ? "rows\t/" : i % 4 == 2 ? "rows\t/\n" : "watch\t/cg\n");
		talk_end(&t);
	}
	asks_ok(&other, "read\t/\tmemory.max\n", "max\n");
	talk_end(&other);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_int_equal(group_refs(cg), 2);
	destroy(cg);
}

/* --- a flood -------------------------------------------------------------------------------------
 */

static u32 flood_over;

static void *flood(void *arg)
{
	static const char requests[] = "read\t/\tmemory.stat\nrows\t/\nnonsense\n";
	char answers[4096];
	int fd = *(int *)arg;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (!atomic_load(&flood_over)) {
		(void)!send(fd, requests, sizeof(requests) - 1, MSG_NOSIGNAL);
		while (recv(fd, answers, sizeof(answers), 0) > 0)
			;
	}
	return NULL;
}

/* Its requests are done one by one, between those of others. */
static void a_flood(void **state)
{
	pthread_t thread;

	(void)state;
	connect_both();
	atomic_store(&flood_over, 0u);
	assert_int_equal(pthread_create(&thread, NULL, flood, &t.fd), 0);
	for (unsigned i = 0; i < effort(200); i++)
		asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	atomic_store(&flood_over, 1u);
	pthread_join(thread, NULL);
	end_both();
}

/* --- too many
 * ------------------------------------------------------------------------------------- */

static void the_65th(void **state)
{
	struct talk all[SERVE_CLIENTS];

	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	for (unsigned i = 0; i < SERVE_CLIENTS; i++) {
		talk_to(&all[i], place_path);
		asks_ok(&all[i], "read\t/\tmemory.min\n", "0\n");
	}
	talk_to(&t, place_path);
	assert_true(hear(&t));
	assert_string_equal(t.word, "err");
	assert_int_equal(strncmp(t.text, "EMFILE ", 7), 0);
	assert_false(hear(&t));
	talk_end(&t);
	asks_ok(&all[63], "read\t/\tmemory.min\n", "0\n");
	say(&all[5], "bye\n");
	assert_false(hear(&all[5]));
	talk_to(&t, place_path); /* in its place */
	asks_ok(&t, "read\t/\tmemory.min\n", "0\n");
	talk_end(&t);
	for (unsigned i = 0; i < SERVE_CLIENTS; i++)
		talk_end(&all[i]);
}

/* No descriptor for who comes: he waits, and is served when there is one. */
static void no_descriptor_for_a_client(void **state)
{
	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	sys_fault_arm(SYS_FAULT_SOCKET, 1, 0, 0, 0);
	talk_to(&t, place_path);
	asks_ok(&t, "read\t/\tmemory.min\n", "0\n");
	assert_int_equal(sys_fault_count(SYS_FAULT_SOCKET), 1);
	talk_end(&t);
}

/* Nor does it take a pause of the others to ask for who waits: 100 rounds after a second are
 * enough.
 */
static void no_descriptor_while_another_talks(void **state)
{
	struct pollfd answer = {.events = POLLIN};
	u64 begin;

	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&other, place_path);
	asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	sys_fault_arm(SYS_FAULT_SOCKET, 1, 0, 0, 0);
	talk_to(&t, place_path);
	say(&t, "read\t/\tmemory.min\n");
	for (begin = sys_clock_ns(); sys_clock_ns() - begin < 1000000000ul;)
		asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	for (unsigned i = 0; i < 100; i++)
		asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	assert_int_equal(sys_fault_count(SYS_FAULT_SOCKET), 1);
	answer.fd = t.fd;
	assert_int_equal(poll(&answer, 1, 0), 1);
	assert_true(hear(&t));
	assert_string_equal(t.text, "0\n");
	end_both();
}

static void no_poll_for_a_client(void **state)
{
	(void)state;
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&other, place_path);
	asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	sys_fault_arm(SYS_FAULT_POLL, 1, 0, 0, 0);
	talk_to(&t, place_path);
	assert_true(hear(&t));
	assert_string_equal(t.word, "err");
	assert_false(hear(&t));
	asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	end_both();
}

/* --- whose
 * ----------------------------------------------------------------------------------------- */

static void users(void **state)
{
	(void)state;
	assert_true(serve_peer_allowed(1000, 1000));
	assert_true(serve_peer_allowed(0, 1000));
	assert_true(serve_peer_allowed(0, 0));
	assert_false(serve_peer_allowed(1000, 0));
	assert_false(serve_peer_allowed(1000, 1001));
}

/* Its end is seen by the exit status: a child of a test has no assertions. */
static int as_another_user(void)
{
	struct sockaddr_un at = address(place_path);
	char text[256] = "";
	int fd;

	if (setuid(65534))
		return 2;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return 3;
	if (recv(fd, text, sizeof(text) - 1, MSG_WAITALL) <= 0)
		return 4;
	return strncmp(text, "err EACCES ", 11) || strchr(text, '\n') != text + strlen(text) - 1;
}

/* Also when the mode of the socket lets him in: the user who connected is looked at. */
static void another_user(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (geteuid()) {
		print_message("skipped: another user can be had by root alone\n");
		skip();
	}
	connect_both();
	assert_int_equal(chmod(place_dir, 0755), 0);
	assert_int_equal(chmod(place_path, 0666), 0);
	pid = fork();
	if (!pid)
		_exit(as_another_user());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	asks_ok(&other, "read\t/\tmemory.min\n", "0\n");
	end_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(half_a_line),
		SERVED(requests_in_advance),
		SERVED(a_line_of_64_kib),
		SERVED(a_line_that_is_too_long),
		SERVED(the_last_questions),
		SERVED(a_slow_reader),
		SERVED(a_slow_reader_costs_a_piece),
		SERVED(groups_go_during_an_answer),
		SERVED(gone_during_an_answer),
		SERVED(comes_and_goes),
		SERVED(a_flood),
		SERVED(the_65th),
		SERVED(no_descriptor_for_a_client),
		SERVED(no_descriptor_while_another_talks),
		SERVED(no_poll_for_a_client),
		cmocka_unit_test(users),
		SERVED(another_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
