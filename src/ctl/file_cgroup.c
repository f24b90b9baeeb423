/*
 * file_cgroup.c - the group as a node of the tree.
 *
 * There is one controller, and it cannot be taken away: what a group pays is what the whole tree
 * is for. So the files about controllers read what they always read, and writing accepts what
 * changes nothing.
 */
#include <errno.h>
#include <string.h>

#include "ctl/files.h"
#include "group/record.h"
#include "ctl/parse.h"

int show_cgroup_type(struct memcg *cg, struct text *t)
{
	(void)cg;
	text_say(t, "domain\n");
	return 0;
}

/* "threaded" is what may be written at all; a domain with the memory controller refuses it. */
int store_cgroup_type(struct memcg *cg, const char *buf, size_t len)
{
	(void)cg;
	return parse_is(buf, len, "threaded") ? -EOPNOTSUPP : -EINVAL;
}

int show_controllers(struct memcg *cg, struct text *t)
{
	(void)cg;
	text_say(t, "memory\n");
	return 0;
}

int show_subtree_control(struct memcg *cg, struct text *t)
{
	return show_controllers(cg, t);
}

/* All words are looked at before one is refused for what it asks. */
int store_subtree_control(struct memcg *cg, const char *buf, size_t len)
{
	const char *word;
	bool off = false;
	size_t n;

	(void)cg;
	while (parse_word(&buf, &len, &word, &n)) {
		if ((*word != '+' && *word != '-') || !parse_is(word + 1, n - 1, "memory"))
			return -EINVAL;
		off = *word == '-';
	}
	return off ? -EBUSY : 0;
}

int show_cgroup_stat(struct memcg *cg, struct text *t)
{
	text_line(t, "nr_descendants", group_descendants(cg));
	text_line(t, "nr_dying_descendants", group_dying(cg));
	return 0;
}

static int show_count(struct text *t, const u32 *count)
{
	u32 n = atomic_load(count);

	text_limit(t, n == GROUP_NO_MAX ? UINT64_MAX : n);
	return 0;
}

/* The largest that can be written is no limit, as it is the kernel's way to say "max". */
static int store_count(struct memcg *cg, size_t where, const char *buf, size_t len)
{
	struct group_record *r;
	u32 n;
	int err = parse_count(buf, len, &n);

	if (err)
		return err;
	r = group_record_make(cg);
	if (!r)
		return -ENOMEM;
	atomic_store((u32 *)((char *)r + where), n == INT32_MAX ? GROUP_NO_MAX : n);
	return 0;
}

int show_max_descendants(struct memcg *cg, struct text *t)
{
	return show_count(t, &group_record(cg)->max_descendants);
}

int store_max_descendants(struct memcg *cg, const char *buf, size_t len)
{
	return store_count(cg, offsetof(struct group_record, max_descendants), buf, len);
}

int show_max_depth(struct memcg *cg, struct text *t)
{
	return show_count(t, &group_record(cg)->max_depth);
}

int store_max_depth(struct memcg *cg, const char *buf, size_t len)
{
	return store_count(cg, offsetof(struct group_record, max_depth), buf, len);
}
