/* search.c - the next group whose name has a text; see model.h. */
#include "model.h"

#include "order.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_capitals(const char *text)
{
	for (; *text; text++)
		if (isupper((unsigned char)*text))
			return true;
	return false;
}

static bool matches(const struct group *g, const char *text)
{
	/* A slash asks for a place in the tree, and that is in the path alone. */
	const char *where = strchr(text, '/') ? g->path : g->name;

	return has_capitals(text) ? strstr(where, text) : strcasestr(where, text);
}

/* Pre-order over everything, folded or not. */
static struct group *after(struct group *g)
{
	if (g->first)
		return g->first;
	while (g && !g->next)
		g = g->parent;
	return g ? g->next : NULL;
}

/* All groups in the order they would have with nothing folded; NULL: no memory. */
static struct group **unfolded(const struct model *m, size_t *n)
{
	struct group **all = malloc((m->n + 1) * sizeof(*all));

	*n = 0;
	for (size_t i = 0; all && m->flat && i < m->lines; i++)
		all[(*n)++] = m->line[i];
	for (struct group *g = m->at[0]; all && !m->flat && g; g = after(g))
		all[(*n)++] = g;
	return all;
}

static struct group *look(struct group **all, size_t n, const struct group *from, const char *text,
			  int step)
{
	size_t at = 0;

	while (at < n && all[at] != from)
		at++;
	for (size_t i = 0; i < n; i++) {
		at = (at + (step > 0 ? 1 : n - 1)) % n;
		if (matches(all[at], text))
			return all[at];
	}
	return NULL;
}

bool model_search(struct model *m, const char *text, int step)
{
	size_t n;
	struct group **all = m->n && *text ? unfolded(m, &n) : NULL;
	struct group *found = all ? look(all, n, model_cursor(m), text, step) : NULL;

	free(all);
	return found && model_select(m, found->path);
}
