/*
 * control.c - libFuzzer: whatever is sent to the control socket, through a real one. `make fuzz
 * SECONDS=600`.
 *
 * An input is a byte that says in how large bits it is sent, and what is sent. Then:
 *   - the answers have the form of docs/control.md, piece by piece, to the end of the connection;
 *   - there is one for each line up to the one that says bye, which is sent behind them;
 *   - another client, which was there all the time, is answered;
 *   - no reference of a group is left behind.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memcg.h>

#include "check.h"
#include "ctl/serve.h"

#define BITS 64 /* bytes that are sent piecemeal */

static char path[64];
static int other = -1;	    /* who was there before */
static struct memcg *group; /* the program's own, for something to be there */

static void remove_socket(void)
{
	memcg_serve_stop();
	unlink(path);
}

static int connect_to(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, path);
	CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

/* libFuzzer's alarm is to cut nothing short: what is read comes in parts otherwise. */
static void restart_calls(void)
{
	struct sigaction alarm;

	sigaction(SIGALRM, NULL, &alarm);
	alarm.sa_flags |= SA_RESTART;
	sigaction(SIGALRM, &alarm, NULL);
}

static void bring_up(void)
{
	restart_calls();
	snprintf(path, sizeof(path), "/tmp/fuzz-control-%d", getpid());
	atexit(remove_socket);
	group = memcg_create(NULL, "fuzz");
	CHECK(group && !memcg_serve(path));
	other = connect_to();
}

/* --- answers -------------------------------------------------------------------------------- */

struct heard {
	FILE *from;
	unsigned answers;
	bool inside; /* an answer, whose end has not come */
};

static void hear_text(struct heard *h, size_t n)
{
	static char text[SERVE_PIECE];

	CHECK(n < sizeof(text) && fread(text, 1, n, h->from) == n);
	CHECK(!n || text[n - 1] == '\n');
}

static void hear_piece(struct heard *h, const char *head)
{
	unsigned n;

	if (sscanf(head, "ok %u\n", &n) == 1) {
		h->inside = false;
		h->answers++;
	} else if (sscanf(head, "more %u\n", &n) == 1) {
		h->inside = true;
	} else {
		CHECK(sscanf(head, "event %u\n", &n) == 1 && !h->inside);
	}
	hear_text(h, n);
}

static void hear_error(struct heard *h, const char *head)
{
	char name[32];

	CHECK(sscanf(head, "err E%30[A-Z0-9] ", name) == 1 && !h->inside);
	h->answers++;
}

static struct heard hear_all(int fd)
{
	struct heard h = {.from = fdopen(fd, "r")};
	char head[1024];

	CHECK(h.from);
	while (fgets(head, sizeof(head), h.from)) {
		CHECK(strchr(head, '\n'));
		if (!strncmp(head, "err ", 4))
			hear_error(&h, head);
		else
			hear_piece(&h, head);
	}
	CHECK(!h.inside);
	fclose(h.from);
	return h;
}

/* --- questions ---------------------------------------------------------------------------------
 */

/*
 * The beginning in bits, the rest at once: each has a buffer of the system's, and nobody reads
 * answers meanwhile, so all of it must fit the socket.
 */
static void send_all(int fd, const uint8_t *data, size_t size, size_t bit)
{
	for (size_t at = 0, n; at < size; at += n) {
		n = at < BITS && bit < size - at ? bit : size - at;

		if (send(fd, data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			return; /* it has said bye */
	}
	(void)!send(fd, "\nbye\n", 5, MSG_NOSIGNAL);
}

/* Those before a bye; with the newline that is sent behind it. */
static unsigned lines_of(const uint8_t *data, size_t size)
{
	unsigned n = 0;

	for (size_t at = 0, end; at <= size; at = end + 1, n++) {
		const uint8_t *newline = memchr(data + at, '\n', size - at);

		end = newline ? (size_t)(newline - data) : size;
		if (end - at == 3 && !memcmp(data + at, "bye", 3))
			break;
	}
	return n;
}

static void ask_the_other(void)
{
	static const char line[] = "read\t/\tmemory.such\n";
	char answer[128];
	ssize_t n;

	CHECK(send(other, line, sizeof(line) - 1, MSG_NOSIGNAL) == sizeof(line) - 1);
	n = recv(other, answer, sizeof(answer), 0);
	CHECK(n > 11);
	CHECK(!memcmp(answer, "err ENOENT ", 11));
}

/* --- afterwards --------------------------------------------------------------------------------
 */

static void put_back(const char *file, const char *text)
{
	CHECK(!memcg_write(memcg_root(), file, text, strlen(text)));
}

/* The last of a walk has none below it. */
static bool remove_last(void)
{
	struct memcg *cg = NULL, *last = NULL;

	while ((cg = memcg_next(NULL, cg))) {
		if (cg == memcg_root() || cg == group)
			continue;
		memcg_put(last);
		last = memcg_get(cg);
	}
	if (!last)
		return false;
	CHECK(!memcg_destroy(last));
	return true;
}

static void put_all_back(void)
{
	static const char *const limits[] = {"memory.high",	 "memory.max",
					     "memory.swap.high", "memory.swap.max",
					     "memory.zswap.max", "cgroup.max.descendants",
					     "cgroup.max.depth"};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		put_back(limits[i], "max");
	put_back("memory.min", "0");
	put_back("memory.low", "0");
	put_back("memory.fail", "off");
	put_back("memory.accounting", "1");
	put_back("memory.balloon", "0");
	while (remove_last())
		;
	if (!memcg_online(group)) {
		CHECK(!memcg_destroy(group));
		group = memcg_create(NULL, "fuzz");
		CHECK(group);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard h;
	unsigned lines;
	int fd;

	if (!size)
		return 0;
	if (other < 0)
		bring_up();
	fd = connect_to();
	lines = lines_of(data + 1, size - 1);
	send_all(fd, data + 1, size - 1, data[0] ? data[0] : size);
	h = hear_all(fd);
	CHECK(h.answers == lines);
	ask_the_other();
	put_all_back();
	return 0;
}
