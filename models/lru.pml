/*
 * lru.pml - a group dies, and its lists of pages go to its parent while pages come and go.
 * (src/group/vm.c, src/lru/lruvec.c, src/vm/lists.c, reclaim.c, move_page.c)
 *
 * Groups C below P below R; R is the root, and T another group below it. One page is charged to C's
 * handle: it comes onto a list, is isolated and put back, or moved to T while it is isolated, and
 * whoever uses it makes it the newest of its list. Another is P's. A reclaimer takes what it finds
 * on the lists of C or P, if it can have the page lock, and puts it back. C is destroyed, then
 * perhaps P. The lists of C are made when its first page is about to come, maybe while C is destroyed.
 *
 * A list is its links: who changes them without the lock that others count on breaks it. So a change has
 * two steps here, and nobody else's may lie between. A splice moves all pages of a list and touches
 * none: no page says whose list it is on, only that it is on one; whose follows from its handle. The
 * page lock keeps page and handle together, the lock of the lists handle and group.
 *
 * What must hold: two changes of one list never overlap; who has locked the lists of a page's group
 * finds the page there, if it is on a list; lists whose group is gone are not touched; in the end the
 * pages are on the lists of the groups that their handles name.
 *
 * Right: all
 * Broken: NO_SECOND_LOOK	who has locked the lists does not look again whose they are
 * Broken: ONCE	who finds that they are another group's locks that one's, and does not look again
 * Broken: NO_SECTION	the group is looked up and its lists are locked outside a section
 * Broken: REDIRECT_AFTER	the lists are spliced, the locks given up, then the handle is redirected
 * Broken: REDIRECT_BEFORE	the handle is redirected, then the lists are locked and spliced
 * Broken: CHILD_LOCK	the splice takes the lock of the child alone
 * Broken: NEED_UNLOCKED	the lists of a group are made without the lock under which it dies
 * Broken: MOVE_LISTED	a page changes its owner while it is on a list
 * Broken: TOUCH_UNLOCKED	who looks for a page's lists has a reference on it, not the page lock
 */
#define C 0
#define P 1
#define R 2
#define T 3
#define NOBODY 4
#define REDIRECT 4

#define RCU_HEADS 2
#include "rcu.inc"

byte word[4], group_refs[2];
bool gone[2], online[2];
bool made; /* C has lists; the others always */
bool tree_lock;

bool page_lock[2];
byte handle[2];			 /* a page's owner, under the page lock */
bool listed[2];			 /* a page is on a list, under that list's lock */
byte on[4];			 /* bit p: page p is on this group's list */
bool lru_lock[4], torn[4];	 /* torn: a change is half done */

inline lock(l)
{
	d_step { !l -> l = true }
}

inline unlock(l)
{
	d_step { assert(l); l = false }
}

#define is_memory(g) ((g) >= 2 || !gone[g])

inline lru_lock_acquire(g)
{
	d_step { !lru_lock[g] -> assert(is_memory(g)); lru_lock[g] = true }
}

inline lru_lock_release(g)
{
	d_step { assert(is_memory(g) && lru_lock[g]); lru_lock[g] = false }
}

inline begin_change(g)
{
	d_step { assert(is_memory(g) && !torn[g]); torn[g] = true }
}

inline end_change(g)
{
	d_step { assert(is_memory(g) && torn[g]); torn[g] = false }
}

inline handle_group(h, g)
{
	g = word[h];
	do
	:: g >= REDIRECT -> g = word[g - REDIRECT]
	:: g < REDIRECT -> break
	od
}

/* The page is locked. Its group's lists are, then: and so the group stays, out of the section too. */
inline page_lruvec_lock(self, p, g)
{
	do
	:: true ->
#ifndef NO_SECTION
		rcu_read_lock(self);
#endif
		h = handle[p];
		handle_group(h, g);
		lru_lock_acquire(g);
#ifdef NO_SECOND_LOOK
		again = g;
#else
		h = handle[p];
		handle_group(h, again);
#endif
#ifdef ONCE
		if
		:: again != g -> lru_lock_release(g); g = again; lru_lock_acquire(g)
		:: else
		fi;
#endif
		if
		:: again == g -> rcu_read_unlock(self); break
		:: else -> lru_lock_release(g); rcu_read_unlock(self)
		fi
	od;
	again = 0;
	h = 0
}

inline lru_add(g, p)
{
	begin_change(g);
	d_step {
		assert(!listed[p] && (on[g] & (1 << p)) == 0);
		listed[p] = true;
		on[g] = on[g] | (1 << p)
	};
	end_change(g)
}

inline lru_del(g, p)
{
	begin_change(g);
	d_step {
		assert(listed[p] && (on[g] & (1 << p)) != 0);
		listed[p] = false;
		on[g] = on[g] & ~(1 << p)
	};
	end_change(g)
}

inline put_back(self, p)
{
	page_lruvec_lock(self, p, g);
	lru_add(g, p);
	lru_lock_release(g);
	g = 0
}

/* The page comes; then it is taken off its list, perhaps moved, and put back, time and again. */
proctype mover()
{
	byte g, h, again;

#ifdef NEED_UNLOCKED
	made = true;
#else
	lock(tree_lock); /* group_vm_need() */
	made = true;
	unlock(tree_lock);
#endif
	lock(page_lock[0]);
	handle[0] = C;
	put_back(0, 0);
	unlock(page_lock[0]);
	do
	:: true ->
		lock(page_lock[0]);
#ifdef MOVE_LISTED
		handle[0] = T;
#else
		page_lruvec_lock(0, 0, g);
		if
		:: listed[0] -> lru_del(g, 0)
		:: else
		fi;
		lru_lock_release(g);
		g = 0;
		if
		:: handle[0] = T
		:: true
		fi;
		put_back(0, 0);
#endif
		unlock(page_lock[0])
	:: true -> break
	od
}

/* Who uses a page of any group makes it the newest of its list. */
proctype toucher(byte p)
{
	byte g, h, again;

	do
	:: true ->
#ifndef TOUCH_UNLOCKED
		lock(page_lock[p]);
#endif
		if
		:: handle[p] != NOBODY ->
			page_lruvec_lock(1, p, g);
			if
			:: listed[p] -> lru_del(g, p); lru_add(g, p)
			:: else
			fi;
			lru_lock_release(g);
			g = 0
		:: else
		fi;
#ifndef TOUCH_UNLOCKED
		unlock(page_lock[p])
#endif
	:: true -> break
	od
}

/* It has the group, and no page: its lists are its lists, and empty once it is dead. */
proctype reclaimer()
{
	byte g, h, again, p;
	bool got;

	rcu_read_lock(2);
	if
	:: made -> g = C
	:: g = P
	fi;
	if
	:: is_memory(g) && group_refs[g] > 0 ->
		lru_lock_acquire(g);
		if
		:: (on[g] & 2) != 0 -> p = 1
		:: (on[g] & 1) != 0
		:: else -> p = 2
		fi;
		if
		:: p < 2 -> d_step { got = !page_lock[p]; page_lock[p] = true }
		:: else
		fi;
		if
		:: got -> lru_del(g, p)
		:: else
		fi;
		lru_lock_release(g)
	:: else
	fi;
	rcu_read_unlock(2);
	g = 0;
	if
	:: got -> put_back(2, p); unlock(page_lock[p])
	:: else
	fi
}

inline lru_splice(to, from)
{
	if
	:: on[from] != 0 ->
		begin_change(from);
		begin_change(to);
		d_step { on[to] = on[to] | on[from]; on[from] = 0 };
		end_change(to);
		end_change(from)
	:: else
	fi
}

/* group_vm_offline() */
inline offline(g, heir)
{
	lock(tree_lock);
#ifdef REDIRECT_BEFORE
	word[g] = REDIRECT + heir;
#endif
	has_lists = g != C || made;
	if
	:: has_lists ->
		lru_lock_acquire(g);
#ifndef CHILD_LOCK
		lru_lock_acquire(heir)
#endif
	:: else
	fi;
#ifndef REDIRECT_AFTER
	word[g] = REDIRECT + heir;
#endif
	if
	:: has_lists ->
		lru_splice(heir, g);
#ifndef CHILD_LOCK
		lru_lock_release(heir);
#endif
		lru_lock_release(g)
	:: else
	fi;
#ifdef REDIRECT_AFTER
	word[g] = REDIRECT + heir;
#endif
	online[g] = false;
	unlock(tree_lock)
}

inline group_put(g)
{
	d_step { group_refs[g]--; zero = group_refs[g] == 0 };
	if
	:: zero -> rcu_defer(g)
	:: else
	fi
}

/* memcg_destroy(), of C and maybe of P. */
proctype destroyer()
{
	bool zero, has_lists;

	offline(C, P);
	group_put(C);
	if
	:: offline(P, R); group_put(P)
	:: true
	fi
}

/* group_free(): the struct of a child keeps its parent's. */
proctype callbacks()
{
	bool zero;

end:	do
	:: d_step { rcu_due(C) -> rcu_queued[C] = false; gone[C] = true }; group_put(P)
	:: d_step { rcu_due(P) -> rcu_queued[P] = false; gone[P] = true }
	od
}

proctype checker()
{
	byte heir = P;

	timeout;
	if
	:: !online[P] -> heir = R
	:: else
	fi;
	assert(gone[C] && gone[P] == !online[P]);
	assert(listed[0] && listed[1] && !page_lock[0] && !page_lock[1]);
	assert((on[(handle[0] == T -> T : heir)] & 1) == 1);
	assert((on[heir] & 2) == 2);
	assert(on[C] == 0 && (heir == P || on[P] == 0))
}

/* References: the tree's (the creator's goes with it), and of P its child's. */
init {
	d_step {
		word[C] = C; word[P] = P; word[R] = R; word[T] = T;
		online[C] = true; online[P] = true;
		group_refs[C] = 1; group_refs[P] = 2;
		handle[0] = NOBODY; handle[1] = P;
		on[P] = 2; listed[1] = true
	}
	atomic {
		run mover(); run toucher(0); run reclaimer();
		run destroyer(); run callbacks(); run checker()
	}
}
