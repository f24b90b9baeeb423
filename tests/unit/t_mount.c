/*
 * t_mount.c - what requests on `memcg mount` mean, asked without FUSE of a control socket: this
 * process's own.
 */
#include "serve_fixture.h"

#include <getopt.h>
#include <limits.h>
#include <time.h>

#include "mount/device.h"
#include "mount/fs.h"
#include "mount/options.h"

static struct fs fs;
static char said[512];
static unsigned woken, dropped;

static void log_it(const char *text)
{
	snprintf(said, sizeof(said), "%s", text);
}

static void wake(void *waiter)
{
	(void)waiter;
	woken++;
}

static void drop(void *waiter)
{
	(void)waiter;
	dropped++;
}

/* Each look is a question, so that what was seen a moment ago is no answer. */
static int up(void **state)
{
	char why[512];
	struct source *s;

	place_up(state);
	assert_int_equal(memcg_serve(place_path), 0);
	s = source_open(place_path, why, sizeof(why));
	if (!s)
		fail_msg("%s", why);
	assert_int_equal(fs_init(&fs, s, log_it), 0);
	fs.tree.trust = 0;
	fs.wake = wake;
	fs.drop = drop;
	woken = dropped = 0;
	said[0] = '\0';
	return 0;
}

static int down(void **state)
{
	fs_exit(&fs);
	return place_down(state);
}

#define MOUNTED(f) cmocka_unit_test_setup_teardown(f, up, down)

/* ---- short words ---- */

static struct node *find(struct node *dir, const char *name, struct stat *st)
{
	struct node *node = NULL;
	int err = fs_lookup(&fs, dir, name, &node, st);

	if (err)
		fail_msg("%s: %s", name, strerror(-err));
	return node;
}

static int lookup_err(struct node *dir, const char *name)
{
	struct node *node = NULL;
	struct stat st;

	return fs_lookup(&fs, dir, name, &node, &st);
}

static void forget(struct node *node)
{
	nodes_forget(&fs.nodes, node, 1);
}

static struct file *open_at(struct node *dir, const char *name)
{
	struct stat st;
	struct node *node = find(dir, name, &st);
	struct file *f = fs_open(&fs, node);

	assert_non_null(f);
	forget(node);
	return f;
}

static void reads(struct file *f, size_t offset, const char *expected)
{
	const char *text;
	ssize_t n = fs_read(&fs, f, offset, &text);

	assert_int_equal(n, strlen(expected));
	assert_memory_equal(text, expected, (size_t)n);
}

static int writes(struct file *f, const char *text)
{
	return fs_write(&fs, f, text, strlen(text));
}

static int sets(struct memcg *cg, const char *name, const char *text)
{
	return (int)memcg_write(cg, name, text, strlen(text));
}

static struct node *make(struct node *dir, const char *name)
{
	struct node *node = NULL;
	struct stat st;

	assert_int_equal(fs_mkdir(&fs, dir, name, &node, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	return node;
}

/* ---- names ---- */

static void attributes(void **state)
{
	struct node *web, *a, *file;
	struct stat st, of_root;

	(void)state;
	web = make(fs.nodes.root, "web");
	a = make(web, "a b\xff");
	assert_int_equal(fs_attr(&fs, web, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(fs_attr(&fs, fs.nodes.root, &of_root), 0);
	assert_int_equal(of_root.st_nlink, 3);
	assert_int_not_equal(of_root.st_ino, st.st_ino);

	file = find(web, "memory.max", &st);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_nlink, 1);
	forget(file);
	forget(find(web, "memory.current", &st));
	assert_int_equal(st.st_mode, S_IFREG | 0400);
	forget(find(web, "memory.reclaim", &st));
	assert_int_equal(st.st_mode, S_IFREG | 0200);

	/* What is not on the list that was read once is looked for on a new one. */
	web->nr_files = 1;
	forget(find(web, "memory.max", &st));
	assert_int_equal(st.st_mode, S_IFREG | 0600);

	assert_int_equal(lookup_err(web, "none"), -ENOENT);
	assert_int_equal(lookup_err(web, "memory.none"), -ENOENT);
	assert_int_equal(lookup_err(web, "a\nb"), -ENOENT);
	assert_int_equal(fs_rmdir(&fs, web, "a b\xff"), 0);
	assert_int_equal(fs_rmdir(&fs, fs.nodes.root, "web"), 0);
	forget(a);
	forget(web);
}

/* Numbers are the group's: forgotten, told of again, listed, they stay; another group has others.
 */
static void numbers(void **state)
{
	struct node *web = make(fs.nodes.root, "web"), *file;
	struct stat dir, max, current, again;

	(void)state;
	assert_int_equal(fs_attr(&fs, web, &dir), 0);
	forget(find(web, "memory.current", &current));
	forget(find(web, "memory.max", &max));
	assert_int_not_equal(max.st_ino, current.st_ino);
	forget(web);

	/* Others come meanwhile. */
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "g%d", i);
		forget(make(fs.nodes.root, name));
		assert_int_equal(fs_rmdir(&fs, fs.nodes.root, name), 0);
	}
	web = find(fs.nodes.root, "web", &again);
	assert_int_equal(again.st_ino, dir.st_ino);
	file = find(web, "memory.max", &again);
	assert_int_equal(again.st_ino, max.st_ino);
	assert_ptr_equal(find(web, "memory.max", &again), file);
	nodes_forget(&fs.nodes, file, 2);
	forget(web);
	assert_int_equal(fs.nodes.n, 0);

	assert_int_equal(fs_rmdir(&fs, fs.nodes.root, "web"), 0);
	forget(make(fs.nodes.root, "web"));
	forget(find(fs.nodes.root, "web", &again));
	assert_int_not_equal(again.st_ino, dir.st_ino);
	assert_int_equal(fs_rmdir(&fs, fs.nodes.root, "web"), 0);
}

static void many_nodes(void **state)
{
	enum { N = 3000 };
	static struct node *node[N];
	struct nodes nodes;
	char path[16];

	(void)state;
	assert_int_equal(nodes_init(&nodes, 1), 0);
	for (unsigned i = 0; i < N; i++) {
		snprintf(path, sizeof(path), "/%u", i);
		node[i] = nodes_tell(&nodes, path, i + 2, i % 3);
		assert_non_null(node[i]);
	}
	for (unsigned i = 0; i < N; i++) {
		snprintf(path, sizeof(path), "/%u", i);
		assert_ptr_equal(nodes_tell(&nodes, path, i + 2, i % 3), node[i]);
		nodes_forget(&nodes, node[i], 1 + i % 2);
	}
	assert_int_equal(nodes.n, N / 2);
	nodes_exit(&nodes);
}

/* A group that went, and one that has its path now: what was opened is of neither. */
static void those_that_went(void **state)
{
	struct memcg *cg = group(NULL, "web");
	struct stat st;
	struct node *web = find(fs.nodes.root, "web", &st);
	struct file *f = open_at(web, "memory.max"), *unread = open_at(web, "memory.current");
	const char *text;
	int err;

	(void)state;
	reads(f, 0, "max\n");
	destroy(cg);
	assert_int_equal(fs_attr(&fs, web, &st), -ENOENT);
	assert_int_equal(lookup_err(fs.nodes.root, "web"), -ENOENT);
	assert_int_equal(lookup_err(web, "memory.max"), -ENOENT);
	assert_int_equal(fs_read(&fs, f, 0, &text), -ENODEV);

	cg = group(NULL, "web");
	assert_int_equal(fs_attr(&fs, web, &st), -ENOENT);
	assert_int_equal(fs_read(&fs, f, 0, &text), -ENODEV);
	assert_int_equal(fs_read(&fs, unread, 3, &text), -ENODEV);
	assert_int_equal(writes(f, "4096\n"), -ENODEV);
	assert_null(listing_open(&fs, web, &err));
	assert_int_equal(err, -ENOENT);
	assert_int_equal(fs_rmdir(&fs, web, "x"), -ENOENT);
	reads(f, 2, "x\n"); /* of what was read there is the rest */
	fs_close(&fs, f);
	f = open_at(fs.nodes.root, "memory.max");
	fs_close(&fs, f);
	forget(web);
	destroy(cg);
}

static bool is_listed(const struct listing *l, const char *name, uint64_t number, bool is_dir)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->of[i].name, name))
			return l->of[i].number == number && l->of[i].is_dir == is_dir;
	return false;
}

static void listed(void **state)
{
	struct node *web = make(fs.nodes.root, "web"), *b;
	struct stat st_b, st_max;
	struct listing *l;
	int err;

	(void)state;
	forget(make(web, "a"));
	b = make(web, "b");
	forget(make(b, "deeper"));
	assert_int_equal(fs_attr(&fs, b, &st_b), 0);
	forget(find(web, "memory.max", &st_max));
	l = listing_open(&fs, web, &err);
	assert_non_null(l);
	assert_string_equal(l->of[0].name, ".");
	assert_string_equal(l->of[1].name, "..");
	assert_true(is_listed(l, "b", st_b.st_ino, true));
	assert_true(is_listed(l, "memory.max", st_max.st_ino, false));
	assert_false(is_listed(l, "deeper", 0, true));
	assert_string_equal(l->of[l->n - 2].name, "a");
	assert_string_equal(l->of[l->n - 1].name, "b");
	listing_close(l);
	assert_int_equal(fs_rmdir(&fs, b, "deeper"), 0);
	assert_int_equal(fs_rmdir(&fs, web, "b"), 0);
	assert_int_equal(fs_rmdir(&fs, web, "a"), 0);
	assert_int_equal(fs_rmdir(&fs, fs.nodes.root, "web"), 0);
	forget(b);
	forget(web);
}

/* ---- files ---- */

static void one_text_for_each_reader(void **state)
{
	struct memcg *cg = group(NULL, "web");
	struct stat st;
	struct node *web = find(fs.nodes.root, "web", &st);
	struct file *f = open_at(web, "memory.max"), *other = open_at(web, "memory.max");

	(void)state;
	assert_int_equal(sets(cg, "memory.max", "1048576"), 0);
	reads(f, 0, "1048576\n");
	assert_int_equal(sets(cg, "memory.max", "4194304"), 0);
	reads(f, 3, "8576\n");
	reads(f, 8, "");
	reads(f, 99, "");
	reads(other, 0, "4194304\n");
	reads(f, 0, "4194304\n");
	forget(web);
	destroy(cg);
}

/* What the library says is what the shell hears, and the log has it in words. */
static void errors(void **state)
{
	struct memcg *cg = group(NULL, "web"), *child = group(cg, "child");
	struct stat st;
	struct node *web = find(fs.nodes.root, "web", &st), *made;
	struct file *f = open_at(web, "memory.max");
	const char *text;
	int refused;

	(void)state;
	assert_int_equal(writes(f, "5M\n"), 0);
	reads(f, 0, "5242880\n");
	assert_int_equal(writes(f, "much"), -EINVAL);
	assert_non_null(strstr(said, "memory.max of /web"));
	assert_int_equal(writes(f, "1M\n2M\n"), -EINVAL);
	assert_int_equal(fs_write(&fs, f, "4\0M", 3), -EINVAL);
	reads(f, 0, "5242880\n");
	fs_close(&fs, f);

	f = open_at(web, "memory.current");
	assert_int_equal(writes(f, "0"), sets(cg, "memory.current", "0"));
	fs_close(&fs, f);
	f = open_at(web, "memory.reclaim");
	assert_true(fs_read(&fs, f, 0, &text) < 0);
	assert_int_equal(writes(f, "1G"), sets(cg, "memory.reclaim", "1G"));
	fs_close(&fs, f);

	assert_int_equal(fs_rmdir(&fs, fs.nodes.root, "web"), -EBUSY);
	assert_int_equal(fs_mkdir(&fs, fs.nodes.root, "web", &made, &st), -EEXIST);
	assert_int_equal(fs_mkdir(&fs, web, "a\tb", &made, &st), -EINVAL);
	assert_int_equal(sets(cg, "cgroup.max.descendants", "1"), 0);
	assert_null(memcg_create(cg, "more"));
	refused = errno;
	assert_int_equal(fs_mkdir(&fs, web, "more", &made, &st), -refused);
	forget(web);
	destroy(child);
	destroy(cg);
}

/* ---- events ---- */

/* Until somebody was woken: the socket's thread takes its time. */
static void wait_for_wakes(unsigned n)
{
	time_t end = time(NULL) + PATIENCE_S;

	while (woken < n) {
		struct pollfd fd = {.fd = source_fd(fs.tree.source), .events = POLLIN};

		assert_true(time(NULL) < end);
		poll(&fd, 1, 1000);
		assert_int_equal(fs_events(&fs), 0);
	}
}

#define NOTHING (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
#define TOLD	(NOTHING | POLLPRI | POLLERR)

static void polled(struct file *f, unsigned expected)
{
	unsigned events;

	assert_int_equal(fs_poll(&fs, f, &fs, &events), 0);
	assert_int_equal(events, expected);
}

static void events(void **state)
{
	struct memcg *cg = group(NULL, "web");
	struct stat st;
	struct node *web = find(fs.nodes.root, "web", &st);
	struct file *f = open_at(web, "memory.events"), *max = open_at(web, "memory.max");
	const char *text;
	ssize_t n;

	(void)state;
	assert_true(fs_read(&fs, f, 0, &text) > 0);
	polled(f, NOTHING);
	polled(max, NOTHING);
	polled(f, NOTHING); /* the waiter before is not kept */
	assert_int_equal(dropped, 1);
	assert_int_equal(sets(cg, "memory.max", "65536"), 0);
	assert_null(memcg_malloc_in(cg, 1 << 20));
	wait_for_wakes(1);
	polled(f, TOLD);
	polled(max, NOTHING);
	n = fs_read(&fs, f, 0, &text);
	assert_true(n > 0);
	assert_null(memmem(text, (size_t)n, "max 0\n", 6));

	/* All of its files tell that a group went. */
	woken = 0;
	destroy(cg);
	wait_for_wakes(2);
	polled(max, TOLD);
	polled(f, TOLD);
	assert_int_equal(fs_read(&fs, f, 0, &text), -ENODEV);
	forget(web);
}

/* ---- the program's end ---- */

static void the_end(void **state)
{
	struct stat st;
	struct file *f = open_at(fs.nodes.root, "memory.max");
	const char *text;

	(void)state;
	reads(f, 0, "max\n");
	assert_int_equal(fs_events(&fs), 0);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_int_equal(fs_events(&fs), -ENOTCONN);
	assert_int_equal(fs_events(&fs), -ENOTCONN);
	assert_int_equal(fs_read(&fs, f, 0, &text), -ENOTCONN);
	assert_int_equal(writes(f, "1G"), -ENOTCONN);
	assert_int_equal(fs_attr(&fs, fs.nodes.root, &st), -ENOTCONN);
}

/* One that listens again is the same program: it goes on, and who waits has to look. */
static void hung_up(void **state)
{
	struct file *f = open_at(fs.nodes.root, "memory.events");
	const char *text;

	(void)state;
	assert_true(fs_read(&fs, f, 0, &text) > 0);
	polled(f, NOTHING);
	assert_int_equal(memcg_serve_stop(), 0);
	assert_int_equal(memcg_serve(place_path), 0);
	wait_for_wakes(1);
	polled(f, TOLD);
	assert_true(fs_read(&fs, f, 0, &text) > 0);
	polled(f, NOTHING);
	assert_false(fs.tree.ended);
}

/* ---- before anything is mounted ---- */

static void closed_devices(void **state)
{
	struct sockaddr_un at;
	char why[512], whole[PATH_MAX];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	place_up(state);
	assert_false(device_check(place_path, "", true, why, sizeof(why)));
	assert_non_null(strstr(why, "modprobe fuse"));
	at = address(place_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_false(device_check(place_path, "", true, why, sizeof(why)));
	assert_non_null(strstr(why, "--device /dev/fuse")); /* ENXIO */
	close(fd);
	assert_true(device_check("/dev/null", "", true, why, sizeof(why)));
	assert_false(device_check("/dev/null", "/nowhere:/nor:here", false, why, sizeof(why)));
	assert_non_null(strstr(why, "apt install fuse3"));

	assert_true(device_check_dir(place_dir, whole, why, sizeof(why)));
	assert_int_equal(whole[0], '/');
	assert_false(device_check_dir(place_path, whole, why, sizeof(why)));
	assert_non_null(strstr(why, "must be a directory"));
	place_down(state);
}

static int parsed(struct options *o, const char *a, const char *b, const char *c)
{
	char *argv[] = {"mount", (char *)a, (char *)b, (char *)c, NULL};
	int argc = 0;

	while (argv[argc])
		argc++;
	optind = 0; /* getopt begins again */
	return options_parse(argc, argv, o);
}

static void options(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parsed(&o, "/m", "12", NULL), -1);
	assert_string_equal(o.dir, "/m");
	assert_string_equal(o.target, "12");
	assert_false(o.foreground);
	assert_int_equal(parsed(&o, "-d", "/m", NULL), -1);
	assert_true(o.foreground && o.debug);
	assert_int_equal(parsed(&o, "-oro,noexec", "-onosuid", "/m"), -1);
	assert_string_equal(o.fuse, "ro,noexec,nosuid");
	assert_int_equal(parsed(&o, "-oro,allow_other", "/m", NULL), 2);
	assert_int_equal(parsed(&o, "-oallow_root", "/m", NULL), 2);
	assert_int_equal(parsed(&o, "-f", NULL, NULL), 2);
	assert_int_equal(parsed(&o, "/m", "1", "2"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOUNTED(attributes),
		MOUNTED(numbers),
		MOUNTED(those_that_went),
		MOUNTED(listed),
		MOUNTED(one_text_for_each_reader),
		MOUNTED(errors),
		MOUNTED(events),
		MOUNTED(the_end),
		MOUNTED(hung_up),
		cmocka_unit_test(many_nodes),
		cmocka_unit_test(closed_devices),
		cmocka_unit_test(options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
