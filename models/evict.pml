/*
 * evict.pml - a page leaves memory while programs write to it, others pin it, map it and unmap it, and
 * its charge moves. (src/vm/evict.c, fault.c, mm.c, rmap.c, move_page.c, page_lock.h)
 *
 * One page, two windows on it, a thread that writes through each. A mapping has two sides: our entry,
 * under its table's lock, and what the hardware has, which system calls alone change: CONTINUE
 * makes it; a zap, or the end of the window, takes it away and returns when no thread has it any more.
 * An evictor takes the page out time and again, and may find no room for the copy. Another thread pins
 * it, by its entry or with a fault, and something writes to its memory without a mapping, as the
 * kernel does. The second window is unmapped. A mover takes the page's charge, or its copy's.
 *
 * What must hold: whoever reads finds what was written last, at every access and in the end, in memory or
 * in the copy; memory that is pinned is not given back; of a window that has ended no entry and no
 * mapping is left; entries, count of mappings, references and charges add up when everybody is done.
 *
 * The rule behind it: where the hardware has a mapping there is an entry, or the page lock of who has
 * cleared it. So who holds the page lock and finds no entry, or no mappings by their count alone,
 * knows that no store is under way. CONTINUE therefore belongs into the section that makes the entry,
 * and munmap ends the mapping before it clears the entry, and after it has said that none may come.
 *
 * The count may be frozen before anything is undone, or when the mappings are gone: FREEZES_LATE.
 *
 * Right: all
 * Right: FREEZES_LATE -DFREEZES_LATE
 * Broken: COPY_FIRST	the content is copied, then the mappings are zapped
 * Broken: COUNT_LOOKED_AT	the evictor looks at the count for pins instead of freezing it
 * Broken: PIN_BARE	a pin adds a reference to whatever the entry shows, also to a count of 0
 * Broken: NO_WAIT	a fault finds the page still in memory, and does not wait for EVICTING
 * Broken: CLEAR_UNLOCKED	the evictor clears entries without their table's lock
 * Broken: ENTRY_FIRST	munmap clears the entry, then ends the mapping, under one lock of the table
 * Broken: END_LATE	the entry is cleared, then it is said that none may come
 * Broken: LOOKS_EARLY	a fault looks whether the window has ended, then takes the table's lock
 * Broken: MAPS_LATE	a fault gives the page lock up, then maps
 * Broken: MAPS_OUTSIDE	a fault has the system map the page, then takes the table's lock
 * Broken: PUNCH_LATE	the page is unlocked when it is copied, and its memory given back then
 * Broken: MOVE_UNLOCKED	the mover does not ask for the page lock
 */
#define A 0
#define B 1

#define FREE	 0
#define BUSY	 1
#define EVICTING 2
byte page_lock;

byte refcount = 1, mapcount, owner = A, charged[2], swapped[2];
bool resident = true, on_lru = true;
bool entry[2], table_lock[2], dead[2]; /* under the table's lock; dead: the window has ended */
bool hw[2];			       /* the hardware's: a store needs no more */

/* Each has what was written last, or not. The copy has a place or there is none. */
bool memory = true, copy;
byte pins; /* of the frame that the page has now: who has them knows the frame alone */

inline lock(l)
{
	d_step { !l -> l = true }
}

inline unlock(l)
{
	d_step { assert(l); l = false }
}

/* A store reads, too: what is there is what was stored before. A copy that exists is old now. */
inline store()
{
	assert(memory);
	copy = false
}

inline rmap_remove(w)
{
	entry[w] = false;
	d_step { assert(mapcount > 0); mapcount-- }
}

/* The page is in memory. Mapped already: somebody else's fault was first. */
inline map(w)
{
#ifdef MAPS_OUTSIDE
	d_step { hw[w] = !dead[w] };
#endif
#ifdef LOOKS_EARLY
	stands = !dead[w];
#endif
	lock(table_lock[w]);
#ifndef LOOKS_EARLY
	stands = !dead[w];
#endif
	if
	:: stands ->
		hw[w] = true;
		if
		:: !entry[w] -> entry[w] = true; mapcount++
		:: else
		fi;
		stands = false
	:: else
	fi;
	unlock(table_lock[w])
}

inline bring_in()
{
	if
	:: !resident ->
		charged[owner]++;
		memory = copy;
		copy = false;
		d_step { assert(swapped[owner] > 0); swapped[owner]-- };
		refcount = 1;
		resident = true;
		on_lru = true
	:: else
	fi
}

/* Waits while the page is BUSY or EVICTING. */
inline lock_page()
{
#ifdef NO_WAIT
	d_step {
		page_lock == FREE || (page_lock == EVICTING && resident);
		got = page_lock == FREE;
		page_lock = (got -> BUSY : page_lock)
	}
#else
	d_step { page_lock == FREE -> page_lock = BUSY; got = true }
#endif
}

inline unlock_page()
{
	if
	:: got -> got = false; page_lock = FREE
	:: else
	fi
}

inline fault(w)
{
	lock_page();
	if
	:: got -> bring_in()
	:: else
	fi;
	if
	:: wants -> d_step { assert(refcount > 0); refcount++; pins++; wants = false }
	:: else
	fi;
#ifdef MAPS_LATE
	unlock_page();
#endif
	map(w);
	unlock_page()
}

proctype program(byte w)
{
	bool got, wants, stands;

	do
	:: d_step { hw[w] -> store() }
	:: !hw[w] && !dead[w] -> fault(w)
	:: true -> break
	od
}

/* memcg_pin(), a read into the memory, memcg_unpin(). */
proctype pinner(byte w)
{
	bool got, stands, wants = true;

	if
	:: true ->
		lock(table_lock[w]);
#ifdef PIN_BARE
		d_step {
			got = entry[w];
#else
		d_step { /* page_tryget() */
			got = entry[w] && refcount > 0;
#endif
			refcount = refcount + got;
			pins = pins + got;
			wants = !got;
			got = false
		};
		unlock(table_lock[w])
	:: true
	fi;
	if
	:: wants -> fault(w)
	:: else
	fi;
	assert(resident);
	atomic { store() };
	assert(resident);
	d_step { assert(refcount > 1); refcount--; pins-- }
}

inline put_back()
{
	d_step { assert(refcount > 1); refcount--; on_lru = true }
}

inline zap_all()
{
	d_step { hw[0] = hw[0] && !was[0]; hw[1] = hw[1] && !was[1] }
}

inline clear_entries()
{
	do
	:: w < 2 && mapcount > 0 ->
#ifndef CLEAR_UNLOCKED
		lock(table_lock[w]);
#endif
		if
		:: entry[w] -> rmap_remove(w); was[w] = true
		:: else
		fi;
#ifndef CLEAR_UNLOCKED
		unlock(table_lock[w]);
#endif
		w++
	:: else -> w = 0; break
	od
}

/* The system takes the memory, and mappings of it; whoever comes to it again finds other memory. */
inline punch()
{
	d_step { assert(pins == 0); hw[0] = false; hw[1] = false; memory = false }
}

inline freeze()
{
#ifdef COUNT_LOOKED_AT
	frozen = refcount == 2
#else
	d_step {
		frozen = refcount == 2;
		refcount = (frozen -> 0 : refcount)
	}
#endif
}

/* No store is under way, none comes, and nobody else has the page. */
inline copy_out()
{
#ifndef COPY_FIRST
	copy = memory;
#endif
	if
	:: true -> /* the copy has a place */
		swapped[owner]++;
		charged[owner]--;
#ifdef PUNCH_LATE
		d_step { resident = false; refcount = 0 };
		page_lock = FREE;
		punch()
#else
		punch();
		d_step { resident = false; refcount = 0 };
		page_lock = FREE
#endif
	:: true -> /* thaw: it stays, and comes back by minor faults */
		copy = false;
#ifndef COUNT_LOOKED_AT
		refcount = 2;
#endif
		page_lock = FREE;
		put_back()
	fi
}

inline take_out()
{
	clear_entries();
#ifdef COPY_FIRST
	copy = memory;
#endif
	zap_all();
	was[0] = false;
	was[1] = false
}

proctype evictor()
{
	byte w;
	bool isolated, got, frozen, was[2];

	do
	:: true ->
		d_step {
			isolated = on_lru;
			on_lru = false;
			refcount = refcount + isolated
		};
		d_step {
			got = isolated && page_lock == FREE;
			page_lock = (got -> EVICTING : page_lock)
		};
		if
		:: got ->
#ifdef FREEZES_LATE
			take_out();
			freeze();
#else
			freeze();
			if
			:: frozen -> take_out()
			:: else
			fi;
#endif
			if
			:: frozen -> copy_out()
			:: else -> page_lock = FREE; put_back()
			fi
		:: !got && isolated -> put_back()
		:: !isolated
		fi
	:: true -> break
	od
}

inline clear_entry(w)
{
	lock(table_lock[w]);
	if
	:: entry[w] -> rmap_remove(w)
	:: else
	fi;
	unlock(table_lock[w])
}

/* memcg_munmap() */
proctype unmapper(byte w)
{
#ifdef ENTRY_FIRST
	lock(table_lock[w]);
	dead[w] = true;
	if
	:: entry[w] -> rmap_remove(w)
	:: else
	fi;
	hw[w] = false;
	unlock(table_lock[w])
#elif defined(END_LATE)
	hw[w] = false;
	clear_entry(w);
	dead[w] = true
#else
	lock(table_lock[w]);
	dead[w] = true;
	unlock(table_lock[w]);
	hw[w] = false;
	clear_entry(w)
#endif
}

/* memcg_mm_move() of the mm with the first window. B was charged before. */
proctype mover()
{
	bool got;

	lock(table_lock[0]);
#ifdef MOVE_UNLOCKED
	got = true;
#else
	d_step {
		got = page_lock == FREE;
		page_lock = (got -> BUSY : page_lock)
	};
#endif
	if
	:: got && (entry[0] || mapcount == 0) ->
		if
		:: resident -> charged[B]++; owner = B; charged[A]--
		:: else -> swapped[B]++; owner = B; swapped[A]--
		fi
	:: else
	fi;
#ifndef MOVE_UNLOCKED
	if
	:: got -> page_lock = FREE
	:: else
	fi;
#endif
	unlock(table_lock[0])
}

proctype checker()
{
	timeout;
	assert(page_lock == FREE && on_lru == resident && refcount == resident && pins == 0);
	assert(mapcount == entry[0] + entry[1] && mapcount <= 2 * resident);
	assert((!hw[0] || entry[0]) && !hw[1] && !entry[1]);
	assert(resident -> memory : copy);
	assert(charged[owner] == resident && swapped[owner] == !resident);
	assert(charged[1 - owner] == 0 && swapped[1 - owner] == 0)
}

init {
	atomic {
		charged[A] = 1;
		run program(0); run program(1); run pinner(0); run evictor();
		run unmapper(1); run mover(); run checker()
	}
}
