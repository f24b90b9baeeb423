/*
 * move.pml - a page's charge moves while other tables map and unmap it: what each group has mapped.
 * (src/vm/rmap.c, move_page.c, move_walk.c, mm.c, fault.c)
 *
 * A page of A's, two windows on it, each with its table. Faults map it, with the page lock and the
 * table's; munmap takes its table's lock alone; a mover with the first table moves the charge to B,
 * a second one, maybe with the same table, back again; the object is truncated at last, or not.
 * The lock order is page, then table; a mover has its table and only tries the page.
 *
 * What must hold: the statistic of neither group is ever too small for what is taken from it, and
 * when everybody is done each is what a recount of the page says.
 *
 * That a mover may take the page, since it is mapped here or nowhere, does not yet make the owner that
 * the last unmapping reads the right one: between its count and its statistic others go on. A page that
 * was just unmapped elsewhere can be moved, or mapped here again and then moved. So the count and the
 * number of moves are one word: the owner is read before the last unmapping, and its compare-and-swap
 * says that no move came in between. (The section of RCU that this wants, so that the owner's handle
 * is not another group's by the time of the statistic, is handle.pml's.)
 *
 * Right: all
 * Broken: READ_LATE	the last unmapping reads the owner when the count has become 0
 * Broken: COUNT_ALONE	the owner is read before, and the swap compares the count only
 * Broken: OWNER_TWICE	the owner is read to see whether there is one, and again for the statistic
 * Broken: ELSEWHERE	an entry that is not present is taken although the page is mapped elsewhere
 * Broken: ALL_MAPPED	the first patch: the mover thinks that all it finds is mapped here
 * Broken: NO_PAGE_LOCK	the mover does not ask for the page lock
 * Broken: NO_TABLE_LOCK	the mover looks at its table without the lock
 * Broken: DROPS_TABLE	the mover gives up the lock of the table in which it found the page, then moves it
 */
#define NOBODY 0
#define A      1
#define B      2

byte owner = A, mapped[3]; /* per group: pages of its own that are mapped */
byte mapcount, moves;	   /* one word */
bool entry[2], table_lock[2], page_lock;

inline lock(l)
{
	d_step { !l -> l = true }
}

inline unlock(l)
{
	d_step { assert(l); l = false }
}

inline stat_sub(g)
{
	d_step { assert(g != NOBODY && mapped[g] > 0); mapped[g]-- }
}

/* The page lock is held: the owner stays. */
inline rmap_add(w)
{
	entry[w] = true;
	d_step { first = mapcount == 0; mapcount++ };
	if
	:: first -> mapped[owner]++
	:: else
	fi
}

/* The table's lock is held, and perhaps the page lock. */
inline rmap_remove(w)
{
	entry[w] = false;
	do
	:: d_step { count = mapcount; seen = moves };
#ifndef READ_LATE
		if
		:: count == 1 -> g = owner
		:: else
		fi;
#endif
		d_step {
#ifdef COUNT_ALONE
			swapped = mapcount == count;
#else
			swapped = mapcount == count && moves == seen;
#endif
			assert(count > 0);
			if
			:: swapped -> mapcount--
			:: else
			fi;
			seen = 0
		};
		if
		:: swapped -> break
		:: else
		fi
	od;
	if
#ifdef READ_LATE
	:: count == 1 -> g = owner; stat_sub(g)
#else
#ifdef OWNER_TWICE
	:: count == 1 && g != NOBODY -> g = owner; stat_sub(g)
#else
	:: count == 1 -> stat_sub(g)
#endif
#endif
	:: else
	fi;
	d_step { g = 0; count = 0; swapped = false }
}

/* A fault, then munmap, of one window. */
proctype program(byte w)
{
	byte g, count, seen;
	bool first, swapped;

	do
	:: true ->
		lock(page_lock);
		if
		:: owner != NOBODY ->
			lock(table_lock[w]);
			if
			:: !entry[w] -> rmap_add(w)
			:: else
			fi;
			unlock(table_lock[w])
		:: else
		fi;
		unlock(page_lock)
	:: true ->
		lock(table_lock[w]);
		if
		:: entry[w] -> rmap_remove(w)
		:: else
		fi;
		unlock(table_lock[w])
	:: true -> break
	od
}

/* The page is locked, and mapped here or nowhere. */
inline move_account(from, to)
{
	if
	:: owner == from ->
#ifdef ALL_MAPPED
		mapped_now = true;
#else
		mapped_now = mapcount > 0;
#endif
		if
		:: mapped_now -> stat_sub(from); mapped[to]++
		:: else
		fi;
		owner = to;
		moves++
	:: else /* not ours */
	fi;
	mapped_now = false
}

inline try_page()
{
#ifdef NO_PAGE_LOCK
	got = true
#else
	d_step {
		got = !page_lock;
		page_lock = true
	}
#endif
}

inline end_page()
{
#ifndef NO_PAGE_LOCK
	unlock(page_lock)
#endif
	skip
}

/* memcg_mm_move() of the mm that has window w, one page of it. */
proctype mover(byte w, from, to)
{
	bool got, present, mapped_now;

#ifndef NO_TABLE_LOCK
	lock(table_lock[w]);
#endif
	try_page();
	if
	:: got ->
		present = entry[w];
#ifdef DROPS_TABLE
		unlock(table_lock[w]);
#endif
		if
#if defined(ELSEWHERE) || defined(ALL_MAPPED)
		:: true
#else
		:: present || mapcount == 0
#endif
		-> move_account(from, to)
		:: else /* mapped elsewhere: stays */
		fi;
		end_page()
	:: else /* busy: stays */
#ifdef DROPS_TABLE
		unlock(table_lock[w])
#endif
	fi;
#if !defined(NO_TABLE_LOCK) && !defined(DROPS_TABLE)
	unlock(table_lock[w])
#endif
}

/* The page goes, out of every table. What it was charged is given back to the owner that it has. */
proctype truncation()
{
	byte g, count, seen, w;
	bool swapped;

	if
	:: true ->
		lock(page_lock);
		do
		:: w < 2 && mapcount > 0 -> /* rmap_unmap() looks no further than the count says */
			lock(table_lock[w]);
			if
			:: entry[w] -> rmap_remove(w)
			:: else
			fi;
			unlock(table_lock[w]);
			w++
		:: else -> break
		od;
		assert(mapcount == 0);
		owner = NOBODY;
		unlock(page_lock)
	:: true
	fi
}

proctype checker()
{
	timeout;
	assert(mapcount == entry[0] + entry[1]);
	assert(mapped[A] == (owner == A && mapcount > 0));
	assert(mapped[B] == (owner == B && mapcount > 0))
}

init {
	atomic {
		run program(0); run program(1);
		if
		:: run mover(0, A, B); run mover(0, B, A)
		:: run mover(0, A, B); run mover(1, B, A)
		fi;
		run truncation(); run checker()
	}
}
