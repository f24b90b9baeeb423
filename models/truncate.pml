/*
 * truncate.pml - a file becomes shorter, or a part of a private window is unmapped, while faults bring
 * the page back. (src/vm/object.c, fault.c, mm.c, resident.c, evict.c)
 *
 * One page, nowhere at first: a first fault makes it, and charges it. Two threads fault on it, an evictor
 * takes it out to swap. Then, as the variant says:
 *   TRUNCATE	the object, which has two windows, is truncated below the page
 *   CUT	the object is private and its one window is unmapped at the page
 * Who drops the pages of a large and sparse object passes by those that are nowhere: he looks at the lock
 * and at where the page is, and locks only what is in use.
 *
 * What must hold: once a truncation is over it is as if the page had never been there: not in
 * memory, not in swap, not charged, in no table, in no hardware, then or ever after. After munmap the
 * window has no entry and no mapping, then or ever after, and the rest is true as soon as the faults
 * that were under way are over. No page is mapped that has no memory, at any time.
 *
 * Each look is under the lock that makes it last: the size under the page lock, before anything is
 * brought in; the end of the window under the table's lock, before the entry. A fault that learns there
 * that it has brought in for nobody drops the page itself, out of tables too: munmap may have said that the
 * window ends, and not have cleared the entry of an earlier fault.
 *
 * Right: TRUNCATE -DTRUNCATE
 * Right: CUT -DCUT
 * Broken: SIZE_EARLY -DTRUNCATE	a fault looks at the size, then locks the page
 * Broken: SIZE_LATE -DTRUNCATE	the pages are dropped, then the size is written
 * Broken: WHERE_FIRST -DTRUNCATE	who passes by looks where the page is, then at its lock
 * Broken: UNLOCKED_DROP -DTRUNCATE	who drops a page does not ask for its lock
 * Broken: KEEPS_SWAP -DTRUNCATE	what is not in memory is not dropped
 * Broken: KEEPS_MAPPED -DTRUNCATE	what is mapped is dropped, and its entries stay
 * Broken: KEEPS_PAGE -DCUT	a fault that finds the window gone leaves what it brought in
 * Broken: NO_LOOK -DCUT	under the table's lock a fault does not look whether the window has ended
 * Broken: KEEPS_MAPPED -DCUT	the page that a fault drops may have an entry to which munmap has not come
 */
#define FREE 0
#define BUSY 1
#define NONE	 0
#define RESIDENT 1
#define SWAPPED	 2

byte page_lock, where, mapcount, charged, swapped;
bool size = true; /* the page is within the object */
bool entry[2], table_lock[2], dead[2], hw[2];
bool unmapped;	/* the munmap of the only window has come back */
bool truncated; /* the truncation has: nothing may be there */

inline lock(l)
{
	d_step { !l -> l = true }
}

inline unlock(l)
{
	d_step { assert(l); l = false }
}

inline lock_page()
{
	d_step { page_lock == FREE -> page_lock = BUSY }
}

inline unlock_page()
{
	page_lock = FREE
}

inline clear_entry(w)
{
	lock(table_lock[w]);
	if
	:: entry[w] -> entry[w] = false; d_step { assert(mapcount > 0); mapcount-- }
	:: else
	fi;
	unlock(table_lock[w])
}

/* The page is locked, and in memory. */
inline map(w)
{
	lock(table_lock[w]);
#ifdef NO_LOOK
	stands = true;
#else
	stands = !dead[w];
#endif
	if
	:: stands && !entry[w] ->
		d_step { assert(where == RESIDENT); entry[w] = true; mapcount++ };
		hw[w] = true
	:: else
	fi;
	unlock(table_lock[w])
}

inline bring_in()
{
	if
	:: where == NONE -> charged++; where = RESIDENT
	:: where == SWAPPED -> charged++; swapped--; where = RESIDENT
	:: where == RESIDENT
	fi
}

/* The page is locked. */
inline drop_page()
{
#ifndef KEEPS_MAPPED
	clear_entry(0);
	clear_entry(1);
	d_step { hw[0] = false; hw[1] = false };
#endif
	assert(mapcount == 0); /* page_forget() */
	if
	:: where == RESIDENT -> where = NONE; d_step { assert(charged > 0); charged-- }
#ifndef KEEPS_SWAP
	:: where == SWAPPED -> where = NONE; d_step { assert(swapped > 0); swapped-- }
#endif
	:: else
	fi
}

inline drop_range()
{
#ifdef WHERE_FIRST
	passes = where == NONE;
	passes = passes && page_lock == FREE;
#else
	passes = page_lock == FREE;
	passes = passes && where == NONE;
#endif
	if
	:: passes
	:: !passes ->
#ifndef UNLOCKED_DROP
		lock_page();
#endif
		drop_page();
#ifndef UNLOCKED_DROP
		unlock_page()
#endif
	fi
}

/* What is beyond the object, or in no window any more, is the program's SIGSEGV or SIGBUS. */
proctype program(byte w)
{
	bool inside, stands, passes;

	do
	:: true ->
#ifdef SIZE_EARLY
		inside = size;
#endif
		lock_page();
#ifndef SIZE_EARLY
		inside = size;
#endif
		if
		:: inside -> bring_in(); map(w)
		:: else
		fi;
		unlock_page();
#ifndef KEEPS_PAGE
		if
		:: inside && !stands -> drop_range()
		:: else
		fi;
#endif
		d_step { inside = false; stands = false; passes = false }
	:: true -> break
	od
}

proctype evictor()
{
	bool got, was[2];

	do
	:: true ->
		d_step {
			got = page_lock == FREE && where == RESIDENT;
			page_lock = (got -> BUSY : page_lock)
		};
		if
		:: got ->
			was[0] = entry[0];
			clear_entry(0);
			was[1] = entry[1];
			clear_entry(1);
			d_step { hw[0] = hw[0] && !was[0]; hw[1] = hw[1] && !was[1] };
			was[0] = false;
			was[1] = false;
			swapped++;
			where = SWAPPED;
			d_step { assert(charged > 0); charged-- };
			unlock_page();
			got = false
		:: else
		fi
	:: true -> break
	od
}

proctype truncation()
{
	bool passes;

#ifdef SIZE_LATE
	drop_range();
	size = false;
#else
	size = false;
	drop_range();
#endif
	truncated = true
}

/* memcg_munmap() of part of a private window. */
proctype unmapper(byte w)
{
	bool passes;

	lock(table_lock[w]);
	dead[w] = true;
	unlock(table_lock[w]);
	hw[w] = false; /* and no CONTINUE succeeds any more */
	clear_entry(w);
	drop_range();
	unmapped = true
}

/* At any moment. */
proctype watcher()
{
	d_step {
		assert(!truncated || (where == NONE && charged == 0 && swapped == 0));
		assert(!(truncated || unmapped) || (!entry[0] && !entry[1] && !hw[0] && !hw[1]));
		assert(mapcount == 0 || where == RESIDENT)
	}
}

proctype checker()
{
	timeout;
	assert(page_lock == FREE && (truncated || unmapped));
	assert(where == NONE && charged == 0 && swapped == 0 && mapcount == 0);
	assert(!entry[0] && !entry[1] && !hw[0] && !hw[1])
}

init {
	atomic {
#ifdef TRUNCATE
		run program(0); run program(1); run truncation();
#else
		run program(0); run program(0); run unmapper(0);
#endif
		run evictor(); run watcher(); run checker()
	}
}
