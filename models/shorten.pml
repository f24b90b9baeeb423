/*
 * shorten.pml - chains of dead handles: who gives bytes back through one shortens it, or books them
 * to the heir, while the middle of the chain is destroyed, ends and is used anew.
 * (src/group/handle.h 6 and 9, handle.c; src/group/charge.c)
 *
 * C's group is gone, C names P, P's group is about to go, to R, the root. Two bytes were charged
 * through C. One is folded by a thread that shortens the way first; one is booked to the heir, and
 * folded from there. A reader follows the word meanwhile.
 *
 * What must hold: nobody loads from an entry that is used anew, or raises a count that was 0; no
 * count goes below 0; in the end C and P are free and R has its own pin alone.
 *
 * Right: all
 * Broken: BARE_PIN	the way on is pinned without looking whether its count is 0
 * Broken: NO_PIN	the way on is named without a pin
 * Broken: UNPIN_FIRST	the pin on what was named is dropped before the word is exchanged
 * Broken: PLAIN_STORE	the word is stored, whatever it is by then
 * Broken: NO_SECTION	the way is looked for and shortened outside a section
 */
#define C	 0
#define P	 1
#define R	 2
#define PIN	 8 /* of refs: pins * PIN + bytes */
#define REDIRECT 4 /* of word: a group, or REDIRECT + handle */

#define RCU_HEADS 2
#include "rcu.inc"

#define USED  0
#define LAST  1 /* refs reached 0 */
#define SPARE 2 /* on the list of free entries */

byte word[3], state[3], refs[3];

inline sub(h, n)
{
	d_step {
		assert(state[h] == USED && refs[h] >= (n));
		refs[h] = refs[h] - (n);
		if
		:: refs[h] == 0 -> assert(word[h] >= REDIRECT); state[h] = LAST; rcu_defer(h)
		:: else
		fi
	}
}

/* Never raises a count from 0. */
inline try_add(h, n, done)
{
	d_step {
		if
		:: refs[h] > 0 -> refs[h] = refs[h] + (n); done = true
		:: else ->
#ifdef BARE_PIN
			assert(refs[h] > 0); /* raised from the dead */
#endif
			done = false
		fi
	}
}

inline heir_of(h, to)
{
	to = h;
	do
	:: d_step { assert(state[to] != SPARE); w = word[to] };
	   if
	   :: w >= REDIRECT -> to = w - REDIRECT
	   :: else -> break
	   fi
	od
}

/* The caller holds C, and is in a section. */
inline shorten(to)
{
	d_step { assert(state[C] == USED); was = word[C] };
	heir_of(C, to);
	if
	:: was == REDIRECT + to -> skip
	:: else ->
#ifdef NO_PIN
		done = true;
#else
		try_add(to, PIN, done);
#endif
		if
		:: !done -> skip
		:: else ->
#ifdef UNPIN_FIRST
			sub(was - REDIRECT, PIN);
			word[C] = REDIRECT + to
#else
#ifdef PLAIN_STORE
			word[C] = REDIRECT + to; done = true;
#else
			d_step {
				done = (word[C] == was);
				if
				:: done -> word[C] = REDIRECT + to
				:: else
				fi
			};
#endif
			if
			:: done -> sub(was - REDIRECT, PIN)
			:: else -> sub(to, PIN)
			fi
#endif
		fi
	fi
}

inline enter(self)
{
#ifndef NO_SECTION
	rcu_read_lock(self)
#else
	skip
#endif
}

/* charge_fold(): counters, then the way, then the bytes. */
proctype folder(byte self)
{
	byte w, to, was;
	bool done;

	enter(self);
	shorten(to);
	rcu_read_unlock(self);
	sub(C, 1)
}

/* uncharge_dead(): the byte is the heir's, which may be destroyed before it is folded. */
proctype booker(byte self)
{
	byte w, to, was, heir;
	bool done;

	enter(self);
	do
	:: heir_of(C, heir); try_add(heir, 1, done);
	   if
	   :: done -> break
	   :: else
	   fi
	od;
	shorten(to);
	rcu_read_unlock(self);
	sub(C, 1);
	sub(heir, 1)
}

/* handle_group() by who found C while it was owned. */
proctype reader()
{
	byte w, to;

	rcu_read_lock(2);
	if
	:: state[C] == USED -> heir_of(C, to)
	:: else
	fi;
	rcu_read_unlock(2)
}

/* memcg_destroy() of P; the struct's pin goes with its last reference. */
proctype destroyer()
{
	refs[R] = refs[R] + PIN;
	word[P] = REDIRECT + R;
	sub(P, PIN)
}

/* handle_settle() and handle_reuse(): the second grace period is for statistics, not for this. */
proctype callbacks()
{
	byte to;

end:	do
	:: d_step { rcu_due(C) -> rcu_queued[C] = false; state[C] = SPARE; to = word[C] - REDIRECT };
	   sub(to, PIN)
	:: d_step { rcu_due(P) -> rcu_queued[P] = false; state[P] = SPARE; to = word[P] - REDIRECT };
	   sub(to, PIN)
	od
}

proctype checker()
{
	timeout;
	assert(state[C] == SPARE && state[P] == SPARE && refs[R] == PIN)
}

init {
	d_step {
		word[C] = REDIRECT + P; word[P] = P; word[R] = R;
		refs[C] = 2; refs[P] = 2 * PIN; refs[R] = PIN
	}
	atomic {
		run folder(0); run booker(1); run reader(); run destroyer();
		run callbacks(); run checker()
	}
}
