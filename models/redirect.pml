/*
 * redirect.pml - who is credited: charge, batch and fold against groups that are destroyed.
 * (src/group/charge.c, tree.c, stock.c; src/count/counter.c)
 *
 * Groups C below P below R; R is the root. One object of C's stands; a thread in C charges a batch
 * ahead and leaves. The object and the batch are folded, or not, by threads that know the handle
 * only. C is destroyed, then perhaps P. A counter has its usage (with all below) and the part that
 * is its own; a step is one atomic of one level.
 *
 * What must hold: no level goes below 0 that still counts; what is charged and not given back is
 * in the usage of every living ancestor at every moment; in the end the usages are exact,
 * all that is left is the heir's own, and nothing stands with a group that is gone; nobody touches
 * a group whose memory was given back.
 *
 * Right: all
 * Broken: REMEMBERED	a fold goes to the group that was charged
 * Broken: NO_SECTION	a fold follows the handle outside a section
 * Broken: NO_FOLLOW	who counted does not look the group up again
 * Broken: FOLLOW_ONCE	who counted hands on once, to a group that may go meanwhile
 * Broken: PASS_FIRST	destroy hands on what the group owns, then redirects
 */
#define C 0
#define P 1
#define R 2
#define REDIRECT 4

#define RCU_HEADS 2
#include "rcu.inc"

byte word[3], group_refs[2], usage[3], bytes;
short own[3];
bool gone[3], online[3];
byte live;  /* charged, and in an object or a CPU's stock */
byte stock; /* the batch */
byte batch_of; /* whose counters were charged for it: nobody may need to know */

inline handle_group(g)
{
	g = word[C];
	do
	:: g >= REDIRECT -> g = word[g - REDIRECT]
	:: g < REDIRECT -> break
	od
}

inline counter_charge(g)
{
	l = g;
	do
	:: l <= R -> d_step { assert(!gone[l]); usage[l]++ }; l++
	:: l > R -> break
	od
}

/* A level that underflows is one that somebody was credited on twice. */
inline counter_uncharge(g)
{
	l = g;
	do
	:: l <= R -> d_step { assert(!gone[l] && usage[l] > 0); usage[l]-- }; l++
	:: l > R -> break
	od
}

inline counter_pass_own(from, to)
{
	d_step { assert(!gone[from]); n = own[from]; own[from] = 0 };
	if
	:: n != 0 -> d_step { assert(!gone[to]); own[to] = own[to] + n; n = 0 }
	:: n == 0
	fi
}

/* heir and g belong to the caller's section, so both are memory. */
inline own_follow(g)
{
#ifdef NO_FOLLOW
	skip
#else
	handle_group(heir);
	do
	:: heir != g ->
		counter_pass_own(g, heir);
		g = heir;
#ifdef FOLLOW_ONCE
		break
#else
		handle_group(heir)
#endif
	:: heir == g -> break
	od
#endif
}

inline charge_fold(self, g)
{
#ifndef NO_SECTION
	rcu_read_lock(self);
#endif
#ifdef REMEMBERED
	g = batch_of;
#else
	handle_group(g);
#endif
	own[g]--;
	counter_uncharge(g);
#ifndef REMEMBERED
	own_follow(g);
#endif
	rcu_read_unlock(self);
	bytes--
}

inline group_put(g)
{
	d_step { group_refs[g]--; zero = group_refs[g] == 0 };
	if
	:: zero -> rcu_defer(g)
	:: else
	fi
}

/* A batch, by a thread that is in C and leaves then: tried, or forced; they count in another order. */
proctype charger()
{
	byte g, heir, l;
	short n;
	bool zero;

	rcu_read_lock(0);
	handle_group(g);
	if
	:: counter_charge(g); own[g]++; batch_of = g; own_follow(g); bytes++; rcu_read_unlock(0)
	:: own[g]++; counter_charge(g); batch_of = g; own_follow(g); rcu_read_unlock(0); bytes++
	fi;
	d_step { stock = 1; live++ };
	group_put(C)
}

/* A drain, or another handle that takes the place: maybe. */
proctype drainer()
{
	byte g, heir, l;
	short n;

	if
	:: d_step { stock == 1 -> stock = 0; live-- }; charge_fold(1, g)
	:: true
	fi
}

proctype freer()
{
	byte g, heir, l;
	short n;

	if
	:: live--; charge_fold(2, g)
	:: true
	fi
}

inline offline(g, heir)
{
#ifdef PASS_FIRST
	counter_pass_own(g, heir);
	word[g] = REDIRECT + heir;
#else
	word[g] = REDIRECT + heir;
	counter_pass_own(g, heir);
#endif
	online[g] = false
}

/* memcg_destroy(), of C and maybe of P: both under the tree lock, so one after the other. */
proctype destroyer()
{
	short n;
	bool zero;

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
	assert(bytes == live && usage[R] == live && own[heir] == live && own[C] == 0);
	assert(heir == R || (usage[P] == live && own[R] == 0));
	assert(heir == P || own[P] == 0)
}

/* At any moment between two steps of the others. */
proctype never_lost()
{
	d_step {
		assert(usage[R] >= live);
		assert(word[P] != P || usage[P] >= live);
		assert(word[C] != C || usage[C] >= live)
	}
}

/* References: the tree's (the creator's goes with it), the charger's of C, of P its child's. */
init {
	d_step {
		word[C] = C; word[P] = P; word[R] = R;
		online[C] = true; online[P] = true;
		group_refs[C] = 2; group_refs[P] = 2;
		usage[C] = 1; usage[P] = 1; usage[R] = 1;
		own[C] = 1; bytes = 1; live = 1; batch_of = C
	}
	atomic {
		run charger(); run drainer(); run freer(); run destroyer();
		run callbacks(); run checker(); run never_lost()
	}
}
