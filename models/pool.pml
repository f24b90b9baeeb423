/*
 * pool.pml - a network page comes home with its last put, while others try to get it by its address,
 * the pool's free pages lose their memory, and the pool is destroyed.
 * (src/net/net.c, pool.c, cache.c, extent.c, punch.c; src/page/put.c)
 *
 * Two pages of one pool: both out, each with one reference. A holder puts its page, which goes
 * on a stack or to the bits, and takes one again. A finder has the address of a page, tries to
 * get it, and puts it. A purge takes what is free in the bits and gives it back. The destroyer sets
 * the state, waits for a grace period, empties the stack, and lets the last page end the pool. What
 * the pool was goes after another grace period.
 *
 * The program does not begin to take from a pool that is gone: such a call looks at nothing here.
 *
 * What must hold: a count rises from 0 by a page's being handed out alone; a page is in one place; nobody
 * looks at a pool that is gone; the pool ends once, with every page at home; and it does end.
 *
 * Right: all
 * Broken: LOOKS_FOR_ONE	a put that finds a count of 1 gives the page to its pool, and drops it then
 * Broken: STAYS_ONE	the count becomes 1 as the page comes home, not as it is handed out
 * Broken: NO_GRACE	the stack is emptied without waiting for who saw the pool alive
 * Broken: NO_SECTION	who puts a page looks at the pool in no section
 * Broken: EMPTIED_FIRST	the last page may end the pool before the stack is empty
 * Broken: PURGE_UNCOUNTED	pages that lose their memory count as free meanwhile
 */
#define PAGES 2
#define NOBODY 255

#define LIVE	0
#define DYING	1
#define EMPTIED 2
#define ENDED	3

/* Where a page is. MOVING: on its way, in somebody's hands; PURGED: in the purge's. */
mtype = { OUT, MOVING, STACK, BITS, PURGED };

#define RCU_HEADS 2
#include "rcu.inc"
#define SYNC  0 /* memcg_pool_destroy: rcu_synchronize */
#define FREED 1 /* pool_end: rcu_defer(pool_free) */

mtype at[PAGES] = OUT;
byte count[PAGES] = 1;
byte state;  /* enum pool_state */
byte taken = PAGES; /* not free in the bits */
bool gone;   /* pool_free has run */
byte ends;

#define looks_at_pool() assert(!gone)

/* extents_give, under the pool's lock; pool_end. */
inline extents_give(page)
{
	d_step {
		looks_at_pool();
		assert(at[page] == MOVING || at[page] == PURGED);
#ifdef PURGE_UNCOUNTED
		if
		:: at[page] == MOVING -> taken--
		:: else
		fi;
#else
		assert(taken > 0);
		taken--;
#endif
		at[page] = BITS;
		if
		:: state == EMPTIED && taken == 0 ->
			state = ENDED;
			ends++;
			assert(at[0] == BITS && at[1] == BITS);
			rcu_queued[FREED] = true;
			rcu_waits[FREED] = rcu_inside
		:: else
		fi
	}
}

/* pool_untake: onto the stack of a pool that lives. */
inline pool_untake(page)
{
	looks_at_pool();
	if
	:: state == LIVE ->
		if
		:: d_step { looks_at_pool(); assert(at[page] == MOVING); at[page] = STACK }
		:: extents_give(page) /* the stack was full, or another faster */
		fi
	:: else -> extents_give(page)
	fi
}

/* net_release: its count is 0, and nobody else's. */
inline net_release(me, page)
{
	d_step { assert(at[page] == OUT); at[page] = MOVING };
#ifdef STAYS_ONE
	count[page] = 1;
#endif
#ifndef NO_SECTION
	rcu_read_lock(me);
#endif
	pool_untake(page);
#ifndef NO_SECTION
	rcu_read_unlock(me);
#endif
}

inline page_put(me, page)
{
#ifdef LOOKS_FOR_ONE
	if
	:: count[page] == 1 ->
		net_release(me, page);
		count[page] = 0
	:: else ->
		d_step { assert(count[page] > 0); count[page]--; last = (count[page] == 0) };
		assert(!last)
	fi
#else
	d_step { assert(count[page] > 0); count[page]--; last = (count[page] == 0) };
	if
	:: last -> net_release(me, page)
	:: else
	fi
#endif
}

/* net_take: cache_pop, else extents_take; then net_publish. */
inline take(me)
{
	got = NOBODY;
	rcu_read_lock(me);
	if
	:: state == LIVE ->
		d_step {
			looks_at_pool();
			if
			:: at[0] == STACK -> got = 0; at[0] = MOVING
			:: at[0] != STACK && at[1] == STACK -> got = 1; at[1] = MOVING
			:: at[0] == BITS && at[1] != STACK -> got = 0; at[0] = MOVING; taken++
			:: at[0] != STACK && at[0] != BITS && at[1] == BITS -> got = 1; at[1] = MOVING; taken++
			:: else
			fi
		}
	:: else
	fi;
	rcu_read_unlock(me);
	if
	:: got != NOBODY ->
#ifndef STAYS_ONE
		assert(count[got] == 0);
#endif
		d_step { at[got] = OUT; count[got] = 1 }
	:: else
	fi
}

/* Holds a page, puts it, and takes another. One of them then destroys the pool, where the other
 * may be in the middle of any of this. */
proctype holder(byte me; byte page; bool destroys)
{
	bool last;
	byte got;

	page_put(me, page);
	take(me);
	if
	:: got != NOBODY -> page_put(me, got)
	:: else
	fi;
	if
	:: destroys -> run destroyer()
	:: else
	fi
}

/* page_tryget by an address; the count outlives all. */
proctype finder(byte me)
{
	bool last, mine;
	byte n;

	n = count[0];
	do
	:: n == 0 -> break
	:: else ->
		d_step {
			mine = (count[0] == n);
			if
			:: mine -> assert(at[0] == OUT); count[0]++
			:: else -> n = count[0]
			fi
		};
		if
		:: mine -> page_put(me, 0); break
		:: else
		fi
	od
}

/* net_purge: finds the pool by its slot. punch_old. */
proctype purge(byte me)
{
	byte page = NOBODY;

	rcu_read_lock(me);
	if
	:: state != ENDED ->
		d_step {
			looks_at_pool();
			if
			:: at[0] == BITS && state != ENDED -> page = 0
			:: at[0] != BITS && at[1] == BITS && state != ENDED -> page = 1
			:: else
			fi;
			if
			:: page != NOBODY ->
				at[page] = PURGED;
#ifndef PURGE_UNCOUNTED
				taken++
#endif
			:: else
			fi
		};
		if
		:: page != NOBODY -> extents_give(page)
		:: else
		fi;
		looks_at_pool() /* extents_drop_idle */
	:: else
	fi;
	rcu_read_unlock(me)
}

/* cache_end: a page at a time is enough. */
inline cache_end()
{
	looks_at_pool();
	do
	:: d_step { at[0] == STACK -> at[0] = MOVING }; extents_give(0)
	:: d_step { at[1] == STACK -> at[1] = MOVING }; extents_give(1)
	:: at[0] != STACK && at[1] != STACK -> break
	od
}

/* extents_emptied. */
inline extents_emptied()
{
	d_step {
		looks_at_pool();
		state = EMPTIED;
		if
		:: taken == 0 ->
			state = ENDED;
			ends++;
			assert(at[0] == BITS && at[1] == BITS);
			rcu_queued[FREED] = true;
			rcu_waits[FREED] = rcu_inside
		:: else
		fi
	}
}

/* memcg_pool_destroy: who takes has done so, pages may be out and come home meanwhile. */
proctype destroyer()
{
	state = DYING;
#ifndef NO_GRACE
	rcu_defer(SYNC);
	rcu_due(SYNC);
#endif
#ifdef EMPTIED_FIRST
	extents_emptied();
	cache_end()
#else
	cache_end();
	extents_emptied()
#endif
}

active proctype callbacks()
{
end:
	rcu_due(FREED);
	gone = true
}

active proctype checker()
{
	timeout;
	assert(ends == 1 && gone && taken == 0 && state == ENDED);
	assert(at[0] == BITS && at[1] == BITS && count[0] == 0 && count[1] == 0)
}

init {
	atomic {
		run holder(0, 0, false);
		run holder(1, 1, true);
		run finder(2);
		run purge(3)
	}
}
