/*
 * vector.pml - the first owned object of a bare slab: a vector appears beside live objects.
 * (src/slab/convert.c, slab.c, remote.c; src/alloc/shared.c, free.c, owner.c, recharge.c)
 *
 * A slab of two slots without vector. Slot 0 is an object of nobody's, which a stranger looks up,
 * recharges to A or not, and frees; slot 1 is free. The holder allocates for A, then takes back what
 * the stranger freed, and allocates that slot for A too. Either may install the vector. Its
 * objects are looked up by anybody and freed in the end, by the holder on the plain path, which
 * looks at no entry, as long as the hold is not marked.
 *
 * What must hold: a look-up of an allocated object says A, or nobody, as it was allocated; a free never
 * finds an entry of 0, which would be a double free; what was charged is credited.
 *
 * Right: all
 * Broken: SECOND_READ	a look-up sees that there is no vector, then reads the word for a handle
 * Broken: UNMARKED	the vector says of live objects what it says of free slots
 * Broken: ENTRIES_LATE	the vector is published, then filled in
 * Broken: MARK_LATE	the hold is marked when the vector has been installed
 * Broken: STORED	the vector is installed by a store
 * Broken: TAKE_LATE	a remote free pushes the slot, then takes the entry
 */
#define NOBODY 1 /* of entries; 0: free */
#define A      2

#define HOLDERS	  1
#define STRANGERS 2
byte word; /* the owner word: 0 or a vector, of the one or the other */
byte entries[4];
#define entry(v, i) entries[((v) - 1) * 2 + (i)]
bool marked; /* the hold: SLAB_HOLD_VEC */
byte idle = 2; /* bit i: the program does not have slot i */
byte freed;    /* bit i: on the list of the remote word */
byte charged;
byte given[2] = {NOBODY, 0}; /* what the program was given, 0: it has no such object; a ghost */

/* slot_payer(), by somebody to whom the object was shown, so it is allocated. One step decides. */
inline look_up(i)
{
	d_step { seen = word; owner = given[i] };
	if
	:: owner == 0
	:: owner != 0 && seen ->
		d_step { assert(given[i] == 0 || given[i] != owner || entry(seen, i) == owner); owner = 0 }
	:: owner != 0 && !seen ->
#ifdef SECOND_READ
		assert(!word);
#endif
		d_step { assert(given[i] == 0 || given[i] != owner || owner == NOBODY); owner = 0 }
	fi
}

proctype looker(byte i)
{
	byte owner;
	byte seen;

	look_up(i)
}

/* slab_vector(), from the swap on; whoever is second frees its own. */
inline install(v)
{
#ifndef MARK_LATE
	marked = true;
#endif
#ifdef STORED
	word = v;
#else
	d_step {
		if
		:: word == 0 -> word = v
		:: else
		fi
	};
#endif
#ifdef MARK_LATE
	marked = true
#endif
}

/* recharge_shared(): who does not hold the slab says of both slots that they are nobody's. */
inline recharge()
{
	if
	:: word
	:: !word ->
		entry(STRANGERS, 0) = NOBODY;
		entry(STRANGERS, 1) = NOBODY;
		install(STRANGERS)
	fi;
	charged++;
	d_step { assert(entry(word, 0) == NOBODY); entry(word, 0) = A; given[0] = A }
}

inline take_entry()
{
	if
	:: seen ->
		d_step { owner = entry(seen, 0); entry(seen, 0) = 0 };
		assert(owner);
		if
		:: owner == A -> d_step { assert(charged > 0); charged-- }
		:: else
		fi
	:: !seen
	fi
}

/* free_remote() of a slab that is not own. */
proctype stranger()
{
	byte seen, owner;

	if
	:: recharge()
	:: true
	fi;
	given[0] = 0;
	seen = word;
#ifndef TAKE_LATE
	take_entry();
#endif
	freed = freed | 1;
#ifdef TAKE_LATE
	take_entry()
#endif
}

inline mark_bare(i)
{
#ifndef UNMARKED
	if
	:: !(idle & (1 << i)) -> entry(HOLDERS, i) = NOBODY
	:: else
	fi
#else
	skip
#endif
}

/* shared_pop(), slab_set_payer(), slab_vector(). Until it is published the vector is the holder's. */
inline shared_alloc(i)
{
	charged++;
	idle = idle & ~(1 << i);
	if
	:: word
	:: !word ->
#ifdef ENTRIES_LATE
		install(HOLDERS);
#endif
		mark_bare(0);
		mark_bare(1);
		install(HOLDERS)
	fi;
	entry(word, i) = A;
	given[i] = A
}

/* slab_collect(), take_back(). */
inline slab_collect()
{
	d_step { freed & 1 -> freed = freed & ~1 };
	assert(!(idle & 1));
	if
	:: word -> entry(word, 0) = 0
	:: !word
	fi;
	idle = idle | 1
}

/* free_fast(), free_held(). */
inline free_held(i)
{
	given[i] = 0;
	if
	:: !marked /* free_fast(): nobody is credited */
	:: marked ->
		assert(word && entry(word, i) == A);
		entry(word, i) = 0;
		d_step { assert(charged > 0); charged-- }
	fi;
	idle = idle | (1 << i)
}

proctype holder()
{
	if
	:: shared_alloc(1); slab_collect()
	:: slab_collect(); shared_alloc(1)
	:: shared_alloc(1); free_held(1); slab_collect(); shared_alloc(1)
	fi;
	shared_alloc(0);
	free_held(1);
	free_held(0)
}

proctype checker()
{
	timeout;
	assert(charged == 0 && idle == 3 && freed == 0);
	assert(entry(word, 0) == 0 && entry(word, 1) == 0)
}

init {
	atomic {
		run holder(); run stranger(); run looker(0); run looker(1); run checker()
	}
}
