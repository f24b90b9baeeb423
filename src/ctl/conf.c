/* conf.c - the table of settings. docs/api.md lists the same rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "ctl/conf.h"

#include "base/config.h"
#include "ctl/parse.h"
#include "sys/fault.h"
#include "sys/log.h"

struct conf conf = {.purge_ms = 1000, .promote = 1, .swap_size = GIB, .temp_dir = "/tmp"};

static int parse_size(const char *text, void *value)
{
	return size_parse(text, strlen(text), value);
}

static int parse_pcpu(const char *text, void *value)
{
	u64 *v = value;

	if (!strcmp(text, "portable"))
		*v = 1;
	else if (!strcmp(text, "rseq"))
		*v = 2;
	else
		return -EINVAL;
	return 0;
}

static int parse_flag(const char *text, void *value)
{
	u64 *v = value;

	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return -EINVAL;
	*v = (u64)(*text - '0');
	return 0;
}

static int parse_guards(const char *text, void *value)
{
	u64 *v = value;

	if (strcmp(text, "marks") != 0 && strcmp(text, "pages") != 0)
		return -EINVAL;
	*v = *text == 'p';
	return 0;
}

/* The place it is relative to may be another by the time that the file is opened. */
static int parse_path(const char *text, void *value)
{
	size_t n = strlen(text);

	if (*text != '/' || n >= CONF_PATH)
		return -EINVAL;
	memcpy(value, text, n + 1);
	return 0;
}

/* "1" stays as it is: the socket in the default place. "0" is nothing. */
static int parse_control(const char *text, void *value)
{
	size_t n = strlen(text);
	bool off = !strcmp(text, "0");

	if (!off && strcmp(text, "1") != 0 && (!strchr(text, '/') || n >= CONF_PATH))
		return -EINVAL;
	memcpy(value, off ? "" : text, off ? 1 : n + 1);
	return 0;
}

static const struct row {
	const char *name, *want;
	int (*parse)(const char *text, void *value);
	void *value;
} rows[] = {
	{"MEMCG_MAX", "a size or max", parse_size, &conf.max},
	{"MEMCG_HIGH", "a size or max", parse_size, &conf.high},
	{"MEMCG_REGION", "a size", parse_size, &conf.region},
	{"MEMCG_PCPU", "portable or rseq", parse_pcpu, &conf.pcpu},
	{"MEMCG_UNACCOUNTED", "0 or 1", parse_flag, &conf.unaccounted},
	{"MEMCG_PURGE_MS", "milliseconds", parse_size, &conf.purge_ms},
	{"MEMCG_PROMOTE", "0 or 1", parse_flag, &conf.promote},
	{"MEMCG_GUARDS", "marks or pages", parse_guards, &conf.guard_pages},
	{"MEMCG_LEFTOVERS", "0 or 1", parse_flag, &conf.leftovers},
	{"MEMCG_SWAP_FILE", "an absolute path", parse_path, conf.swap_file},
	{"MEMCG_SWAP_SIZE", "a size or max", parse_size, &conf.swap_size},
	{"MEMCG_MOVE_RATE", "a size or max", parse_size, &conf.move_rate},
	{"MEMCG_CONTROL", "1 or a path with a /", parse_control, conf.control},
	{"MEMCG_ZEROCOPY_RECV", "0 or 1", parse_flag, &conf.zerocopy_recv},
};

static void row_from_environment(const struct row *r)
{
	const char *text = getenv(r->name);

	if (text && r->parse(text, r->value) < 0)
		log_line("%s=%s: not understood (want %s); ignored", r->name, text, r->want);
}

void conf_from_environment(void)
{
	const char *fail, *temp, *runtime;
	size_t i;

	if (getauxval(AT_SECURE))
		return;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		row_from_environment(&rows[i]);
	temp = getenv("TMPDIR");
	if (temp) /* not ours: what it says else is no mistake */
		(void)parse_path(temp, conf.temp_dir);
	runtime = getenv("XDG_RUNTIME_DIR");
	if (runtime)
		(void)parse_path(runtime, conf.runtime_dir);
	fail = getenv("MEMCG_FAIL");
	if (fail && sys_fault_parse(fail) < 0)
		log_line("MEMCG_FAIL=%s: not understood; ignored", fail);
}

int conf_from_program(const struct memcg_config *config)
{
	struct memcg_config c;
	int err = config_copy(&c, sizeof(c), config, sizeof(size_t));

	if (err)
		return err;
	if (c.pcpu > 2 || c.unaccounted > 1 || c.zerocopy_recv > 1)
		return -EINVAL;
	if (c.swap_file && parse_path(c.swap_file, conf.swap_file) < 0)
		return -EINVAL;
	conf.max = c.max ? c.max : conf.max;
	conf.high = c.high ? c.high : conf.high;
	conf.region = c.region ? c.region : conf.region;
	conf.pcpu = c.pcpu ? c.pcpu : conf.pcpu;
	conf.unaccounted = c.unaccounted ? 1 : conf.unaccounted;
	conf.purge_ms = c.purge_ms ? c.purge_ms : conf.purge_ms;
	conf.swap_size = c.swap_size ? c.swap_size : conf.swap_size;
	conf.move_rate = c.move_rate ? c.move_rate : conf.move_rate;
	conf.zerocopy_recv = c.zerocopy_recv ? 1 : conf.zerocopy_recv;
	return 0;
}
