/* t_serve.c - the control socket answers: each request, what is refused, and how. */
#include "serve_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <dirent.h>

#include "ctl/file.h"

static struct talk t;

static void connect_to(void)
{
	assert_int_equal(memcg_serve(place_path), 0);
	talk_to(&t, place_path);
}

/* --- each request ---------------------------------------------------------------------- */

/* Whose comm and command it is says nothing under valgrind. */
static void hello(void **state)
{
	char expected[64];

	(void)state;
	connect_to();
	ask(&t, "hello\n");
	assert_string_equal(t.word, "ok");
	snprintf(expected, sizeof(expected), "protocol\t1\nversion\t%s\npid\t%d\ncomm\t",
		 memcg_version(), getpid());
	assert_int_equal(strncmp(t.text, expected, strlen(expected)), 0);
	assert_non_null(strstr(t.text, "\ncommand\t"));
	assert_true(strstr(t.text, "\nback_end\tportable\n") ||
		    strstr(t.text, "\nback_end\trseq\n"));
	talk_end(&t);
}

static void files_are_read_and_written(void **state)
{
	struct memcg *cg = group(NULL, "web tenant"), *below = group(cg, "7");
	u64 max;

	(void)state;
	connect_to();
	asks_ok(&t, "read\t/web tenant/7\tmemory.max\n", "max\n");
	asks_ok(&t, "write\t/web tenant/7\tmemory.max\t64M\n", "");
	asks_ok(&t, "read\t/web tenant/7\tmemory.max\n", "67108864\n");
	assert_int_equal(memcg_get_limit(below, MEMCG_MAX, &max), 0);
	assert_int_equal(max, 64 * MIB);
	asks_err(&t, "write\t/web tenant/7\tmemory.max\tnonsense\n", "EINVAL");
	asks_err(&t, "write\t/web tenant/7\tmemory.max\t\n", "EINVAL");
	asks_err(&t, "write\t/web tenant/7\tmemory.max\n", "EINVAL");	    /* no text at all */
	asks_err(&t, "write\t/web tenant/7\tmemory.max\t1\t2\n", "EINVAL"); /* the text has a TAB */
	asks_err(&t, "write\t/\tmemory.stat\t1\n", "EACCES");
	asks_err(&t, "read\t/\tmemory.reclaim\n", "EACCES");
	asks_err(&t, "read\t/\tmemory.such\n", "ENOENT");
	asks_err(&t, "read\t/web\tmemory.max\n", "ENOENT");
	asks_err(&t, "read\tweb\tmemory.max\n", "EINVAL");
	asks_ok(&t, "read\t/web tenant/7\tmemory.max\n", "67108864\n"); /* nothing was changed */
	talk_end(&t);
	destroy(below);
	destroy(cg);
}

/* Every file that is in the table, as the table has it; and the root without what is not there. */
static void files_are_listed(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	char line[128];

	(void)state;
	connect_to();
	ask(&t, "files\t/cg\n");
	for (size_t i = 0; i < file_count; i++) {
		const struct file *f = &file_table[i];

		snprintf(line, sizeof(line), "%s\t%s%s%s\n", f->name, f->show ? "r" : "",
			 f->store ? "w" : "", f->flags & FILE_NOTIFIES ? "n" : "");
		assert_non_null(strstr(t.text, line));
	}
	assert_non_null(strstr(t.text, "cgroup.events\trn\n"));
	ask(&t, "files\t/\n");
	assert_null(strstr(t.text, "cgroup.events\t"));
	assert_non_null(strstr(t.text, "memory.reclaim\tw\n"));
	talk_end(&t);
	destroy(cg);
}

static void groups_are_made_and_removed(void **state)
{
	struct memcg *cg;

	(void)state;
	connect_to();
	asks_ok(&t, "mkdir\t/a\n", "");
	asks_ok(&t, "mkdir\t/a/b c\n", "");
	cg = memcg_lookup("/a/b c");
	assert_non_null(cg);
	asks_err(&t, "mkdir\t/a\n", "EEXIST");
	asks_err(&t, "mkdir\t/a/..\n", "EINVAL");
	asks_err(&t, "mkdir\t/a/\n", "EINVAL");
	asks_err(&t, "mkdir\tz\n", "EINVAL");
	asks_err(&t, "mkdir\t/z/y\n", "ENOENT");
	asks_err(&t, "rmdir\t/a\n", "EBUSY");
	asks_ok(&t, "rmdir\t/a/b c\n", "");
	assert_false(memcg_online(cg));
	assert_int_equal(group_refs(cg),
			 1); /* ours alone: nobody else's was dropped, none is left */
	asks_err(&t, "rmdir\t/a/b c\n", "ENOENT");
	asks_ok(&t, "rmdir\t/a\n", "");
	asks_err(&t, "rmdir\t/\n", "EINVAL");
	memcg_put(cg);
	talk_end(&t);
}

/* A group whose references the program holds goes all the same, and the program's are still good.
 */
static void what_the_program_holds_can_be_removed(void **state)
{
	struct memcg *cg = group(NULL, "held");
	void *p = alloc_in(cg, 1000);

	(void)state;
	connect_to();
	asks_ok(&t, "rmdir\t/held\n", "");
	assert_false(memcg_online(cg));
	assert_int_equal(group_refs(cg), 1);
	assert_int_equal(memcg_owner_id(p), 1);
	memcg_free(p);
	assert_int_equal(memcg_destroy(cg), 0);
	talk_end(&t);
}

/* --- rows ------------------------------------------------------------------------------ */

static void rows_are_the_tree(void **state)
{
	struct memcg *a = group(NULL, "a"), *ab = group(a, "b"), *c = group(NULL, "c");
	const char *at;

	(void)state;
	connect_to();
	ask(&t, "rows\t/\n");
	assert_int_equal(strncmp(t.text, "path\tid\tcurrent\tpeak\t", 21), 0);
	at = strstr(t.text, "\n/\t1\t");
	assert_non_null(at);
	at = strstr(at, "\n/a\t");
	assert_non_null(at);
	at = strstr(at, "\n/a/b\t");
	assert_non_null(at);
	assert_non_null(strstr(at, "\n/c\t"));
	ask(&t, "rows\t/a\n");
	assert_non_null(cell(&t, "/a/b", "id"));
	assert_null(cell(&t, "/c", "id"));
	assert_null(cell(&t, "/", "id"));
	ask(&t, "rows\t/\t1\n");
	assert_non_null(cell(&t, "/a", "id"));
	assert_non_null(cell(&t, "/c", "id"));
	assert_null(cell(&t, "/a/b", "id"));
	ask(&t, "rows\t/a\t0\n");
	assert_non_null(cell(&t, "/a", "id"));
	assert_null(cell(&t, "/a/b", "id"));
	ask(&t, "rows\t/a\t1\n");
	assert_non_null(cell(&t, "/a/b", "id"));
	asks_err(&t, "rows\t/z\n", "ENOENT");
	asks_err(&t, "rows\t/\tdeep\n", "EINVAL");
	asks_err(&t, "rows\n", "EINVAL");
	asks_err(&t, "rows\t/\t1\t2\n", "EINVAL");
	talk_end(&t);
	destroy(ab);
	destroy(a);
	destroy(c);
}

/* The columns are those of docs/control.md, in its order; each line has as many. */
static void rows_have_their_columns(void **state)
{
	static const char columns[] =
		"path\tid\tcurrent\tpeak\tmin\tlow\thigh\tmax\tswap_current\tswap_high\tswap_max\t"
		"zswap_current\tzswap_max\tanon\tfile\tshmem\tsock\tslab\tlarge\tbuffer\t"
		"kernel_stack\tpagetables\texternal\tmaps\tzswap\tcached\tmetadata\tstock\t"
		"reclaimable\tlow_events\thigh_events\tmax_events\toom\toom_kill\trefused\t"
		"sock_throttled\tpgfault\tpgmajfault\tpgscan\tpgsteal\tpswpin\tpswpout\tzswpin\t"
		"zswpout\tsome_avg10\tfull_avg10\tsome_total\tfull_total\tthreads\tchildren\t"
		"inactive_file\n";
	unsigned tabs = 0, all = 0;

	(void)state;
	connect_to();
	ask(&t, "rows\t/\n");
	assert_int_equal(strncmp(t.text, columns, sizeof(columns) - 1), 0);
	for (const char *at = columns; *at; at++)
		tabs += *at == '\t';
	for (const char *at = t.text; *at; at++)
		all += *at == '\t';
	assert_int_equal(all, 2 * tabs); /* the root's alone */
	talk_end(&t);
}

static void rows_tell_the_numbers(void **state)
{
	struct memcg *cg = group(NULL, "cg"), *below = group(cg, "below"), *before;
	struct memcg_charge *charge = memcg_charge(below, 123 * PAGE_SIZE);
	void *large = alloc_in(below, MIB);

	(void)state;
	assert_non_null(charge);
	assert_int_equal(memcg_set_limit(cg, MEMCG_LOW, 4 * PAGE_SIZE), 0);
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, 3 * MIB), 0);
	assert_int_equal(memcg_set_limit(below, MEMCG_SWAP_MAX, 5 * MIB), 0);
	assert_null(memcg_malloc_in(below, 8 * MIB));
	before = memcg_enter(below);
	connect_to();
	ask(&t, "rows\t/cg\n");
	assert_int_equal(number(&t, "/cg", "id"), memcg_id(cg));
	assert_int_equal(number(&t, "/cg", "current"), memcg_current(cg));
	assert_int_equal(number(&t, "/cg", "peak"), memcg_peak(cg));
	assert_int_equal(number(&t, "/cg", "low"), 4 * PAGE_SIZE);
	assert_int_equal(number(&t, "/cg", "max"), 3 * MIB);
	assert_string_equal(cell(&t, "/cg", "high"), "max");
	assert_string_equal(cell(&t, "/cg/below", "max"), "max");
	assert_int_equal(number(&t, "/cg/below", "swap_max"), 5 * MIB);
	assert_int_equal(number(&t, "/cg/below", "external"), 123 * PAGE_SIZE);
	assert_true(number(&t, "/cg/below", "large") >= MIB);
	assert_true(number(&t, "/cg", "large") >= MIB);
	assert_true(number(&t, "/cg", "max_events") >= 1);
	assert_int_equal(number(&t, "/cg", "max_events"), event_count(cg, EV_MAX));
	assert_int_equal(number(&t, "/cg", "refused"), 1);
	assert_int_equal(number(&t, "/cg", "children"), 1);
	assert_int_equal(number(&t, "/cg/below", "children"), 0);
	assert_int_equal(number(&t, "/cg/below", "threads"), 1);
	assert_int_equal(number(&t, "/cg", "threads"), 0);
	memcg_leave(before);
	ask(&t, "rows\t/\n");
	assert_int_equal(number(&t, "/", "children"), 1);
	assert_int_equal(number(&t, "/", "threads"), 1); /* this one: the socket's is none of it */
	assert_true(number(&t, "/", "metadata") > 0);
	assert_int_equal(number(&t, "/cg/below", "threads"), 0);
	talk_end(&t);
	memcg_uncharge(charge);
	memcg_free(large);
	destroy(below);
	destroy(cg);
}

/* --- what is no request --------------------------------------------------------------------- */

static void nonsense_is_refused(void **state)
{
	(void)state;
	connect_to();
	asks_err(&t, "\n", "EOPNOTSUPP");
	asks_err(&t, "help\n", "EOPNOTSUPP");
	asks_err(&t, "hello\tyou\n", "EINVAL");
	asks_err(&t, "hello \n", "EOPNOTSUPP");
	asks_err(&t, "read\t/\n", "EINVAL");
	asks_err(&t, "hello\r\n", "EINVAL");
	asks_err(&t, "read\t/\tmemory.\001max\n", "EINVAL");
	assert_int_equal(send(t.fd, "read\0/\0\n", 8, 0), 8);
	assert_true(hear(&t));
	assert_string_equal(t.word, "err");
	assert_int_equal(strncmp(ask(&t, "hello\n"), "protocol\t1\n", 11), 0);
	talk_end(&t);
}

/* An error is one line, whatever the request was. */
static void an_error_is_one_line(void **state)
{
	char line[4200] = "read\t/";

	(void)state;
	memset(line + 6, 'x', 4000);
	strcpy(line + 4006, "\tmemory.max\n");
	connect_to();
	asks_err(&t, line, "ENOENT");
	assert_true(strlen(t.text) < 400);
	asks_ok(&t, "read\t/\tmemory.max\n", "max\n");
	talk_end(&t);
}

/* What it says for people names what was wrong, and of what. */
static void refusals_say_what(void **state)
{
	static const char *const of[][2] = {
		{"read\t/\tmemory.stat\textra\n", "EINVAL read takes 2 arguments"},
		{"rows\n", "EINVAL rows takes 1 to 2 arguments"},
		{"mkdir\tfoo\n", "EINVAL 'foo' is no name for a group"},
		{"mkdir\t/..\n", "EINVAL '..' is no name for a group"},
		{"write\t/\tmemory.stat\t1\n", "EACCES memory.stat: it is read only"},
		{"write\t/\tmemory.such\t1\n", "ENOENT memory.such: / has no such file"},
		{"unwatch\t/\n", "ENOENT / is not watched"},
	};

	(void)state;
	connect_to();
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		ask(&t, of[i][0]);
		assert_string_equal(t.word, "err");
		if (strncmp(t.text, of[i][1], strlen(of[i][1])))
			fail_msg("'%s', not '%s'", t.text, of[i][1]);
	}
	talk_end(&t);
}

static void bye(void **state)
{
	(void)state;
	connect_to();
	say(&t, "read\t/\tmemory.max\nbye\nread\t/\tmemory.max\n");
	assert_true(hear(&t));
	assert_string_equal(t.text, "max\n");
	assert_false(hear(&t));
	talk_end(&t);
}

/* --- the thread ---------------------------------------------------------------------------- */

/* The task of that name below /proc/self/task; 0. */
static int find_thread(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	int found = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, name, strlen(name)))
			found = atoi(e->d_name);
		fclose(f);
	}
	closedir(dir);
	return found;
}

static unsigned long long blocked_signals(int tid)
{
	unsigned long long mask = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &mask) == 1)
			break;
	fclose(f);
	return mask;
}

/* Under a sanitizer there are threads and signals of its own. */
static void one_thread_with_every_signal_blocked(void **state)
{
	unsigned long long mask;
	int tid;

	(void)state;
	assert_int_equal(find_thread("memcg-control"), 0);
	connect_to();
	ask(&t, "hello\n");
	tid = find_thread("memcg-control");
	assert_true(tid);
	mask = blocked_signals(tid);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && !(mask & 1ull << (sig - 1)))
			fail_msg("signal %d is not blocked", sig);
	talk_end(&t);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_int_equal(find_thread("memcg-control"), 0);
}

/* It is nobody's: not of the threads of the root, not of those that are counted. */
static void the_thread_is_not_the_programs(void **state)
{
	char own[32];
	u32 before = task_count();

	(void)state;
	memcg_leave(memcg_enter(NULL));
	before = task_count();
	connect_to();
	ask(&t, "read\t/\tcgroup.threads\n");
	snprintf(own, sizeof(own), "%d\n", (int)gettid());
	assert_string_equal(t.text, own);
	assert_int_equal(task_count(), before);
	talk_end(&t);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_int_equal(task_count(), before);
}

static void start_and_stop(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(memcg_serve_stop(), -ESRCH);
	for (unsigned i = 0; i < effort(10); i++) {
		assert_int_equal(memcg_serve(place_path), 0);
		assert_int_equal(memcg_serve(NULL), -EALREADY);
		assert_int_equal(lstat(place_path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(memcg_serve_stop(), 0);
		assert_int_equal(lstat(place_path, &st), -1);
		assert_int_equal(memcg_serve_stop(), -ESRCH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(hello),
		SERVED(files_are_read_and_written),
		SERVED(files_are_listed),
		SERVED(groups_are_made_and_removed),
		SERVED(what_the_program_holds_can_be_removed),
		SERVED(rows_are_the_tree),
		SERVED(rows_have_their_columns),
		SERVED(rows_tell_the_numbers),
		SERVED(nonsense_is_refused),
		SERVED(an_error_is_one_line),
		SERVED(refusals_say_what),
		SERVED(bye),
		SERVED(one_thread_with_every_signal_blocked),
		SERVED(the_thread_is_not_the_programs),
		SERVED(start_and_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
