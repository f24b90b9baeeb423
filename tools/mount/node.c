/* node.c - see node.h. */
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 256u

/* ---- names of files ---- */

unsigned names_slot(struct names *n, const char *name)
{
	for (unsigned i = 0; i < n->n; i++)
		if (!strcmp(n->name[i], name))
			return i + 1;
	if (n->n + 1 == NODE_SLOTS)
		return 0;
	if (n->n == n->room) {
		unsigned room = n->room ? 2 * n->room : 64;
		void *grown = realloc(n->name, room * sizeof(*n->name));

		if (!grown)
			return 0;
		n->name = grown;
		n->room = room;
	}
	snprintf(n->name[n->n++], sizeof(*n->name), "%s", name);
	return n->n;
}

const char *names_name(const struct names *n, unsigned slot)
{
	return n->name[slot - 1];
}

/* ---- nodes ---- */

uint64_t node_number(uint64_t id, unsigned slot)
{
	return id * NODE_SLOTS + slot;
}

static size_t bucket_of(size_t buckets, uint64_t id, unsigned slot)
{
	return (node_number(id, slot) * 0x9e3779b97f4a7c15ul >> 20) & (buckets - 1);
}

static struct node *make(const char *path, uint64_t id, unsigned slot)
{
	size_t length = strlen(path) + 1;
	struct node *node = calloc(1, sizeof(*node) + length);

	if (!node)
		return NULL;
	memcpy(node->path, path, length);
	node->id = id;
	node->slot = slot;
	return node;
}

static void end(struct node *node)
{
	free(node->files);
	free(node);
}

int nodes_init(struct nodes *n, uint64_t root_id)
{
	*n = (struct nodes){.buckets = BUCKETS_FIRST};
	n->bucket = calloc(n->buckets, sizeof(*n->bucket));
	n->root = make("/", root_id, 0);
	if (n->bucket && n->root)
		return 0;
	nodes_exit(n);
	return -ENOMEM;
}

void nodes_exit(struct nodes *n)
{
	for (size_t i = 0; n->bucket && i < n->buckets; i++)
		for (struct node *node = n->bucket[i], *next; node; node = next) {
			next = node->next;
			end(node);
		}
	free(n->bucket);
	if (n->root)
		end(n->root);
	*n = (struct nodes){0};
}

/* Without memory the table stays as it is, and gets slow. */
static void grow(struct nodes *n)
{
	size_t buckets = n->buckets * 4;
	struct node **bucket = calloc(buckets, sizeof(*bucket));

	if (!bucket)
		return;
	for (size_t i = 0; i < n->buckets; i++)
		for (struct node *node = n->bucket[i], *next; node; node = next) {
			struct node **at = &bucket[bucket_of(buckets, node->id, node->slot)];

			next = node->next;
			node->next = *at;
			*at = node;
		}
	free(n->bucket);
	n->bucket = bucket;
	n->buckets = buckets;
}

struct node *nodes_tell(struct nodes *n, const char *path, uint64_t id, unsigned slot)
{
	struct node **at = &n->bucket[bucket_of(n->buckets, id, slot)], *node = *at;

	while (node && (node->id != id || node->slot != slot || strcmp(node->path, path)))
		node = node->next;
	if (!node) {
		node = make(path, id, slot);
		if (!node)
			return NULL;
		node->next = *at;
		*at = node;
		if (++n->n > 2 * n->buckets)
			grow(n);
	}
	node->told++;
	return node;
}

void nodes_forget(struct nodes *n, struct node *node, uint64_t times)
{
	struct node **at = &n->bucket[bucket_of(n->buckets, node->id, node->slot)];

	if (node == n->root || (node->told -= times))
		return;
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	n->n--;
	end(node);
}
