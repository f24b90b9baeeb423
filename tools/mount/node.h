/*
 * node.h - what the kernel has been told of: a directory for each group, a file for each of its
 * files.
 *
 * A node is a group's path and id, and a slot: 0 is the directory, others are names of files,
 * numbered as they are met (struct names). The kernel counts how often it was told of a node, and
 * forgets it so many times; with the last one the node goes. The number that stat shows is made of
 * id and slot, so it is the same when the node is made again: a group keeps its number for as long
 * as it lives. One thread.
 */
#ifndef MEMCG_MOUNT_NODE_H
#define MEMCG_MOUNT_NODE_H

#include "source/source.h"

#define NODE_SLOTS 1024u

struct names {
	char (*name)[48];
	unsigned n, room;
};

/* The slot of a name, from 1; 0: no memory, or too many. */
unsigned names_slot(struct names *n, const char *name);
const char *names_name(const struct names *n, unsigned slot);

struct node {
	struct node *next; /* in its bucket */
	uint64_t id;
	unsigned slot;
	uint64_t told;
	struct source_file *files; /* of a directory, once they were asked for */
	size_t nr_files;
	char path[]; /* the group's */
};

struct nodes {
	struct node **bucket;
	size_t buckets, n;
	struct node *root;
};

int nodes_init(struct nodes *n, uint64_t root_id);
void nodes_exit(struct nodes *n);
/* The one there is, or a new one; told once more. NULL: no memory. */
struct node *nodes_tell(struct nodes *n, const char *path, uint64_t id, unsigned slot);
void nodes_forget(struct nodes *n, struct node *node, uint64_t times);
uint64_t node_number(uint64_t id, unsigned slot);

#endif
