/*
 * convert.pml - an own slab becomes shared, or gets exceptions, while it is freed and looked at.
 * (src/slab/convert.c, remote.c, orphan.c; src/alloc/free.c, heaps.c, recharge.c, owner.c)
 *
 * A slab of two slots, charged whole to handle A: 8 bytes, a slot is 2, 3 in a shared slab. Each slot
 * is an object of some thread that does not hold the slab: it looks up the owner, recharges the object to
 * B or not, looks again, frees it. Meanwhile the holder lets the slab go (HOLDER), which converts it
 * if it has no vector; or it is an orphan (ORPHAN), and a free that leaves it sparse converts it.
 *
 * What must hold: a look-up says who pays at that moment; an entry is taken once; nobody touches
 * the slab once it is given back, which happens once; nothing is charged through a handle that nothing
 * holds; in the end no byte is charged and no pin is held.
 *
 * The remote word is one word, changed by compare-and-swap: `version` stands for all of it.
 *
 * Right: HOLDER -DHOLDER
 * Right: ORPHAN
 * Broken: SECOND_READ	a look-up asks the owner word what it is, then reads it again
 * Broken: FLIP_FIRST	the kind says shared before the vector is published
 * Broken: OLD_COUNT	the live slots are counted before the swap that ends the conversion
 * Broken: KEEP_LISTED	entries of slots that were freed before are left as they were made
 * Broken: PIN_LOST	who converts and finds exceptions ends the slab without their pin
 * Broken: PAYER_TWICE -DHOLDER	the holder looks for a vector, then reads the payer
 * Broken: NOT_CURRENT -DHOLDER	the holder takes the slab in hand without making it current
 */
#define A 2
#define B 3

#define SLOTS 2
#define BYTES 8
#define SIZE  2
#define COST  3

/* The owner word. */
#define NONE	   0
#define HANDLE	   1 /* A's */
#define EXCEPTIONS 2 /* vector with fallback A */
#define SHARED	   3 /* vector without */
#define is_vector(w) ((w) >= EXCEPTIONS)
#define fallback(w)  ((w) == EXCEPTIONS -> A : 0)
#define entry(w, i)  entries[((w) - EXCEPTIONS) * SLOTS + (i)]

#define HELD	0 /* states of the remote word */
#define HOLLOW	1
#define ORPHAN	2
#define LISTED	3
#define CLAIMED 4
#define DEAD	5

#define CURRENT 0
#define PARTIAL 1
#define NOWHERE 2

byte word = HANDLE, entries[4];
byte version, count, state, freed; /* the remote word; freed: bit i, slot i is on its list */
bool is_own = true;
byte used = SLOTS, where = PARTIAL, idle;
bool gone;
byte charged[4], pins;

inline charge(h, n)
{
	d_step { assert(h == B || charged[h] > 0 || pins > 0); charged[h] = charged[h] + n }
}

inline uncharge(h, n)
{
	d_step { assert(h >= A && charged[h] >= (n)); charged[h] = charged[h] - (n) }
}

inline load_remote()
{
	d_step { assert(!gone); old = version; st = state; n = count; list = freed; own = is_own }
}

inline slab_unmake()
{
	d_step { assert(!gone); gone = true; word = NONE }
}

/* With what it is charged; slab_pinned() before, slab_unpin() after. */
inline slab_drop(hollow)
{
	assert(!gone);
	pinned = is_vector(word) && fallback(word);
	if
	:: !hollow && is_own -> uncharge(A, BYTES)
	:: else
	fi;
	slab_unmake();
	if
	:: pinned -> pins--
	:: else
	fi
}

/* live: slots alive, each charged to A by its entry; FAILED: the word was not A's any more. */
#define FAILED 9
inline slab_convert()
{
	load_remote();
	live = used - n;
#ifdef FLIP_FIRST
	is_own = false;
#endif
	d_step {
		assert(!gone);
		if
		:: word == HANDLE ->
			entry(SHARED, 0) = (idle & 1 -> 0 : A);
			entry(SHARED, 1) = (idle & 2 -> 0 : A);
			word = SHARED
		:: else -> live = FAILED
		fi
	};
	do
	:: live == FAILED -> break
	:: live != FAILED ->
#ifndef KEEP_LISTED
		d_step {
			if
			:: list & 1 -> entry(SHARED, 0) = 0
			:: else
			fi;
			if
			:: list & 2 -> entry(SHARED, 1) = 0
			:: else
			fi
		};
#endif
#ifndef OLD_COUNT
		live = used - n;
#endif
		if
		:: d_step { version == old -> is_own = false; version++ };
			assert(!(list & 1) || entry(SHARED, 0) == 0);
			assert(!(list & 2) || entry(SHARED, 1) == 0);
			break
		:: version != old -> load_remote()
		fi
	od
}

/* orphan_settle(), settle_locked(): what the slab is once nobody holds or has claimed it. */
inline settle()
{
	load_remote();
	do
	:: st == HOLLOW -> verdict = HOLLOW; break
	:: st != HOLLOW ->
		verdict = (n == used -> DEAD : (own || used - n == SLOTS -> ORPHAN : LISTED));
		if
		:: d_step { version == old -> state = verdict; version++ }; break
		:: version != old -> load_remote()
		fi
	od
}

/* --- a thread that does not hold the slab and has the object in slot i ---------------------- */

inline look_up(i)
{
	d_step { assert(!gone); seen = word };
	if
	:: is_vector(seen) -> assert(entry(seen, i) == owner)
	:: else ->
#ifdef SECOND_READ
		seen = word;
#endif
		assert(seen == HANDLE && owner == A)
	fi
}

/* slab_exceptions(), with the pin of exceptions(). The vector says A of every slot. */
inline exceptions()
{
	payer = word; /* the handle is read before the vector */
	seen = word;
	if
	:: is_vector(seen) || payer != HANDLE -> seen = word
	:: else ->
		d_step { assert(charged[A] > 0 || pins > 0); pins++ };
		if
		:: d_step { word == HANDLE -> word = EXCEPTIONS;
			    entry(EXCEPTIONS, 0) = A; entry(EXCEPTIONS, 1) = A }
		:: word != HANDLE -> pins--
		fi;
		seen = word
	fi
}

inline recharge_entry(i, cost)
{
	assert(entry(seen, i) == A);
	charge(B, cost);
	entry(seen, i) = B;
	owner = B;
	uncharge(A, cost)
}

inline recharge(i)
{
	do
	:: is_own ->
		exceptions();
		if
		:: fallback(seen) -> recharge_entry(i, SIZE); break
		:: else /* it becomes shared: look again */
		fi
	:: !is_own -> seen = word; recharge_entry(i, COST); break
	od
}

/* An exception goes back to being the payer's. */
inline end_exception()
{
	uncharge(owner, SIZE);
	charge(A, SIZE)
}

/* Of two frees of one object only one gets an owner. */
inline take_entry(i)
{
	d_step { assert(!gone && entry(seen, i) == owner); entry(seen, i) = fallback(seen) }
}

/* The verdict of a push, on what was loaded; `where` and the vector are read after that. */
inline push_verdict()
{
	if
	:: st == HELD && (!own || where == CURRENT) -> verdict = HELD
	:: st == HELD && own && where != CURRENT -> verdict = (n + 1 == used -> HOLLOW : HELD)
	:: (st == ORPHAN || st == LISTED) && n + 1 == used -> verdict = DEAD
	:: st == LISTED && n + 1 != used -> verdict = LISTED
	:: st == ORPHAN && n + 1 != used && !own -> verdict = CLAIMED
	:: st == ORPHAN && n + 1 != used && own -> verdict = (is_vector(word) -> ORPHAN : CLAIMED)
	:: st == CLAIMED -> verdict = CLAIMED; yet = true
	:: st == HOLLOW || st == DEAD -> assert(false) /* every object was freed before */
	fi
}

inline push_follow()
{
	if
	:: verdict == HOLLOW -> uncharge(payer, BYTES)
	:: verdict == DEAD ->
		pinned = is_vector(word) && fallback(word);
		if
		:: acted -> uncharge(payer, BYTES)
		:: else
		fi;
		slab_unmake();
		if
		:: pinned -> pins--
		:: else
		fi
	:: verdict == CLAIMED && !yet ->
		live = FAILED;
		if
		:: acted -> slab_convert()
		:: else
		fi;
		if
		:: acted && live != FAILED -> uncharge(payer, BYTES - live * COST)
		:: else
		fi;
		settle();
		if
		:: verdict == DEAD ->
#ifndef PIN_LOST
			pinned = is_vector(word) && fallback(word);
#endif
			if
			:: acted && live == FAILED -> uncharge(payer, BYTES)
			:: else
			fi;
			slab_unmake();
			if
			:: pinned -> pins--
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

/* free_remote(). seen: the vector, loaded after the kind; the slot is 2 of 8 bytes, or 3. */
inline free_remote(i)
{
	do
	:: d_step { assert(!gone); acted = is_own };
		seen = word;
		if
		:: acted && is_vector(seen) -> payer = fallback(seen)
		:: acted && !is_vector(seen) ->
			seen = word; /* slab_payer(): the handle, else the vector */
			payer = (seen == HANDLE -> A : fallback(word));
			seen = NONE
		:: !acted -> assert(is_vector(seen)); payer = 0
		fi;
		if
		:: is_vector(seen) && acted && payer && !took ->
			take_entry(i);
			took = true;
			if
			:: owner != payer -> end_exception()
			:: else
			fi
		:: is_vector(seen) && !acted -> take_entry(i)
		:: else
		fi;
		changed = false;
		do
		:: load_remote();
			if
			:: own != acted -> changed = true; break
			:: own == acted
			fi;
			yet = false;
			push_verdict();
			if
			:: d_step { version == old ->
				assert(!gone && !(freed & (1 << i)));
				freed = freed | (1 << i); count++; state = verdict; version++ };
				break
			:: version != old
			fi
		od;
		if
		:: !changed -> break
		:: changed
		fi
	od;
	push_follow();
	if
	:: !acted -> uncharge(owner, COST)
	:: else
	fi
}

proctype user(byte i)
{
	byte old, st, n, list, live, verdict, seen, payer, owner = A;
	bool own, acted, took, changed, pinned, yet;

	look_up(i);
	if
	:: recharge(i); look_up(i)
	:: true
	fi;
	free_remote(i)
}

/* --- the holder ------------------------------------------------------------------------------- */

/* slab_claim(), behind "current"; false: hollow. What was freed by others is the slab's again. */
inline claim(ok)
{
#ifndef NOT_CURRENT
	where = CURRENT;
#endif
	load_remote();
	do
	:: st == HOLLOW -> ok = false; break
	:: st != HOLLOW ->
		if
		:: d_step { version == old -> version++; count = 0; freed = 0;
			    used = used - n; idle = list; ok = true }; break
		:: version != old -> load_remote()
		fi
	od
}

/* The slab is current since the claim: no free by others finds it hollow while its kind changes. */
inline make_shared()
{
	seen = word;
	if
	:: is_vector(seen)
	:: !is_vector(seen) ->
#ifdef PAYER_TWICE
		d_step { seen = word; assert(seen == HANDLE) };
#endif
		slab_convert();
		if
		:: live != FAILED -> uncharge(A, BYTES - live * COST)
		:: else
		fi
	fi
}

proctype holder()
{
	byte old, st, n, list, live, verdict, seen;
	bool own, pinned, ok;

	claim(ok);
	if
	:: !ok -> slab_drop(true)
	:: ok && used == 0 -> slab_drop(false)
	:: ok && used != 0 ->
		if
		:: make_shared()
		:: true /* not sparse enough */
		fi;
		where = NOWHERE;
		settle();
		if
		:: verdict == HOLLOW -> slab_drop(true)
		:: verdict == DEAD -> slab_drop(false)
		:: else
		fi
	fi
}

proctype checker()
{
	timeout;
	assert(gone && charged[A] == 0 && charged[B] == 0 && pins == 0)
}

init {
	d_step {
		charged[A] = BYTES;
#ifndef HOLDER
		state = ORPHAN;
		where = NOWHERE
#endif
	}
	atomic {
#ifdef HOLDER
		run holder();
#endif
		run user(0); run user(1); run checker()
	}
}
