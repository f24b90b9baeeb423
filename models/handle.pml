/*
 * handle.pml - the handle's one reference word, look-up, last reference, reuse.
 * (src/group/handle.h, group.c, tree.c; src/alloc/owner.c)
 *
 * Groups C below P below R; R is the root. C owns one object of one byte, which is freed while
 * its owner is looked up, while C and then P are destroyed, while entries of the table are used
 * anew: by group N, in the entry that was C's.
 *
 * What must hold: a group that is found in a section is memory that still is one; a reference is
 * never taken from 0; the group found is one of those that paid for the object, never N; an entry is
 * reused once, when nothing can lead to it; in the end nothing is left over.
 *
 * Right: all
 * Broken: BARE_GET	a look-up takes a reference without looking whether the count is 0
 * Broken: NO_GRACE	an entry is used anew when its count reaches 0
 * Broken: NO_PIN	a redirect takes no pin on the heir's handle
 * Broken: TWO_COUNTS	pins and bytes are two words, each looked at for 0
 * Broken: PUT_FIRST	a group gives up its references before its handle is redirected
 */
#define C	 0
#define P	 1
#define R	 2
#define N	 3
#define PIN	 8 /* of refs: pins * PIN + bytes */
#define REDIRECT 4 /* of word: a group, or REDIRECT + handle */

#define HEAD_GROUP(g)  (g)
#define HEAD_HANDLE(h) (2 + (h))
#define RCU_HEADS      4
#include "rcu.inc"

#define USED  0
#define LAST  1 /* refs reached 0 */
#define SPARE 2 /* on the list of free entries */

byte word[3], state[3];
#ifdef TWO_COUNTS
byte pins[3], bytes[3];
#else
byte refs[3];
#endif
byte group_refs[4];
bool gone[4]; /* the struct was freed */
bool entry = true; /* the object's owner entry names C's handle */
bool destroyed_p;

inline handle_last(h)
{
	d_step {
		assert(word[h] >= REDIRECT);
		assert(state[h] == USED);
		state[h] = LAST
	}
#ifdef NO_GRACE
	handle_reuse(h);
#else
	rcu_defer(HEAD_HANDLE(h));
#endif
}

/* One word for both kinds, so that of the last pin and the last byte one sees 0, and not both. */
#ifdef TWO_COUNTS
#define sub_pin(h)                                                                    \
	d_step { assert(pins[h] > 0); pins[h]--; zero = pins[h] == 0 };               \
	zero = zero && bytes[h] == 0
#define sub_bytes(h)                                                                  \
	d_step { assert(bytes[h] > 0); bytes[h]--; zero = bytes[h] == 0 };            \
	zero = zero && pins[h] == 0
#define add_pin(h)   pins[h]++
#define add_byte(h)  bytes[h]++
#define is_pins(h, n) (pins[h] == (n) && bytes[h] == 0)
#else
#define sub_pin(h)   d_step { assert(refs[h] >= PIN); refs[h] = refs[h] - PIN; zero = refs[h] == 0 }
#define sub_bytes(h) d_step { assert(refs[h] >= 1); refs[h] = refs[h] - 1; zero = refs[h] == 0 }
#define add_pin(h)   refs[h] = refs[h] + PIN
#define add_byte(h)  refs[h] = refs[h] + 1
#define is_pins(h, n) (refs[h] == (n) * PIN)
#endif

inline handle_reuse(h)
{
	to = word[h] - REDIRECT;
	state[h] = SPARE;
#ifndef NO_PIN
	sub_pin(to);
	/* handle_last(to): the heir may have waited for this pin only. */
	if
	:: zero -> d_step { assert(word[to] >= REDIRECT && state[to] == USED); state[to] = LAST };
		   rcu_defer(HEAD_HANDLE(to))
	:: else
	fi
#endif
}

inline handle_sub_pin(h)
{
	sub_pin(h);
	if
	:: zero -> handle_last(h)
	:: else
	fi
}

inline handle_sub_bytes(h)
{
	sub_bytes(h);
	if
	:: zero -> handle_last(h)
	:: else
	fi
}

/* In a section. Each load is a step, and of an entry that is somebody's. */
inline handle_group(h, g)
{
	d_step { assert(state[h] != SPARE); g = word[h] }
	do
	:: g >= REDIRECT -> d_step { assert(state[g - REDIRECT] != SPARE); g = word[g - REDIRECT] }
	:: else -> break
	od
}

inline group_put(g)
{
	d_step { assert(group_refs[g] > 0); group_refs[g]--; zero = group_refs[g] == 0 }
	if
	:: zero && g < R -> handle_sub_pin(g); rcu_defer(HEAD_GROUP(g))
	:: else
	fi
}

/* The program's memcg_destroy(): one section of the tree lock, then two references. */
inline memcg_destroy(g, heir)
{
#ifdef PUT_FIRST
	group_put(g);
	group_put(g);
#endif
#ifndef NO_PIN
	add_pin(heir);
#endif
	word[g] = REDIRECT + heir;
#ifndef PUT_FIRST
	group_put(g);
	group_put(g);
#endif
}

proctype destroyer()
{
	bool zero;
	byte to;

	memcg_destroy(C, P);
	if
	:: destroyed_p = true; memcg_destroy(P, R)
	:: skip
	fi
}

/* free(): the entry is exchanged, then the bytes folded into whoever pays now. */
proctype freer()
{
	bool zero;
	byte g, to;

	entry = false;
	rcu_read_lock(0);
	handle_group(C, g);
	assert(!gone[g] && g != N);
	rcu_read_unlock(0);
	handle_sub_bytes(C)
}

/* memcg_owner(): "when the group died in between look at the handle again". */
proctype looker()
{
	bool zero, got;
	byte g, to;

	rcu_read_lock(1);
	if
	:: entry ->
		do
		:: !got ->
			handle_group(C, g);
			assert(!gone[g]);
#ifdef BARE_GET
			d_step { assert(!gone[g] && group_refs[g] > 0); group_refs[g]++ };
			got = true
#else
			d_step {
				if
				:: group_refs[g] > 0 -> group_refs[g]++; got = true
				:: else
				fi
			}
#endif
		:: else -> break
		od
	:: !entry
	fi;
	rcu_read_unlock(1);
	if
	:: got -> assert(!gone[g] && g != N); group_put(g)
	:: else
	fi
}

/* Whoever polls runs what is due. */
proctype callbacks()
{
	bool zero;
	byte to;

end:	do
	:: d_step { rcu_due(HEAD_GROUP(C)) -> rcu_queued[HEAD_GROUP(C)] = false };
	   d_step { assert(!gone[C]); gone[C] = true };
	   group_put(P)
	:: d_step { rcu_due(HEAD_GROUP(P)) -> rcu_queued[HEAD_GROUP(P)] = false };
	   d_step { assert(!gone[P]); gone[P] = true };
	   group_put(R)
#ifndef NO_GRACE
	:: d_step { rcu_due(HEAD_HANDLE(C)) -> rcu_queued[HEAD_HANDLE(C)] = false };
	   handle_reuse(C)
#endif
	:: d_step { rcu_due(HEAD_HANDLE(P)) -> rcu_queued[HEAD_HANDLE(P)] = false };
	   handle_reuse(P)
	od
}

/* handle_new() for N: the entry that was C's, once it is on the list. */
proctype creator()
{
	state[C] == SPARE;
	state[C] = USED;
	group_refs[N] = 2;
	word[C] = N;
	add_pin(C)
}

proctype checker()
{
	timeout;
	assert(gone[C] && word[C] == N && is_pins(C, 1));
	assert(gone[P] == destroyed_p);
	if
	:: destroyed_p -> assert(state[P] == SPARE && group_refs[R] == 2)
	:: else -> assert(state[P] == USED && is_pins(P, 1) && group_refs[P] == 2)
	fi;
	assert(is_pins(R, 1))
}

/* Group references: the tree's, the creator's, one of the child's struct. */
init {
	d_step {
		word[C] = C; word[P] = P; word[R] = R;
		group_refs[C] = 2; group_refs[P] = 3; group_refs[R] = 3;
		add_pin(C); add_pin(P); add_pin(R);
		add_byte(C)
	}
	atomic {
		run destroyer(); run freer(); run looker();
		run callbacks(); run creator(); run checker()
	}
}
