/* leftover.c - memcg_set_leftovers(), and the count behind it. Theory in leftover.h. */
#include "ctl/leftover.h"

#include <errno.h>
#include <string.h>

#include "base/up.h"
#include "ctl/print.h"
#include "ctl/recount.h"
#include "sys/log.h"

/* Who is told; replaced whole, so that function and argument belong together. */
struct listener {
	void (*fn)(const struct memcg_leftovers *left, void *arg);
	void *arg;
	struct rcu_head rcu;
};
static struct listener *listener; /* read in RCU sections; NULL: nobody */
static bool say_lines;		  /* constant after leftovers_init */

struct count {
	struct walk_env env; /* first: found() gets from one to the other */
	u32 handle;
	struct memcg_leftovers *left;
};

/* --- counting --------------------------------------------------------------------- */

/* Whether a handle is the group's own or leads to it, by the words as they were read. */
static bool leads_to(const struct walk *w, u32 handle, u32 top)
{
	for (u32 steps = 0; handle && handle != top && steps < w->handles; steps++) {
		u64 word = w->handle[handle].word;

		handle = word & HANDLE_REDIRECT ? walk_handle_at(w, word & ~HANDLE_REDIRECT) : 0;
	}
	return handle && handle == top;
}

/* NULL: of no kind that an owner has. */
static struct memcg_leftover *line_of(struct memcg_leftovers *left, unsigned kind)
{
	switch (kind) {
	case PAGE_SLAB:
		return &left->slab;
	case PAGE_LARGE:
		return &left->large;
	case PAGE_BUFFER:
		return &left->buffer;
	case PAGE_TABLE:
		return &left->pagetables;
	case PAGE_STACK:
		return &left->kernel_stack;
	case PAGE_ANON:
		return &left->anon;
	case PAGE_FILE:
	case PAGE_SHMEM:
		return &left->file;
	case PAGE_NET:
		return &left->sock;
	case WALK_EXTERNAL:
		return &left->external;
	case WALK_MAPS:
		return &left->maps;
	case WALK_SWAP:
		return &left->swap;
	default:
		return NULL;
	}
}

static void found(struct walk *w, u32 handle, const struct walk_find *f)
{
	struct count *c = container_of(w->env, struct count, env);
	struct memcg_leftover *line = line_of(c->left, f->kind);

	if (!line || !leads_to(w, handle, c->handle))
		return;
	line->objects += f->objects;
	line->bytes += f->bytes;
	if (f->kind == WALK_SWAP)
		return; /* no memory */
	c->left->all.objects += f->objects;
	c->left->all.bytes += f->bytes;
}

static int count(const struct memcg *cg, struct memcg_leftovers *left)
{
	struct count c = {.handle = cg->handle->index, .left = left};
	struct walk w;
	int err;

	recount_env(&c.env);
	c.env.found = found;
	err = walk_open(&w, &c.env, &memcg__layout);
	if (!err)
		err = walk_tree(&w);
	if (!err)
		err = walk_recount(&w);
	walk_close(&w);
	return err;
}

/* --- telling ---------------------------------------------------------------------- */

static void add(void *arg, const char *text, size_t n)
{
	char *line = arg;
	size_t had = strlen(line);

	n = MIN(n, LOG_LINE_MAX - 1 - had);
	memcpy(line + had, text, n);
	line[had + n] = '\0';
}

static void say_kind(struct print *p, const char *name, const struct memcg_leftover *l)
{
	if (l->bytes)
		print_text(p, ", %s %lu bytes in %lu", name, (unsigned long)l->bytes,
			   (unsigned long)l->objects);
}

static void say(const struct memcg_leftovers *left)
{
	char kinds[LOG_LINE_MAX] = "";
	struct print p = {.write = add, .arg = kinds};

	say_kind(&p, "slab", &left->slab);
	say_kind(&p, "large", &left->large);
	say_kind(&p, "buffer", &left->buffer);
	say_kind(&p, "pagetables", &left->pagetables);
	say_kind(&p, "kernel_stack", &left->kernel_stack);
	say_kind(&p, "external", &left->external);
	say_kind(&p, "maps", &left->maps);
	say_kind(&p, "anon", &left->anon);
	say_kind(&p, "file", &left->file);
	say_kind(&p, "swap", &left->swap);
	say_kind(&p, "sock", &left->sock);
	log_line("%s was destroyed and leaves %lu bytes in %lu objects%s", left->path,
		 (unsigned long)left->all.bytes, (unsigned long)left->all.objects, kinds);
}

static struct listener who_listens(void)
{
	struct rcu_reader *self = self_rcu();
	struct listener who = {0}, *l;

	rcu_read_lock(self);
	l = atomic_load_acquire(&listener);
	if (l)
		who = *l;
	rcu_read_unlock(self);
	return who;
}

/* After the destroy, with a reference and no lock. A group that leaves nothing is not worth a walk.
 */
static void tell(struct memcg *cg)
{
	struct listener who = who_listens();
	struct memcg_leftovers left = {.size = sizeof(left), .id = cg->id};
	int err;

	if ((!who.fn && !say_lines) || atomic_load(&cg->handle->refs) == HANDLE_PIN)
		return;
	group_path_end(cg, left.path, sizeof(left.path));
	err = count(cg, &left);
	if (err)
		log_line("%s was destroyed; what it leaves was not counted (%s)", left.path,
			 err == -ENOMEM ? "no memory for the walk" : "the tree is overwritten");
	if (err || !(left.all.objects | left.swap.objects))
		return;
	if (say_lines)
		say(&left);
	if (who.fn)
		who.fn(&left, who.arg);
}

void leftovers_init(bool say_them)
{
	say_lines = say_them;
	if (say_them)
		group_destroyed = tell;
}

static void listener_free(struct rcu_head *rcu)
{
	meta_free(container_of(rcu, struct listener, rcu), sizeof(struct listener));
}

int memcg_set_leftovers(void (*fn)(const struct memcg_leftovers *left, void *arg), void *arg)
{
	struct listener *l = NULL, *old;

	lib_up();
	if (fn) {
		l = meta_alloc(sizeof(*l));
		if (!l)
			return -ENOMEM;
		l->fn = fn;
		l->arg = arg;
	}
	old = atomic_xchg(&listener, l);
	if (fn)
		atomic_store(&group_destroyed,
			     tell); /* and stays: two calls at once may end either way */
	if (old)
		rcu_defer(&old->rcu, listener_free);
	return 0;
}
