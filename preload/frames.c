/* frames.c - steps up the stack, and the rules of those made before. Theory in frames.h. */
#include "frames.h"

#include <dlfcn.h>

#include "cfi.h"
#include "sync/atomic.h"

#define RULES_SHIFT 12
#define NR_RULES    (1u << RULES_SHIFT)

/*
 * A word: what the index does not say of the address (35 bits), the rule (20: by_rbp, offset / 8,
 * saved / 8), the generation's low bits (9; frames_forget runs long before they come round).
 */
#define GENERATION_BITS 9
#define RULE_BITS	20
#define ADDRESS_BITS	47

static u64 rules[NR_RULES];

_Static_assert(ADDRESS_BITS - RULES_SHIFT + RULE_BITS + GENERATION_BITS == 64, "one word");
_Static_assert(CFI_OFFSET_MAX / 8 == 1 << 12 && CFI_SAVED_MAX / 8 < 1 << 7,
	       "what a rule has room for");

/* The index and what lies above it give the address back. */
static u64 *rule_slot(uintptr_t pc)
{
	return &rules[(pc ^ pc >> RULES_SHIFT) & (NR_RULES - 1)];
}

static u64 rule_key(uintptr_t pc, u64 generation)
{
	u64 mask = (1ul << GENERATION_BITS) - 1;

	return pc >> RULES_SHIFT << (RULE_BITS + GENERATION_BITS) | (generation & mask);
}

static u64 rule_pack(const struct cfi_rule *r)
{
	u64 packed = (u64)r->by_rbp << 19 | (u64)(r->offset / 8) << 7 | r->saved / 8;

	return packed << GENERATION_BITS;
}

static void rule_unpack(u64 word, struct cfi_rule *r)
{
	word >>= GENERATION_BITS;
	r->by_rbp = word >> 19 & 1;
	r->offset = (u16)((word >> 7 & 0xfff) * 8);
	r->saved = (u16)((word & 0x7f) * 8);
}

static bool rule_work_out(uintptr_t pc, struct cfi_rule *r)
{
	struct dl_find_object found;

	return !_dl_find_object((void *)(pc - 1), &found) && found.dlfo_eh_frame &&
	       cfi_find(found.dlfo_eh_frame, pc - 1, r);
}

static bool rule_of(uintptr_t pc, u64 generation, struct cfi_rule *r)
{
	const u64 mask = ((1ul << RULE_BITS) - 1) << GENERATION_BITS;
	u64 *slot = rule_slot(pc), key = rule_key(pc, generation), word = atomic_load(slot);

	if (likely(generation && (word & ~mask) == key && word & mask)) {
		rule_unpack(word, r);
		return true;
	}
	if (!rule_work_out(pc, r))
		return false;
	if (generation && !(pc >> ADDRESS_BITS))
		atomic_store(slot,
			     key | rule_pack(r)); /* racy: another address's word goes, or ours */
	return true;
}

bool frame_up(struct frame *f, u64 generation)
{
	struct cfi_rule r;
	uintptr_t cfa;

	if (!rule_of(f->pc, generation, &r))
		return false;
	cfa = (r.by_rbp ? f->bp : f->sp) + r.offset;
	if (cfa <= f->sp || cfa % 8)
		return false;
	f->pc = ((const uintptr_t *)cfa)[-1];
	if (r.saved)
		f->bp = *(const uintptr_t *)(cfa - r.saved);
	f->sp = cfa;
	return true;
}

void frames_forget(void)
{
	for (unsigned i = 0; i < NR_RULES; i++)
		atomic_store(&rules[i], 0ul);
}
