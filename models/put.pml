/*
 * put.pml - the last put decides what a page is; who charged it, and whether anybody is charged now,
 * does not. (src/page/put.c, page.h, block.c; src/alloc/large.c, recharge.c)
 *
 * A page that A was charged for has two references. One holder recharges it to B or not, both put it.
 * Somebody with its address alone tries to get a reference, at any time: when the page is in use, being
 * freed, free, or in use again as a counted page. Accounting is switched off and on meanwhile.
 *
 * What must hold: who has a reference has a page that is in use; a page is freed once each time, by
 * whoever's put made the count zero, with the mark and the count fit for it; in the end everything is
 * free and nothing is charged.
 *
 * Right: all
 * Broken: COUNT_OF_ONE	put looks for a count of one, and frees instead of dropping
 * Broken: BARE_GET	the address is enough to add a reference
 * Broken: GLOBAL_SWITCH	the free path asks whether accounting is on
 * Broken: MARK_EARLY	put reads the mark before it drops the reference
 * Broken: KIND_LAST	the block is free before its mark is gone
 */
#define NOBODY 0
#define A      1
#define B      2

byte refcount = 2, owner = A, charged[3];
#define FREE   0
#define TAKEN  1 /* on its way from the lists: not yet its mark, its kind and its count */
#define IN_USE 2 /* of a kind that is counted */
byte state = IN_USE;
bool accounting = true;

inline page_free(mark)
{
	assert(state == IN_USE && refcount == 0); /* page_check_free() */
#ifdef KIND_LAST
	state = FREE;
#endif
#ifndef MARK_EARLY
	mark = owner;
#endif
	if
#ifdef GLOBAL_SWITCH
	:: accounting && mark != NOBODY ->
#else
	:: mark != NOBODY ->
#endif
		owner = NOBODY;
		d_step { assert(charged[mark] > 0); charged[mark]-- }
	:: else
	fi;
#ifdef KIND_LAST
	skip
#else
	d_step { assert(state == IN_USE); owner = NOBODY; state = FREE }
#endif
}

inline page_put(mark)
{
#ifdef MARK_EARLY
	mark = owner;
#endif
	assert(state == IN_USE && refcount > 0);
#ifdef COUNT_OF_ONE
	if
	:: refcount == 1 -> refcount = 0; page_free(mark)
	:: else -> refcount--
	fi
#else
	d_step { refcount--; last = refcount == 0 };
	if
	:: last -> page_free(mark)
	:: else
	fi
#endif
}

proctype recharger()
{
	byte mark;
	bool last;

	if
	:: charged[B]++; owner = B; d_step { assert(charged[A] > 0); charged[A]-- }
	:: true
	fi;
	page_put(mark)
}

proctype holder()
{
	byte mark;
	bool last;

	page_put(mark)
}

/* page_tryget(): never from 0. What was got is the page as it is now, whichever that is. */
proctype passer_by()
{
	byte mark;
	bool last, got;

#ifdef BARE_GET
	got = true;
	refcount++;
#else
	d_step {
		if
		:: refcount > 0 -> refcount++; got = true
		:: else
		fi
	};
#endif
	if
	:: got -> assert(state == IN_USE); page_put(mark)
	:: else
	fi
}

/* The block's next life, once it is free: block_alloc(), kmem_pages(), and a put. */
proctype next_user()
{
	byte mark, mine;
	bool last;

	state == FREE;
	if
	:: accounting -> mine = A; charged[A]++
	:: !accounting
	fi;
	assert(refcount == 0 && owner == NOBODY);
	state = TAKEN;
	owner = mine;
	state = IN_USE;
	refcount = 1; /* page_publish(), release */
	page_put(mark)
}

proctype accounting_switch()
{
	accounting = false;
	accounting = true
}

proctype checker()
{
	timeout;
	assert(state == FREE && refcount == 0 && owner == NOBODY);
	assert(charged[A] == 0 && charged[B] == 0)
}

init {
	charged[A] = 1;
	atomic {
		run recharger(); run holder(); run passer_by(); run next_user();
		run accounting_switch(); run checker()
	}
}
