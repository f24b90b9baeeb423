/* admin.c - TENANT, INFO and CONFIG GET: what is not about keys. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "server.h"

#define NO_TENANT "ERR no such tenant"
#define USAGE                                                                                \
	"ERR TENANT CREATE name password [plan] | LIMIT name|/plan MIN|LOW|HIGH|MAX size | " \
	"MOVE name plan|/ | DROP name | LIST"

/* ---- TENANT ---- */

/* Names are parts of paths, and not those that have a meaning. */
static bool name_at(const struct request *r, unsigned i, char *name)
{
	if (!arg_copy(r, i, name, TENANT_NAME) || !*name)
		return false;
	for (const char *at = name; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("_-.:@", *at))
			return false;
	return strcmp(name, ".") && strcmp(name, "..");
}

static bool is_reserved(const char *name)
{
	return !strcmp(name, "guests") || !strcmp(name, "default") ||
	       (!strncmp(name, "db", 2) && isdigit((unsigned char)name[2]));
}

/* "/" is no plan: the root. Those that tenants may not have are theirs who have them. */
static bool plan_at(const struct request *r, unsigned i, char *plan)
{
	*plan = 0;
	return i >= r->args || arg_is(r, i, "/") || (name_at(r, i, plan) && !is_reserved(plan));
}

/* New reference; NULL: none of that name. Databases are made when they are named. */
static struct tenant *tenant_at(const struct request *r, unsigned i)
{
	char name[TENANT_NAME];
	long n = -1;
	int end = 0;

	if (!name_at(r, i, name))
		return NULL;
	if (sscanf(name, "db%ld%n", &n, &end) == 1 && !name[end] && n >= 0 && n < DATABASES)
		return tenant_database(n);
	return tenant_find(name);
}

static const char *create(struct request *r)
{
	char name[TENANT_NAME], password[TENANT_NAME], plan[TENANT_NAME];
	const char *why =
		"ERR a name is up to 63 letters, digits and _-.:@ and not guests, default or "
		"db<n>, a password up to 63 bytes";
	struct tenant *t = NULL;

	if (name_at(r, 2, name) && !is_reserved(name) && plan_at(r, 4, plan) &&
	    arg_copy(r, 3, password, sizeof(password)) && *password)
		t = tenant_create(name, password, plan, &why);
	if (!t)
		return why;
	tenant_put(t);
	return done(r);
}

/* The group of a tenant, or of a plan: "/gold". New reference. */
static struct memcg *group_at(const struct request *r, unsigned i)
{
	char path[TENANT_NAME + 1];
	struct memcg *cg = NULL;
	struct tenant *t;

	if (arg_copy(r, i, path, sizeof(path)) && *path == '/')
		return memcg_lookup(path);
	t = tenant_at(r, i);
	if (t)
		tenant_group(t, &cg);
	tenant_put(t);
	return cg;
}

static const char *limit_file(const struct request *r, unsigned i)
{
	static const char *const file[] = {"memory.min", "memory.low", "memory.high", "memory.max"};

	for (int k = 0; k < 4; k++)
		if (arg_is(r, i, strchr(file[k], '.') + 1))
			return file[k];
	return NULL;
}

/* The tenant evicts what is over it before the answer comes. */
static const char *limit(struct request *r)
{
	const char *file = limit_file(r, 3);
	struct memcg *cg = file ? group_at(r, 2) : NULL;
	int err;

	if (!cg)
		return file ? NO_TENANT : USAGE;
	err = memcg_write(cg, file, r->arg[4].bytes, r->arg[4].length);
	memcg_put(cg);
	return err ? "ERR a limit is a number, with K, M or G behind it, or max" : done(r);
}

static const char *drop(struct request *r)
{
	struct tenant *t = tenant_at(r, 2);
	const char *why = t ? tenant_drop(t) : NO_TENANT;

	tenant_put(t);
	return why ? why : done(r);
}

static const char *move(struct request *r)
{
	struct tenant *t = tenant_at(r, 2);
	char plan[TENANT_NAME];
	const char *why = !t ? NO_TENANT : plan_at(r, 3, plan) ? tenant_move(t, plan) : USAGE;

	tenant_put(t);
	return why ? why : done(r);
}

/* ---- TENANT LIST ---- */

static void list_one(struct request *r, struct tenant *t)
{
	char path[2 * TENANT_NAME + 8] = "", line[512];
	struct memcg_stat stat = {0};
	uint64_t max = MEMCG_UNLIMITED;
	int n;

	tenant_lock(t);
	memcg_path(t->cg, path, sizeof(path));
	memcg_stat(t->cg, &stat, sizeof(stat));
	memcg_get_limit(t->cg, MEMCG_MAX, &max);
	n = snprintf(line, sizeof(line),
		     "%s group=%s%s keys=%lu current=%lu sock=%lu max=%lld hits=%lu misses=%lu "
		     "evicted=%lu expired=%lu",
		     t->name, path, t->from ? " moving" : "", t->store.keys, stat.current,
		     stat.sock, max == MEMCG_UNLIMITED ? -1ll : (long long)max, t->store.hits,
		     t->store.misses, t->store.evicted, t->store.expired);
	tenant_unlock(t);
	reply_bulk(r->out, line, (size_t)n);
}

static const char *list(struct request *r)
{
	size_t n;
	struct tenant **all = tenants_get(&n);

	if (!all)
		return "ERR no memory for the list";
	reply_number(r->out, '*', (long long)n);
	for (size_t i = 0; i < n; i++)
		list_one(r, all[i]);
	tenants_put(all, n);
	return NULL;
}

const char *command_tenant(struct request *r)
{
	static const struct {
		const char *name;
		unsigned least, most; /* words */
		const char *(*run)(struct request *r);
	} known[] = {{"create", 4, 5, create},
		     {"limit", 5, 5, limit},
		     {"move", 4, 4, move},
		     {"drop", 3, 3, drop},
		     {"list", 2, 2, list}};

	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (arg_is(r, 1, known[i].name) && r->args >= known[i].least &&
		    r->args <= known[i].most)
			return known[i].run(r);
	return USAGE;
}

/* ---- INFO ---- */

static uint64_t max_of(struct memcg *cg)
{
	uint64_t max = 0;

	memcg_get_limit(cg, MEMCG_MAX, &max);
	return max == MEMCG_UNLIMITED ? 0 : max;
}

const char *command_info(struct request *r)
{
	struct tenant *t = r->t;
	char text[1024];
	int n;

	tenant_lock(t);
	n = snprintf(
		text, sizeof(text),
		"# Server\r\nredis_version:7.0.15\r\nserver_name:tenantd\r\nlibmemcg_version:%s\r\n"
		"process_id:%d\r\ntcp_port:%d\r\nuptime_in_seconds:%lld\r\n\r\n"
		"# Clients\r\nconnected_clients:%u\r\n\r\n"
		"# Memory\r\ntenant:%s\r\nused_memory:%lu\r\nused_memory_peak:%lu\r\nmaxmemory:%lu\r\n"
		"maxmemory_policy:allkeys-lru\r\n\r\n"
		"# Stats\r\ntotal_commands_processed:%lu\r\nexpired_keys:%lu\r\nevicted_keys:%lu\r\n"
		"keyspace_hits:%lu\r\nkeyspace_misses:%lu\r\n\r\n# Keyspace\r\n",
		memcg_version(), (int)getpid(), server.port,
		(long long)(wall_ms - server.started) / 1000,
		__atomic_load_n(&server.clients, __ATOMIC_RELAXED), t->name, memcg_current(t->cg),
		memcg_peak(t->cg), max_of(t->cg), server_commands(), t->store.expired,
		t->store.evicted, t->store.hits, t->store.misses);
	if (t->store.keys)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "%s:keys=%lu,expires=%lu,avg_ttl=0\r\n", t->user ? "db0" : t->name,
			      t->store.keys, t->store.expiring);
	tenant_unlock(t);
	reply_bulk(r->out, text, (size_t)n);
	return NULL;
}

/* ---- CONFIG GET ---- */

static bool asked_for(const struct request *r, const char *name)
{
	for (unsigned i = 2; i < r->args; i++)
		if (glob(r->arg[i].bytes, r->arg[i].length, name, strlen(name)))
			return true;
	return false;
}

const char *command_config(struct request *r)
{
	char port[8], max[24], databases[8];
	const char *const name[] = {"appendonly",	"databases", "maxmemory",
				    "maxmemory-policy", "port",	     "save"};
	const char *const value[] = {"no", databases, max, "allkeys-lru", port, ""};
	const size_t most = sizeof(name) / sizeof(*name);
	long long n = 0;

	if (r->args < 3 || !arg_is(r, 1, "get"))
		return "ERR CONFIG GET pattern... is all there is";
	snprintf(port, sizeof(port), "%d", server.port);
	snprintf(max, sizeof(max), "%lu", max_of(r->c->cg));
	snprintf(databases, sizeof(databases), "%d", DATABASES);
	for (size_t i = 0; i < most; i++)
		n += 2 * asked_for(r, name[i]);
	reply_number(r->out, '*', n);
	for (size_t i = 0; i < most; i++) {
		if (!asked_for(r, name[i]))
			continue;
		reply_bulk(r->out, name[i], strlen(name[i]));
		reply_bulk(r->out, value[i], strlen(value[i]));
	}
	return NULL;
}
