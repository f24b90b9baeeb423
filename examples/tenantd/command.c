/* command.c - see command.h. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "chore.h"
#include "command.h"
#include "server.h"

#define WORDS_MOST 16384u /* of a request that has the tenant's lock: its neighbours wait */

#define OOM "OOM command not allowed when used memory > 'maxmemory'."

/* Said by run(), with the command's name. */
static const char wrong_words[] = "ERR wrong number of arguments for '%s' command";

enum needs {
	OPEN = 1,   /* nobody needs to have logged in */
	KEYS = 2,   /* the tenant's lock */
	VALUE = 4,  /* word 2 may be large, in pieces */
	VALUES = 8, /* and so may each second one behind it */
	ADMIN = 16  /* not for tenants that log in */
};

struct command {
	const char *name;
	int words; /* with the name; negative: or more */
	unsigned needs;
	const char *(*run)(struct request *r); /* NULL: it has answered; or an error to answer */
};

/* ---- words ---- */

bool arg_is(const struct request *r, unsigned i, const char *lower)
{
	return word_is(r->arg[i].bytes, r->arg[i].length, lower);
}

bool arg_number(const struct request *r, unsigned i, long long *out)
{
	return word_number(r->arg[i].bytes, r->arg[i].length, out);
}

bool arg_copy(const struct request *r, unsigned i, char *text, size_t size)
{
	size_t n = r->arg[i].length;

	if (n >= size || memchr(r->arg[i].bytes, 0, n))
		return false;
	memcpy(text, r->arg[i].bytes, n);
	text[n] = 0;
	return true;
}

static struct key arg_key(const struct request *r, unsigned i)
{
	return key_of(r->arg[i].bytes, r->arg[i].length);
}

const char *done(struct request *r)
{
	reply_text(r->out, "+OK\r\n");
	return NULL;
}

static const char *number(struct request *r, long long n)
{
	reply_number(r->out, ':', n);
	return NULL;
}

/* ---- values ---- */

static struct entry *find(struct request *r, unsigned i)
{
	struct entry *e = store_find(r->s, arg_key(r, i));

	if (e)
		r->s->hits++;
	else
		r->s->misses++;
	return e;
}

/* What the pages of a value cost is the tenant's only if it paid for them when they came. */
static const char *put(struct request *r, struct key key, const struct slice *value,
		       int64_t expires)
{
	struct input *in = &r->c->in;
	struct entry *e = entry_new(r->s, key, in, value, in->payer == memcg_id(r->t->cg));

	if (!e)
		return OOM;
	e->expires = expires;
	store_put(r->s, e);
	return NULL;
}

static const char *set(struct request *r, unsigned i, struct entry *old, int64_t expires)
{
	if (!old || !store_overwrite(old, &r->arg[i + 1]))
		return put(r, arg_key(r, i), &r->arg[i + 1], expires);
	store_set_expiry(r->s, old, expires);
	return NULL;
}

struct set_options {
	bool nx, xx;
	long long unit; /* of the time, ms; 0: none is given */
	unsigned time;	/* which word it is */
	int64_t expires;
};

static const char *set_expiry(struct request *r, struct set_options *o)
{
	long long n;

	if (!arg_number(r, o->time, &n))
		return NO_NUMBER;
	if (n <= 0 || n > (LLONG_MAX - wall_ms) / o->unit)
		return "ERR invalid expire time in 'set' command";
	o->expires = wall_ms + n * o->unit;
	return NULL;
}

static const char *set_options(struct request *r, struct set_options *o)
{
	for (unsigned i = 3; i < r->args; i++) {
		if (arg_is(r, i, "nx") && !o->xx)
			o->nx = true;
		else if (arg_is(r, i, "xx") && !o->nx)
			o->xx = true;
		else if (i + 1 < r->args && arg_is(r, i, "ex") && o->unit != 1)
			o->unit = 1000, o->time = ++i;
		else if (i + 1 < r->args && arg_is(r, i, "px") && o->unit != 1000)
			o->unit = 1, o->time = ++i;
		else
			return NO_SYNTAX;
	}
	return o->time ? set_expiry(r, o) : NULL;
}

static const char *run_set(struct request *r)
{
	struct set_options o = {0};
	const char *why = set_options(r, &o);
	struct entry *e;

	if (why)
		return why;
	e = store_find(r->s, arg_key(r, 1));
	if (o.nx ? e != NULL : o.xx && !e) {
		reply_value(r->out, NULL);
		return NULL;
	}
	why = set(r, 1, e, o.expires);
	return why ? why : done(r);
}

static const char *run_get(struct request *r)
{
	reply_value(r->out, find(r, 1));
	return NULL;
}

static const char *run_mget(struct request *r)
{
	reply_number(r->out, '*', r->args - 1);
	for (unsigned i = 1; i < r->args; i++)
		reply_value(r->out, find(r, i));
	return NULL;
}

static const char *run_mset(struct request *r)
{
	const char *why = r->args % 2 ? NULL : wrong_words;

	for (unsigned i = 1; i < r->args && !why; i += 2)
		why = set(r, i, store_find(r->s, arg_key(r, i)), 0);
	return why ? why : done(r);
}

static const char *run_incr(struct request *r)
{
	struct entry *e = store_find(r->s, arg_key(r, 1));
	const char *why = NULL;
	long long n = 0;
	char text[24];
	struct slice value = {.bytes = text};

	if (e && (e->pieces || !word_number(entry_bytes(e), e->length, &n)))
		return NO_NUMBER;
	if (n == LLONG_MAX)
		return "ERR increment or decrement would overflow";
	value.length = (size_t)snprintf(text, sizeof(text), "%lld", ++n);
	if (!e || !store_overwrite(e, &value))
		why = put(r, arg_key(r, 1), &value, e ? e->expires : 0);
	return why ? why : number(r, n);
}

/* ---- keys ---- */

static const char *run_del(struct request *r)
{
	long long n = 0;

	for (unsigned i = 1; i < r->args; i++)
		n += store_delete(r->s, arg_key(r, i));
	return number(r, n);
}

static const char *run_exists(struct request *r)
{
	long long n = 0;

	for (unsigned i = 1; i < r->args; i++)
		n += find(r, i) != NULL;
	return number(r, n);
}

static const char *run_expire(struct request *r)
{
	struct entry *e;
	long long n;

	if (!arg_number(r, 2, &n))
		return NO_NUMBER;
	if (n > (LLONG_MAX - wall_ms) / 1000 || n < LLONG_MIN / 1000)
		return "ERR invalid expire time in 'expire' command";
	e = store_find(r->s, arg_key(r, 1));
	if (e && n <= 0)
		store_delete(r->s, arg_key(r, 1));
	else if (e)
		store_set_expiry(r->s, e, wall_ms + n * 1000);
	return number(r, e != NULL);
}

static const char *run_ttl(struct request *r)
{
	struct entry *e = find(r, 1);

	if (!e || !e->expires)
		return number(r, e ? -1 : -2);
	return number(r, (e->expires - wall_ms + 500) / 1000);
}

static const char *run_dbsize(struct request *r)
{
	return number(r, (long long)r->s->keys);
}

static const char *run_flushdb(struct request *r)
{
	struct store gone;

	if (r->args > 2 || (r->args == 2 && !arg_is(r, 1, "async") && !arg_is(r, 1, "sync")))
		return NO_SYNTAX;
	store_take(r->s, &gone);
	chore_free(&gone);
	return done(r);
}

/* ---- the connection ---- */

static const char *run_ping(struct request *r)
{
	if (r->args > 2)
		return wrong_words;
	if (r->args == 2)
		reply_bulk(r->out, r->arg[1].bytes, r->arg[1].length);
	else
		reply_text(r->out, "+PONG\r\n");
	return NULL;
}

static const char *run_quit(struct request *r)
{
	r->c->closing = true;
	return done(r);
}

/* AUTH [default] PASSWORD is who is no tenant: databases, and TENANT. */
static struct tenant *login(const struct request *r)
{
	char name[TENANT_NAME] = "default", password[TENANT_NAME];

	if ((r->args == 3 && !arg_copy(r, 1, name, sizeof(name))) ||
	    !arg_copy(r, r->args - 1, password, sizeof(password)))
		return NULL;
	if (strcmp(name, "default"))
		return tenant_login(name, password);
	return !*server.password || !strcmp(password, server.password) ? tenant_database(0) : NULL;
}

static const char *run_auth(struct request *r)
{
	struct tenant *t;

	if (r->args > 3)
		return NO_SYNTAX;
	if (r->args == 2 && !*server.password)
		return "ERR AUTH <password> called without any password configured for the default "
		       "user. Are you sure your configuration is correct?";
	t = login(r);
	if (!t)
		return "WRONGPASS invalid username-password pair or user is disabled.";
	connection_switch(r->c, t);
	return done(r);
}

/* A user has one database, and is at it. */
static const char *run_select(struct request *r)
{
	struct tenant *t;
	long long n;

	if (!arg_number(r, 1, &n))
		return NO_NUMBER;
	if (n < INT_MIN || n > INT_MAX)
		return "ERR value is out of range, value must between -2147483648 and 2147483647";
	if (n < 0 || n >= DATABASES || (r->t->user && n))
		return "ERR DB index is out of range";
	if (r->t->user)
		return done(r);
	t = tenant_database((long)n);
	if (!t)
		return OOM;
	connection_switch(r->c, t);
	return done(r);
}

static const char *run_command(struct request *r);

static const struct command commands[] = {
	{"get", 2, KEYS, run_get},	    {"set", -3, KEYS | VALUE, run_set},
	{"mget", -2, KEYS, run_mget},	    {"mset", -3, KEYS | VALUE | VALUES, run_mset},
	{"del", -2, KEYS, run_del},	    {"incr", 2, KEYS, run_incr},
	{"exists", -2, KEYS, run_exists},   {"expire", 3, KEYS, run_expire},
	{"ttl", 2, KEYS, run_ttl},	    {"ping", -1, 0, run_ping},
	{"scan", -2, KEYS, command_scan},   {"dbsize", 1, KEYS, run_dbsize},
	{"flushdb", -1, KEYS, run_flushdb}, {"auth", -2, OPEN, run_auth},
	{"select", 2, 0, run_select},	    {"quit", -1, OPEN, run_quit},
	{"info", -1, 0, command_info},	    {"config", -2, 0, command_config},
	{"command", -1, 0, run_command},    {"tenant", -2, ADMIN, command_tenant},
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* What redis-cli and clients ask for at their start. */
static const char *run_command(struct request *r)
{
	if (r->args == 2 && arg_is(r, 1, "count"))
		return number(r, COMMANDS);
	reply_text(r->out, "*0\r\n");
	return NULL;
}

/* ---- one request ---- */

static const struct command *command_of(const struct slice *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (word_is(name->bytes, name->length, commands[i].name))
			return &commands[i];
	return NULL;
}

static void unknown(const struct request *r)
{
	char text[256];
	size_t n = 0;

	for (unsigned i = 1; i < r->args && n < 128; i++) {
		int room = 128 - (int)n, length = (int)strnlen(r->arg[i].bytes, r->arg[i].length);

		n += (size_t)snprintf(text + n, sizeof(text) - n, "'%.*s' ",
				      length < room ? length : room, r->arg[i].bytes);
	}
	text[n] = 0;
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\r' || text[i] == '\n')
			text[i] = ' ';
	reply_error(r->out, "ERR unknown command '%.*s', with args beginning with: %s",
		    (int)(r->arg->length < 128 ? r->arg->length : 128), r->arg->bytes, text);
}

static bool may_be_split(const struct command *command, unsigned i)
{
	if (!command || !(command->needs & VALUE))
		return false;
	return i == 2 || (command->needs & VALUES && i % 2 == 0);
}

/* Words that lie in several pages are copied into one object, the tenant's. */
static bool gather(const struct command *command, struct connection *c, char **copy)
{
	struct slice *arg = c->resp.arg;
	size_t n = 0;
	char *to;

	for (unsigned i = 0; i < c->resp.args; i++)
		if (!arg[i].bytes && !may_be_split(command, i))
			n += arg[i].length;
	if (!n)
		return true;
	to = *copy = memcg_malloc(n);
	for (unsigned i = 0; to && i < c->resp.args; i++) {
		if (arg[i].bytes || may_be_split(command, i))
			continue;
		slice_copy(&c->in, &arg[i], to);
		arg[i].bytes = to;
		to += arg[i].length;
	}
	return to;
}

/* NULL, or why not. */
static const char *forbidden(const struct command *command, const struct request *r)
{
	int words = command->words;

	if (words > 0 ? r->args != (unsigned)words : r->args < (unsigned)-words)
		return wrong_words;
	if (tenant_is_guest(r->t) && !(command->needs & OPEN))
		return "NOAUTH Authentication required.";
	if (r->t->user && command->needs & ADMIN)
		return "NOPERM this user has no permissions to run the 'tenant' command";
	if (command->needs & KEYS && r->args > WORDS_MOST)
		return "ERR more than 16384 words in one request";
	return NULL;
}

/* A MOVE came since the turn began: what is made from here on is the new group's to pay for, as the
 * chore may have been where it goes. */
static void follow(struct request *r)
{
	struct connection *c = r->c;

	if (c->cg == r->t->cg)
		return;
	memcg_put(c->cg);
	c->cg = memcg_get(r->t->cg);
	memcg_put(memcg_enter(c->cg));
}

static const char *run_locked(const struct command *command, struct request *r)
{
	const char *why = "ERR the tenant was dropped";

	tenant_lock(r->t);
	if (tenant_is_dropped(r->t)) {
		r->c->closing = true;
	} else {
		follow(r);
		why = command->run(r);
	}
	tenant_unlock(r->t);
	return why;
}

static void run(const struct command *command, struct request *r)
{
	const char *why = forbidden(command, r);

	if (!why)
		why = command->needs & KEYS ? run_locked(command, r) : command->run(r);
	if (why == wrong_words)
		reply_error(r->out, wrong_words, command->name);
	else if (why)
		reply_error(r->out, "%s", why);
}

void command_run(struct connection *c, struct reply *out)
{
	struct request r = {.c = c,
			    .t = c->tenant,
			    .s = &c->tenant->store,
			    .out = out,
			    .arg = c->resp.arg,
			    .args = c->resp.args};
	char *copy = NULL;
	const struct command *command = NULL;

	/* Without a name that lies side by side no word may stay split. */
	if (r.arg->bytes)
		command = command_of(r.arg);
	if (!gather(command, c, &copy))
		reply_error(out, OOM);
	else if (command || (command = command_of(r.arg)))
		run(command, &r);
	else
		unknown(&r);
	memcg_free(copy);
}
