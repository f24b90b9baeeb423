/*
 * tryget.pml - a reference by the address of a page that may be gone, and be something else by now.
 * (src/page/put.c, page.h, desc.h; src/page/block.c, src/slab/slab.c)
 *
 * A page stands in place A of a table that is read without a lock; it says in its memory so. It is
 * taken out and put. Its memory becomes a slab whose bits change, or not, then a counted page again,
 * which stands in place B, and goes too. Finders read their place, try to get what stood there, look
 * again, and put it.
 *
 * What must hold: what is got is of a counted kind, and made; what is still in its place is what
 * was looked for; nobody changes a slab's bits but the slab; a page is freed once each time, and all is
 * free in the end.
 *
 * Right: all
 * Broken: HAND_OUT	every block that is handed out has a count of one, a slab too
 * Broken: OVERLAY	the count lies where a slab has its bits
 * Broken: KIND_LAST	the count is set before the kind
 * Broken: ONE_LOOK	what was got is not looked for again
 */
#define NONE	0
#define COUNTED 1
#define SLAB	2

byte count, kind, says;
bool in_use;
bool place[2]; /* it stands there */
#ifdef OVERLAY
#define bits count
#else
byte bits;
#endif

/* page_put(): the count has become 0, then the kind is looked at. page_check_free(), page_release(). */
inline page_put(last)
{
	d_step { assert(count > 0); count--; last = (count == 0) };
	if
	:: last -> assert(kind == COUNTED); kind = NONE; in_use = false
	:: else
	fi
}

/* page_publish(); what is done before it is done to memory that nobody else knows. */
inline page_publish()
{
#ifdef KIND_LAST
	count = 1;
	kind = COUNTED
#else
	kind = COUNTED;
	count = 1
#endif
}

inline block_alloc()
{
	atomic { !in_use -> in_use = true };
	assert(kind == NONE && count == 0);
#ifdef HAND_OUT
	count = 1
#else
	skip
#endif
}

/* slab_make(), a slot taken and given back, slab_unmake(). */
inline a_slab()
{
	kind = SLAB;
	bits = 1;
	assert(bits == 1);
	bits = 2;
	assert(bits == 2);
	bits = 0;
	assert(kind == SLAB);
#ifdef HAND_OUT
	count = 0;
#endif
	kind = NONE;
	in_use = false
}

inline a_page(where)
{
	says = where;
	page_publish();
	place[where] = true;
	place[where] = false;
	page_put(last)
}

active proctype lives()
{
	bool last;

	block_alloc();
	a_page(0);
	if
	:: block_alloc(); a_slab()
	:: true
	fi;
	block_alloc();
	a_page(1)
}

inline page_tryget(got)
{
	n = count;
	got = false;
	do
	:: n == 0 -> break
	:: else ->
		d_step {
			if
			:: count == n -> count++; got = true
			:: else -> n = count
			fi
		};
		if
		:: got -> break
		:: else
		fi
	od
}

proctype finder(byte where)
{
	byte n, tries;
	bool last, got, same;

	do
	:: tries == 2 -> break
	:: else ->
		tries++;
		if
		:: place[where] ->
			page_tryget(got);
			if
			:: got ->
				assert(kind == COUNTED);
#ifdef ONE_LOOK
				same = true;
#else
				same = place[where];
#endif
				if
				:: same -> assert(says == where)
				:: else
				fi;
				page_put(last)
			:: else
			fi
		:: !place[where]
		fi
	od
}

active proctype checker()
{
	timeout;
	assert(!in_use && count == 0 && kind == NONE)
}

init {
	atomic { run finder(0); run finder(1) }
}
