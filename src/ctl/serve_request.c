/* serve_request.c - the table of requests, and what the short ones do. docs/control.md */
#include <errno.h>
#include <string.h>

#include "ctl/file.h"
#include "ctl/serve.h"
#include "sync/percpu.h"
#include "sys/file.h"
#include "sys/id.h"

#define COMMAND_MOST 4096

struct verb {
	const char *name;
	unsigned least, most; /* arguments; the last of `most` 3 is the rest of the line */
	int (*answer)(struct serve_call *call);
};

/* --- for all ------------------------------------------------------------------------------- */

struct memcg *serve_group(struct serve_call *call, unsigned arg, int *err)
{
	struct memcg *cg = memcg_lookup(call->arg[arg]);
	struct text why = {.buf = call->why, .size = sizeof(call->why)};

	if (cg)
		return cg;
	*err = -errno;
	text_say(&why, *err == -EINVAL ? "'%.200s': a path begins with /" : "%.200s: no such group",
		 call->arg[arg]);
	return NULL;
}

/* --- hello ------------------------------------------------------------------------------- */

static void say_value(struct text *t, const char *name, const char *value)
{
	text_say(t, "%s\t%s\n", name, value);
}

/* What another process says about itself is one line here, whatever it says. */
static void make_line(char *text, size_t len)
{
	while (len && (text[len - 1] == '\0' || text[len - 1] == '\n'))
		len--;
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0')
			text[i] = ' ';
		else if ((u8)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
}

static void say_proc(struct text *t, const char *name, const char *path)
{
	char value[COMMAND_MOST];
	int n = sys_read_text(path, value, sizeof(value));

	make_line(value, n == -EFBIG ? sizeof(value) - 1 : (size_t)MAX(n, 0));
	say_value(t, name, value);
}

static int hello(struct serve_call *call)
{
	text_say(call->t, "protocol\t%d\n", SERVE_PROTOCOL);
	say_value(call->t, "version", memcg_version());
	text_say(call->t, "pid\t%u\n", sys_process_id());
	say_proc(call->t, "comm", "/proc/self/comm");
	say_proc(call->t, "command", "/proc/self/cmdline");
	say_value(call->t, "back_end", pcpu_backend == PCPU_RSEQ ? "rseq" : "portable");
	return 0;
}

/* --- changing ------------------------------------------------------------------------------ */

/* What the errno of a file means, said of that file. A wrong value is what errno calls it. */
static int say_file(struct serve_call *call, int err)
{
	struct text why = {.buf = call->why, .size = sizeof(call->why)};

	if (err == -EACCES)
		text_say(&why, "%.60s: it is read only", call->arg[1]);
	else if (err == -ENOENT)
		text_say(&why, "%.60s: %.150s has no such file", call->arg[1], call->arg[0]);
	return err;
}

static int write_file(struct serve_call *call)
{
	struct memcg *cg;
	int err;

	cg = serve_group(call, 0, &err);
	if (!cg)
		return err;
	err = memcg_write(cg, call->arg[1], call->arg[2], call->len[2]);
	group_put(cg);
	return say_file(call, err);
}

static int no_name(struct serve_call *call, const char *name)
{
	struct text why = {.buf = call->why, .size = sizeof(call->why)};

	text_say(&why, "'%.100s' is no name for a group: 1 to 255 bytes, not . or .., no /", name);
	return -EINVAL;
}

/* The reference of who makes a group is not kept: it is there until somebody removes it. */
static int make_group(struct serve_call *call)
{
	char *slash = strrchr(call->arg[0], '/');
	struct memcg *parent, *cg;
	int err;

	if (!slash || !slash[1])
		return no_name(call, slash ? "" : call->arg[0]);
	*slash = '\0';
	if (slash == call->arg[0])
		call->arg[0] = "/";
	parent = serve_group(call, 0, &err);
	if (!parent)
		return err;
	cg = memcg_create(parent, slash + 1);
	err = cg ? 0 : -errno;
	if (err == -EINVAL)
		err = no_name(call, slash + 1);
	group_put(parent);
	group_put(cg);
	return err;
}

/* The program's references stay its own: the one that is given up is that of the look-up. */
static int remove_group(struct serve_call *call)
{
	struct memcg *cg;
	int err;

	cg = serve_group(call, 0, &err);
	if (!cg)
		return err;
	err = memcg_destroy(cg);
	if (err)
		group_put(cg);
	return err;
}

static int bye(struct serve_call *call)
{
	call->client->over = true;
	return 0;
}

static const struct verb verbs[] = {
	{"hello", 0, 0, hello},
	{"rows", 1, 2, serve_rows},
	{"read", 2, 2, serve_read},
	{"write", 3, 3, write_file},
	{"files", 1, 1, serve_files},
	{"mkdir", 1, 1, make_group},
	{"rmdir", 1, 1, remove_group},
	{"move", 2, 3, serve_move},
	{"watch", 1, 1, serve_watch},
	{"unwatch", 1, 1, serve_unwatch},
	{"bye", 0, 0, bye},
};

/* --- taking a line apart ----------------------------------------------------------------- */

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* The next word up to a TAB, or all that is left; *line is past it, NULL at the end. */
static char *take_word(char **line, char *end, bool rest, size_t *len)
{
	char *word = *line, *tab = rest ? NULL : memchr(word, '\t', (size_t)(end - word));

	*len = (size_t)((tab ? tab : end) - word);
	word[*len] = '\0';
	*line = tab ? tab + 1 : NULL;
	return word;
}

/* False: there are more than the verb takes. */
static bool take_arguments(struct serve_call *call, const struct verb *v, char *line, char *end)
{
	while (line && call->n < v->most) {
		bool rest = call->n + 1 == ARRAY_SIZE(call->arg);

		call->arg[call->n] = take_word(&line, end, rest, &call->len[call->n]);
		call->n++;
	}
	return !line;
}

static int wrong_number(struct serve_call *call, const struct verb *v)
{
	struct text why = {.buf = call->why, .size = sizeof(call->why)};

	if (v->least == v->most)
		text_say(&why, "%s takes %u arguments, a TAB before each", v->name, v->most);
	else
		text_say(&why, "%s takes %u to %u arguments, a TAB before each", v->name, v->least,
			 v->most);
	return -EINVAL;
}

static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((u8)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
			return false;
	return true;
}

int serve_dispatch(struct serve_call *call, char *line, size_t len)
{
	struct text why = {.buf = call->why, .size = sizeof(call->why)};
	char *end = line + len, *word, *rest = line;
	const struct verb *v;
	size_t n;

	if (!is_clean(line, len)) {
		text_say(&why, "a control character in the request");
		return -EINVAL;
	}
	word = take_word(&rest, end, false, &n);
	v = find_verb(word);
	if (!v) {
		text_say(&why, "'%.40s' is no request of protocol %d", word, SERVE_PROTOCOL);
		return -EOPNOTSUPP;
	}
	if (!take_arguments(call, v, rest, end) || call->n < v->least)
		return wrong_number(call, v);
	return v->answer(call);
}
