/*
 * hold.pml - the holder's one comparison against an owner vector that others install.
 * (src/slab/slab.h, slab.c, convert.c; src/alloc/recharge.c, free.c, fast.h)
 *
 * An own slab of A's with two objects. Two threads each recharge one of them to B, or not, so both may
 * install the exceptions, and hand it to the thread that holds the slab, which frees it: by the plain
 * path, which looks at no entry, if `hold` is its id and nothing else. The holder takes the slab meanwhile.
 *
 * What must hold: an object that was recharged is never freed by the plain path; each is credited to
 * who pays; in the end no byte is charged.
 *
 * Right: all
 * Broken: INSTALLER_MARKS	only who installed the vector marks the hold
 * Broken: MARK_AFTER	the mark comes when the charge has been moved and the object handed over
 * Broken: HOLDER_STORES	who takes the slab stores its id, and with that takes the mark away
 */
#define A     0
#define B     1
#define BYTES 8
#define SIZE  2

#define TID 2 /* of the holder, shifted by the mark's bit */
#define VEC 1

byte hold;
bool word; /* the vector of exceptions, or A's handle */
byte entry[2] = {A, A};
bool handed[2];
byte charged[2] = {BYTES, 0};

/* recharge_own(): exceptions(), then the mark, whoever installed them, then the entry. */
inline recharge(i)
{
	d_step { ours = !word; word = true }; /* compare-and-swap; the loser frees its own */
#ifdef INSTALLER_MARKS
	if
	:: ours -> hold = hold | VEC /* slab_exceptions() does that, too */
	:: !ours
	fi;
#endif
#if !defined(INSTALLER_MARKS) && !defined(MARK_AFTER)
	hold = hold | VEC;
#endif
	charged[B] = charged[B] + SIZE;
	entry[i] = B;
	d_step { assert(charged[A] >= SIZE); charged[A] = charged[A] - SIZE }
}

proctype user(byte i)
{
	bool ours;

	if
	:: recharge(i)
	:: true
	fi;
	handed[i] = true;
#ifdef MARK_AFTER
	hold = hold | VEC
#endif
}

/* free_fast(), or memcg__free_slow() and free_held(). */
inline free_object(i)
{
	handed[i];
	if
	:: hold == TID -> assert(entry[i] == A)
	:: else ->
		assert(word);
		owner = entry[i];
		entry[i] = A;
		if
		:: owner != A ->
			d_step { assert(charged[owner] >= SIZE); charged[owner] = charged[owner] - SIZE };
			charged[A] = charged[A] + SIZE
		:: else
		fi
	fi
}

proctype holder()
{
	byte owner;

#ifdef HOLDER_STORES
	hold = TID;
#else
	d_step { hold = TID | (hold & VEC) }; /* slab_set_hold() */
#endif
	free_object(0);
	free_object(1);
	d_step { assert(charged[A] >= BYTES); charged[A] = charged[A] - BYTES }
}

proctype checker()
{
	timeout;
	assert(charged[A] == 0 && charged[B] == 0)
}

init {
	atomic { run user(0); run user(1); run holder(); run checker() }
}
