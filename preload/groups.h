/*
 * groups.h - names to groups: of threads, of thread names, of objects.
 *
 * A name becomes the path of a group: that of the first rule it matches (ctl/rules.h), else the
 * name itself, below the root, with '/' and control characters replaced. Groups are made when they
 * are first needed, those above them too, and get the limits the rules name for them; nobody sets a
 * limit again that somebody has changed since. They are never destroyed: what is charged to an
 * object that was unloaded, or to the name a thread had, is counted there as before.
 *
 * Names found before stand in a table that only grows, NR_GROUPS long: it is read without a lock,
 * and an entry is as it is for good once `group` is set. Entry 0 is "others", whose group takes all
 * names that came when the table was full. Two threads with the same new name may both enter it:
 * that costs an entry, and is tolerated.
 *
 * No memory for a group: the caller goes on paying from the group it is in, and asks again the next
 * time.
 */
#ifndef MEMCG_GROUPS_H
#define MEMCG_GROUPS_H

#include "preload.h"

#define NR_GROUPS 256u
#define NO_GROUP  NR_GROUPS

/* Takes over the rules of `memcg run`, if there are any. Once, in the constructor. */
void groups_start(const struct settings *s);

/*
 * The group of a name; the reference is the table's. Takes the lock of the tree, and so is for slow
 * paths that are not inside one (task_self()->busy is 0). errno is kept.
 */
struct memcg *group_named(const char *name);
unsigned group_index_named(const char *name); /* NO_GROUP: no memory for it */
struct memcg *group_at(unsigned index);

/* As group_named, but for names that are bounded anyway: never "others". A new reference. */
struct memcg *group_of_name(const char *name);

/* threads.c: from now on each thread is in the group of its number, or of its name. */
void groups_by_thread(bool by_name);

/* objects.c: from now on each allocation is charged to the group of the object that asks for it. */
void groups_by_object(void);

/* This thread pays from cg, a group of the table; NULL: as before. Nothing when it does already. */
void group_enter(struct memcg *cg);

#endif
