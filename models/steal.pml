/*
 * steal.pml - a page is taken out of a pipe for good, or stays shared. (src/alloc/pipe.c;
 * src/page/put.c, page.h)
 *
 * A page that the writer W was charged for is in a pipe. One thread steals it for T, whose max may
 * refuse; one reads it; one tees it into a second pipe, from which it is read; one has its address,
 * tries to get a reference, and with it may move the charge to T or to W. A stolen page is written to: it
 * is the taker's alone.
 *
 * What must hold: nobody who was given the page's data, and still has it, sees it change; a count is
 * never raised from 0; refused or too late, a steal leaves the page in the pipe and nothing charged;
 * a page that was stolen is T's, charged once; in the end it is freed once and nothing is charged.
 *
 * Right: all
 * Broken: COUNT_OF_ONE	steal looks for a count of one, then stores 0
 * Broken: BARE_GET	the address is enough to add a reference
 * Broken: TEE_BORROWS	tee puts the page into the second pipe without a reference of its own
 * Broken: LOSES_SLOT	a steal that fails has taken the slot
 * Broken: KEEPS_CHARGE	a steal that fails leaves the taker charged
 * Broken: KEEPS_MARK	the taker is charged and the writer's mark stays
 * Broken: LOOKS_FIRST	whether the taker pays already is looked at before the page is frozen
 */
#define NOBODY 0
#define W      1
#define T      2

byte refcount = 1, owner = W, charged[3];
bool in_pipe = true; /* the slot: a reference */
bool locked; /* the pipe's lock; tee has both, and the second pipe's is not fought over */
bool freed;
byte content = 1;

inline lock()
{
	d_step { !locked -> locked = true }
}

inline unlock()
{
	locked = false
}

inline page_put()
{
	d_step { assert(!freed && refcount > 0); refcount--; last = refcount == 0 };
	if
	:: last ->
		mark = owner;
		owner = NOBODY;
		d_step { assert(charged[mark] > 0); charged[mark]-- };
		d_step { assert(!freed); freed = true }
	:: else
	fi
}

/* With the lock, and so with the slot's reference. */
inline page_freeze()
{
#ifdef COUNT_OF_ONE
	frozen = refcount == 1;
	if
	:: frozen -> refcount = 0
	:: else
	fi
#else
	d_step {
		frozen = refcount == 1;
		if
		:: frozen -> refcount = 0
		:: else
		fi
	}
#endif
}

inline page_thaw()
{
	assert(refcount == 0);
	refcount = 1
}

/* The mark goes, its group is credited, the taker's comes: the page is frozen. */
inline take_over()
{
#ifndef KEEPS_MARK
	mark = owner;
	owner = NOBODY;
	d_step { assert(charged[mark] > 0); charged[mark]-- };
	owner = T;
#endif
	page_thaw()
}

/* Frozen, and T pays already; or found, and to be charged for; or neither. */
inline look()
{
	lock();
	if
	:: in_pipe ->
#ifdef LOOKS_FIRST
		same = owner == T;
#endif
		page_freeze();
		if
		:: frozen ->
#ifndef LOOKS_FIRST
			same = owner == T;
#endif
			if
			:: same -> in_pipe = false
			:: else -> page_thaw(); frozen = false; found = true
			fi
		:: else
		fi
	:: else
	fi;
	unlock()
}

proctype stealer()
{
	byte mark;
	bool last, paid, frozen, found, same;

	look();
	if
	:: frozen -> assert(owner == T); page_thaw(); content = 2; page_put()
	:: found -> charged[T]++; paid = true
	:: !frozen /* refused, or there is nothing */
	fi;
	if
	:: paid ->
		lock();
		if
		:: in_pipe ->
			page_freeze();
			if
#ifdef LOSES_SLOT
			:: true -> in_pipe = false
#else
			:: frozen -> in_pipe = false
			:: else
#endif
			fi
		:: else
		fi;
		unlock();
		if
		:: frozen -> take_over(); content = 2; page_put()
		:: else ->
#ifndef KEEPS_CHARGE
			charged[T]--
#endif
			skip
		fi
	:: else
	fi
}

/* The slot's reference becomes the reader's. */
proctype reader()
{
	byte mark, seen;
	bool last, found;

	lock();
	if
	:: in_pipe -> in_pipe = false; found = true
	:: true
	fi;
	unlock();
	if
	:: found -> seen = content; assert(!freed && seen == 1); assert(content == seen); page_put()
	:: else
	fi
}

/* tee, then a read of the second pipe. */
proctype tee()
{
	byte mark;
	bool last, found;

	lock();
	if
	:: in_pipe ->
#ifndef TEE_BORROWS
		d_step { assert(refcount > 0); refcount++ };
#endif
		found = true
	:: else
	fi;
	unlock();
	if
	:: found -> assert(!freed && content == 1); page_put()
	:: else
	fi
}

/* memcg_page_recharge(): charged first, the mark exchanged, whom it named credited. */
inline recharge(to)
{
	charged[to]++;
	d_step { mark = owner; owner = to };
	d_step { assert(charged[mark] > 0); charged[mark]-- }
}

/* memcg_page_tryget() by who has the address, was given no data, and looks at none. */
proctype passer_by()
{
	byte mark;
	bool last, got;

#ifdef BARE_GET
	d_step { assert(refcount > 0); refcount++; got = true };
#else
	d_step {
		if
		:: refcount > 0 -> refcount++; got = true
		:: else
		fi
	};
#endif
	if
	:: got ->
		assert(!freed);
		do
		:: recharge(T)
		:: recharge(W)
		:: break
		od;
		assert(!freed);
		page_put()
	:: else
	fi
}

/* memcg_pipe_destroy(), when all others are done. */
proctype closer()
{
	byte mark;
	bool last;

	timeout;
	if
	:: in_pipe -> page_put()
	:: else
	fi;
	assert(freed && refcount == 0 && charged[W] == 0 && charged[T] == 0)
}

init {
	charged[W] = 1;
	atomic {
		run stealer(); run reader(); run tee(); run passer_by(); run closer()
	}
}
