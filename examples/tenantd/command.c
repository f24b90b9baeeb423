/* command.c - see command.h. */
#include "command.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "chore.h"
#include "server.h"

#define WORDS_MOST 16384u /* of a request that has the tenant's lock: its neighbours wait */

#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

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
	void (*run)(struct request *r);
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

static void no_number(struct request *r)
{
	reply_error(r->out, "ERR value is not an integer or out of range");
}

static void no_syntax(struct request *r)
{
	reply_error(r->out, "ERR syntax error");
}

static void wrong_words(struct reply *out, const char *name)
{
	reply_error(out, "ERR wrong number of arguments for '%s' command", name);
}

/* "[...]" or one character, at *p. Moves behind it. */
static bool glob_one(const char **p, const char *end, char c)
{
	bool not, found = false;

	if (**p == '\\' && *p + 1 < end)
		(*p)++;
	else if (**p == '?')
		return (*p)++, true;
	else if (**p == '[') {
		not = ++*p < end && **p == '^';
		for (*p += not ; *p < end && **p != ']'; ++*p) {
			char low = **p == '\\' && *p + 1 < end ? *++*p : **p, high = low;

			if (*p + 2 < end && (*p)[1] == '-') {
				*p += 2;
				high = **p;
			}
			found |= low <= high ? low <= c && c <= high : high <= c && c <= low;
		}
		*p += *p < end;
		return found != not ;
	}
	return *(*p)++ == c;
}

/* Goes back to the last star only, so its time is bounded by m * n. */
bool glob(const char *p, size_t m, const char *text, size_t n)
{
	const char *end = p + m, *text_end = text + n, *star = NULL, *from = NULL;

	for (;;) {
		if (p < end && *p == '*') {
			star = ++p;
			from = text;
			continue;
		}
		if (text == text_end && p == end)
			return true;
		if (text < text_end && p < end && glob_one(&p, end, *text)) {
			text++;
			continue;
		}
		if (!star || from == text_end)
			return false;
		p = star;
		text = ++from;
	}
}

/* ---- values ---- */

static struct entry *find(struct request *r, unsigned i)
{
	struct key key = arg_key(r, i);
	struct entry *e = store_find(r->s, &key);

	if (e)
		r->s->hits++;
	else
		r->s->misses++;
	return e;
}

/* What the pages of a value cost is the tenant's only if it paid for them when they came. */
static bool put(struct request *r, const struct key *key, const struct slice *value,
		int64_t expires)
{
	struct input *in = &r->c->in;
	struct entry *e = entry_new(r->s, key, in, value, in->payer == memcg_id(r->t->cg));

	if (!e) {
		reply_text(r->out, OOM);
		return false;
	}
	e->expires = expires;
	store_put(r->s, e);
	return true;
}

static bool set(struct request *r, unsigned i, struct entry *old, int64_t expires)
{
	struct key key = arg_key(r, i);

	if (!old || !store_overwrite(old, &r->arg[i + 1]))
		return put(r, &key, &r->arg[i + 1], expires);
	store_set_expiry(r->s, old, expires);
	return true;
}

/* Seconds or milliseconds from now. False: it was said what is wrong. */
static bool expiry(struct request *r, unsigned i, long long unit, int64_t *expires)
{
	long long n;

	if (i >= r->args) {
		no_syntax(r);
		return false;
	}
	if (!arg_number(r, i, &n)) {
		no_number(r);
		return false;
	}
	if (n <= 0 || n > (LLONG_MAX - wall_ms) / unit) {
		reply_error(r->out, "ERR invalid expire time in 'set' command");
		return false;
	}
	*expires = wall_ms + n * unit;
	return true;
}

struct set_options {
	bool nx, xx;
	long long unit; /* of the time, ms; 0: none is given */
	int64_t expires;
};

static bool set_options(struct request *r, struct set_options *o)
{
	unsigned time = 0;

	for (unsigned i = 3; i < r->args; i++) {
		if (arg_is(r, i, "nx") && !o->xx)
			o->nx = true;
		else if (arg_is(r, i, "xx") && !o->nx)
			o->xx = true;
		else if (i + 1 < r->args && arg_is(r, i, "ex") && o->unit != 1)
			o->unit = 1000, time = ++i;
		else if (i + 1 < r->args && arg_is(r, i, "px") && o->unit != 1000)
			o->unit = 1, time = ++i;
		else
			return no_syntax(r), false;
	}
	return !time || expiry(r, time, o->unit, &o->expires);
}

static void run_set(struct request *r)
{
	struct set_options o = {0};
	struct key key = arg_key(r, 1);
	struct entry *e;

	if (!set_options(r, &o))
		return;
	e = store_find(r->s, &key);
	if ((o.nx && e) || (o.xx && !e))
		reply_value(r->out, NULL);
	else if (set(r, 1, e, o.expires))
		reply_text(r->out, "+OK\r\n");
}

static void run_get(struct request *r)
{
	reply_value(r->out, find(r, 1));
}

static void run_mget(struct request *r)
{
	reply_number(r->out, '*', r->args - 1);
	for (unsigned i = 1; i < r->args; i++)
		reply_value(r->out, find(r, i));
}

static void run_mset(struct request *r)
{
	if (r->args % 2 == 0) {
		wrong_words(r->out, "mset");
		return;
	}
	for (unsigned i = 1; i < r->args; i += 2) {
		struct key key = arg_key(r, i);

		if (!set(r, i, store_find(r->s, &key), 0))
			return;
	}
	reply_text(r->out, "+OK\r\n");
}

static void run_incr(struct request *r)
{
	struct key key = arg_key(r, 1);
	struct entry *e = store_find(r->s, &key);
	long long n = 0;
	char text[24];
	struct slice value = {.bytes = text};

	if (e && (e->pieces || !word_number(entry_bytes(e), e->length, &n))) {
		no_number(r);
		return;
	}
	if (n == LLONG_MAX) {
		reply_error(r->out, "ERR increment or decrement would overflow");
		return;
	}
	value.length = (size_t)snprintf(text, sizeof(text), "%lld", ++n);
	if ((e && store_overwrite(e, &value)) || put(r, &key, &value, e ? e->expires : 0))
		reply_number(r->out, ':', n);
}

/* ---- keys ---- */

static void run_del(struct request *r)
{
	long long n = 0;

	for (unsigned i = 1; i < r->args; i++) {
		struct key key = arg_key(r, i);

		n += store_delete(r->s, &key);
	}
	reply_number(r->out, ':', n);
}

static void run_exists(struct request *r)
{
	long long n = 0;

	for (unsigned i = 1; i < r->args; i++)
		n += find(r, i) != NULL;
	reply_number(r->out, ':', n);
}

static void run_expire(struct request *r)
{
	struct key key = arg_key(r, 1);
	struct entry *e;
	long long n;

	if (!arg_number(r, 2, &n)) {
		no_number(r);
		return;
	}
	if (n > (LLONG_MAX - wall_ms) / 1000 || n < LLONG_MIN / 1000) {
		reply_error(r->out, "ERR invalid expire time in 'expire' command");
		return;
	}
	e = store_find(r->s, &key);
	if (e && n <= 0)
		store_delete(r->s, &key);
	else if (e)
		store_set_expiry(r->s, e, wall_ms + n * 1000);
	reply_number(r->out, ':', e != NULL);
}

static void run_ttl(struct request *r)
{
	struct entry *e = find(r, 1);

	if (!e || !e->expires)
		reply_number(r->out, ':', e ? -1 : -2);
	else
		reply_number(r->out, ':', (e->expires - wall_ms + 500) / 1000);
}

static void run_dbsize(struct request *r)
{
	reply_number(r->out, ':', (long long)r->s->keys);
}

static void run_flushdb(struct request *r)
{
	struct store gone;

	if (r->args > 2 || (r->args == 2 && !arg_is(r, 1, "async") && !arg_is(r, 1, "sync"))) {
		no_syntax(r);
		return;
	}
	store_take(r->s, &gone);
	chore_free(&gone);
	reply_text(r->out, "+OK\r\n");
}

/* ---- SCAN ---- */

/* What one SCAN does, whatever it asks for: its neighbours wait. */
#define SCAN_MOST  4096		/* keys */
#define MATCH_STEP 1024		/* steps of a match that count as another key */
#define MATCH_MOST (16ul << 20) /* steps at one key */

struct scan {
	struct request *r;
	const struct slice *match;
	bool tell; /* the second time: how many there are comes first */
	bool too_long;
	long long n;
};

/* For how many keys it counts: a match may take as many steps as pattern times key. */
static size_t scan_visit(struct entry *e, void *arg)
{
	struct scan *s = arg;
	size_t steps = s->match ? s->match->length * e->key : 0;

	s->too_long |= steps > MATCH_MOST;
	if (s->too_long ||
	    (s->match && !glob(s->match->bytes, s->match->length, entry_key(e), e->key)))
		return 1 + steps / MATCH_STEP;
	s->n++;
	if (s->tell)
		reply_bulk(s->r->out, entry_key(e), e->key);
	return 1 + steps / MATCH_STEP;
}

static bool scan_options(struct request *r, struct scan *s, long long *count, bool *strings)
{
	for (unsigned i = 2; i < r->args; i += 2) {
		if (i + 1 == r->args)
			return no_syntax(r), false;
		if (arg_is(r, i, "match"))
			s->match = &r->arg[i + 1];
		else if (arg_is(r, i, "type"))
			*strings = arg_is(r, i + 1, "string");
		else if (!arg_is(r, i, "count"))
			return no_syntax(r), false;
		else if (!arg_number(r, i + 1, count))
			return no_number(r), false;
		else if (*count < 1)
			return no_syntax(r), false;
	}
	if (*count > SCAN_MOST)
		*count = SCAN_MOST;
	return true;
}

/* An unsigned number; word_number is one bit short. */
static bool cursor_of(const struct request *r, uint64_t *cursor)
{
	const struct slice *s = &r->arg[1];

	*cursor = 0;
	for (size_t i = 0; i < s->length; i++) {
		if (s->bytes[i] < '0' || s->bytes[i] > '9' ||
		    __builtin_mul_overflow(*cursor, 10, cursor) ||
		    __builtin_add_overflow(*cursor, (uint64_t)(s->bytes[i] - '0'), cursor))
			return false;
	}
	return s->length;
}

static void run_scan(struct request *r)
{
	struct scan s = {.r = r};
	uint64_t cursor, next;
	long long count = 10;
	bool strings = true;
	char text[24];

	if (!cursor_of(r, &cursor)) {
		reply_error(r->out, "ERR invalid cursor");
		return;
	}
	if (!scan_options(r, &s, &count, &strings))
		return;
	next = store_scan(r->s, cursor, (size_t)count, scan_visit, &s);
	if (s.too_long) {
		reply_error(r->out, "ERR the pattern is too long for the length of a key");
		return;
	}
	reply_text(r->out, "*2\r\n");
	reply_bulk(r->out, text, (size_t)snprintf(text, sizeof(text), "%lu", next));
	reply_number(r->out, '*', strings ? s.n : 0);
	s.tell = true;
	if (strings)
		store_scan(r->s, cursor, (size_t)count, scan_visit, &s);
}

/* ---- the connection ---- */

static void run_ping(struct request *r)
{
	if (r->args > 2)
		wrong_words(r->out, r->name);
	else if (r->args == 2)
		reply_bulk(r->out, r->arg[1].bytes, r->arg[1].length);
	else
		reply_text(r->out, "+PONG\r\n");
}

static void run_quit(struct request *r)
{
	reply_text(r->out, "+OK\r\n");
	r->c->closing = true;
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

static void run_auth(struct request *r)
{
	struct tenant *t;

	if (r->args > 3) {
		no_syntax(r);
		return;
	}
	if (r->args == 2 && !*server.password) {
		reply_error(r->out,
			    "ERR AUTH <password> called without any password configured for "
			    "the default user. Are you sure your configuration is correct?");
		return;
	}
	t = login(r);
	if (!t) {
		reply_error(r->out,
			    "WRONGPASS invalid username-password pair or user is disabled.");
		return;
	}
	connection_switch(r->c, t);
	reply_text(r->out, "+OK\r\n");
}

static void run_select(struct request *r)
{
	struct tenant *t;
	long long n;

	if (!arg_number(r, 1, &n)) {
		no_number(r);
		return;
	}
	if (n < INT_MIN || n > INT_MAX) {
		reply_error(r->out, "ERR value is out of range, value must between %d and %d",
			    INT_MIN, INT_MAX);
		return;
	}
	if (n < 0 || n >= DATABASES || (r->t->user && n)) {
		reply_error(r->out, "ERR DB index is out of range");
		return;
	}
	t = r->t->user ? NULL : tenant_database((long)n);
	if (t)
		connection_switch(r->c, t);
	else if (!r->t->user) {
		reply_text(r->out, OOM);
		return;
	}
	reply_text(r->out, "+OK\r\n");
}

static void run_command(struct request *r);

static const struct command commands[] = {
	{"get", 2, KEYS, run_get},	    {"set", -3, KEYS | VALUE, run_set},
	{"mget", -2, KEYS, run_mget},	    {"mset", -3, KEYS | VALUE | VALUES, run_mset},
	{"del", -2, KEYS, run_del},	    {"incr", 2, KEYS, run_incr},
	{"exists", -2, KEYS, run_exists},   {"expire", 3, KEYS, run_expire},
	{"ttl", 2, KEYS, run_ttl},	    {"ping", -1, 0, run_ping},
	{"scan", -2, KEYS, run_scan},	    {"dbsize", 1, KEYS, run_dbsize},
	{"flushdb", -1, KEYS, run_flushdb}, {"auth", -2, OPEN, run_auth},
	{"select", 2, 0, run_select},	    {"quit", -1, OPEN, run_quit},
	{"info", -1, 0, command_info},	    {"config", -2, 0, command_config},
	{"command", -1, 0, run_command},    {"tenant", -2, ADMIN, command_tenant},
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* What redis-cli and clients ask for at their start. */
static void run_command(struct request *r)
{
	if (r->args == 2 && arg_is(r, 1, "count"))
		reply_number(r->out, ':', COMMANDS);
	else
		reply_text(r->out, "*0\r\n");
}

/* ---- one request ---- */

static const struct command *command_of(const struct slice *name)
{
	for (size_t i = 0; name->bytes && i < COMMANDS; i++)
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

static bool is_guest(const struct tenant *t)
{
	return !strcmp(t->name, "guests");
}

static const char *forbidden(const struct command *command, const struct tenant *t)
{
	if (is_guest(t) && !(command->needs & OPEN))
		return "NOAUTH Authentication required.";
	if (t->user && command->needs & ADMIN)
		return "NOPERM this user has no permissions to run the 'tenant' command";
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

static void run_locked(const struct command *command, struct request *r)
{
	tenant_lock(r->t);
	if (tenant_is_dropped(r->t)) {
		reply_error(r->out, "ERR the tenant was dropped");
		r->c->closing = true;
	} else {
		follow(r);
		command->run(r);
	}
	tenant_unlock(r->t);
}

static void run(const struct command *command, struct request *r)
{
	const char *why;

	if (!command) {
		unknown(r);
		return;
	}
	r->name = command->name;
	why = forbidden(command, r->t);
	if (command->words > 0 ? r->args != (unsigned)command->words
			       : r->args < (unsigned)-command->words)
		wrong_words(r->out, command->name);
	else if (why)
		reply_error(r->out, "%s", why);
	else if (command->needs & KEYS && r->args > WORDS_MOST)
		reply_error(r->out, "ERR more than %u words in one request", WORDS_MOST);
	else if (command->needs & KEYS)
		run_locked(command, r);
	else
		command->run(r);
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
	const struct command *command;

	if (!r.arg->bytes && !gather(NULL, c, &copy)) {
		reply_text(out, OOM);
		return;
	}
	command = command_of(r.arg);
	if (copy || gather(command, c, &copy))
		run(command, &r);
	else
		reply_text(out, OOM);
	memcg_free(copy);
}
