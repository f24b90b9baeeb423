/* groups.c - see groups.h. */
#include "groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc/regroup.h"
#include "ctl/publish.h"
#include "ctl/rules.h"
#include "glob.h"

#define NAME_ROOM 64 /* longer names are cut */

struct named {
	struct memcg *group; /* NULL: the name is not to be looked at yet */
	char name[NAME_ROOM];
};

static struct named table[NR_GROUPS] = {{.name = "others"}};
static u32 used = 1; /* entries given out; racy readers meet some without a group */
static const struct rules *rules;

/* ---- rules ----------------------------------------------------------------------- */

static bool rules_fit(const struct rules *r, u64 size)
{
	return size >= sizeof(*r) && r->magic == RULES_MAGIC && r->nr <= RULES_MAX &&
	       size >= rules_size(r->nr);
}

/* By number: mmap is ours. A file that is gone, or is no rules', is as none: `run` has ended. */
static void rules_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	long p = -1;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_size > 0)
		p = syscall(SYS_mmap, NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0l);
	if (p != -1 && rules_fit((const void *)p, (u64)st.st_size))
		rules = (const void *)p;
	else if (p != -1)
		syscall(SYS_munmap, p, st.st_size);
	close(fd);
}

static void hold_if_ruled(void)
{
	for (u64 i = 0; rules && i < rules->nr; i++)
		if (rules->rule[i].high != MEMCG_UNLIMITED)
			memcg__publish_hold();
}

static const struct rule *rule_matching(const char *name)
{
	for (u64 i = 0; rules && i < rules->nr; i++)
		if (rules->rule[i].pattern[0] && glob_match(rules->rule[i].pattern, name))
			return &rules->rule[i];
	return NULL;
}

/* Every rule that names the group: a file may say a limit in one place and a pattern in another. */
static void limit_as_ruled(struct memcg *cg, const char *path)
{
	for (u64 i = 0; rules && i < rules->nr; i++) {
		const struct rule *r = &rules->rule[i];

		if (strcmp(r->group, path))
			continue;
		if (r->low)
			memcg_set_limit(cg, MEMCG_LOW, r->low);
		if (r->high != MEMCG_UNLIMITED)
			memcg_set_limit(cg, MEMCG_HIGH, r->high);
		if (r->max != MEMCG_UNLIMITED)
			memcg_set_limit(cg, MEMCG_MAX, r->max);
	}
}

/* ---- paths ------------------------------------------------------------------------ */

static bool bad_in_a_name(unsigned char c)
{
	return c == '/' || c < ' ' || c == 127;
}

/* "/" and the name as a group may have it. */
static void path_of_name(const char *name, char *path, size_t size)
{
	size_t n = 1;

	path[0] = '/';
	for (; *name && n < size - 1; name++)
		path[n++] = bad_in_a_name((unsigned char)*name) ? '_' : *name;
	path[n] = '\0';
	if (n == 1)
		snprintf(path, size, "/unnamed");
	else if (!strcmp(path, "/.") || !strcmp(path, "/.."))
		path[1] = '_';
}

/* The child of `parent` at the end of path, made if it is not there. A new reference. */
static struct memcg *child(struct memcg *parent, const char *path)
{
	struct memcg *cg = memcg_create(parent, strrchr(path, '/') + 1);

	if (cg)
		limit_as_ruled(cg, path);
	else if (errno == EEXIST)
		cg = memcg_lookup(path);
	return cg;
}

/* path is taken apart and put together again, from the first group down. */
static struct memcg *make_path(char *path)
{
	struct memcg *cg = memcg_get(memcg_root()), *parent;
	char *end = path;
	char cut;

	do {
		end += 1 + strcspn(end + 1, "/");
		cut = *end;
		*end = '\0';
		parent = cg;
		cg = child(parent, path);
		memcg_put(parent);
		*end = cut;
	} while (cg && cut);
	return cg;
}

/* A signal handler that allocates in between gets NULL, not the lock of the tree. */
struct memcg *group_of_name(const char *name)
{
	const struct rule *r = rule_matching(name);
	char path[RULES_GROUP_MAX];
	int saved = errno;
	struct memcg *cg;

	if (r)
		memcpy(path, r->group, sizeof(path));
	else
		path_of_name(name, path, NAME_ROOM);
	task_busy_begin();
	cg = make_path(path);
	task_busy_end();
	errno = saved;
	return cg;
}

/* ---- the table -------------------------------------------------------------------- */

static unsigned find(const char *name)
{
	unsigned nr = MIN(atomic_load(&used), NR_GROUPS);

	for (unsigned i = 0; i < nr; i++)
		if (atomic_load_acquire(&table[i].group) && !strcmp(table[i].name, name))
			return i;
	return NO_GROUP;
}

/* Full: entry 0. The number given out stops there, however many ask. */
static unsigned claim(void)
{
	u32 n = atomic_load(&used);

	do
		if (n == NR_GROUPS)
			return 0;
	while (!atomic_cas(&used, &n, n + 1));
	return n;
}

static unsigned others(void)
{
	struct memcg *cg = group_at(0), *none = NULL;

	if (cg)
		return 0;
	cg = group_of_name(table[0].name);
	if (!cg)
		return NO_GROUP;
	if (!atomic_cas(&table[0].group, &none, cg))
		memcg_put(cg);
	return 0;
}

static unsigned add(const char *name)
{
	struct memcg *cg;
	unsigned i;

	if (atomic_load(&used) == NR_GROUPS)
		return others();
	cg = group_of_name(name);
	if (!cg)
		return NO_GROUP;
	i = claim();
	if (!i) { /* others were faster; the group stays, empty */
		memcg_put(cg);
		return others();
	}
	strcpy(table[i].name, name);
	atomic_store_release(&table[i].group, cg); /* pairs with find(): the name is whole */
	return i;
}

unsigned group_index_named(const char *name)
{
	char cut[NAME_ROOM];
	unsigned i;

	snprintf(cut, sizeof(cut), "%s", name);
	i = find(cut);
	return i == NO_GROUP ? add(cut) : i;
}

struct memcg *group_at(unsigned index)
{
	return index < NR_GROUPS ? atomic_load_acquire(&table[index].group) : NULL;
}

struct memcg *group_named(const char *name)
{
	return group_at(group_index_named(name));
}

void group_enter(struct memcg *cg)
{
	if (cg && (!task_self() || memcg__self->active != cg))
		memcg__thread_pay(cg);
}

/* ---- the start -------------------------------------------------------------------- */

void groups_start(const struct settings *s)
{
	if (s->rules[0])
		rules_map(s->rules);
	hold_if_ruled();
	if (s->group_by == SLOT_GROUP_OBJECT)
		groups_by_object();
	else if (s->group_by != SLOT_GROUP_NONE)
		groups_by_thread(s->group_by == SLOT_GROUP_NAME);
}
