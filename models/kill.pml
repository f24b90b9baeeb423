/*
 * kill.pml - what CPUs hold of a handle against its end: a reference that is counted per CPU while its
 * group lives, and by one word from the kill on. (src/group/stock.c, charge.c, tree.c, handle.c)
 *
 * Two threads in group H charge two bytes each: one is an object's, the other is put ahead into the
 * word of whatever CPU they are on. They free their object, on whatever CPU, and leave. Somebody
 * evicts a CPU's word for another handle. H is destroyed meanwhile. The handle's refs are its pin
 * (the group's struct) and all bytes charged through it.
 *
 * What must hold: bytes folded were charged and are folded once; nobody counts through a handle that
 * has ended; in the end no CPU holds a byte of it, its refs are 0, and it ended once.
 *
 * Right: all
 * Broken: LOOK_BEFORE	who puts a word looks whether the handle is dead before that alone
 * Broken: SWEEP_FIRST	destroy takes the words out, then redirects the handle
 * Broken: STORE_EMPTY	a word is read, then emptied
 * Broken: TAG_IGNORED	a byte given back goes into the CPU's word, whosever that is
 * Broken: HEIR_LATE	a byte of a dead handle leaves it, then is put into its heir's refs
 */
#define H     1
#define OTHER 2
#define CPUS  2
#define PIN   32

byte tag[CPUS], held[CPUS]; /* one word each: always changed together */
byte refs = PIN;	    /* of H's handle */
byte heir;		    /* bytes in the refs of whoever took over */
byte counted;		    /* charged to H's counters and its heirs' */
byte group_refs = 3;	    /* the tree's, and a reference of each thread */
byte ended;
bool dead;

inline handle_sub(n)
{
	d_step {
		assert(!ended && refs >= n);
		refs = refs - n;
		if
		:: refs == 0 -> assert(dead); ended++
		:: else
		fi
	}
}

inline charge_fold(n)
{
	d_step { assert(counted >= n && !ended); counted = counted - n }; /* then its refs */
	handle_sub(n)
}

inline stock_leave(c, n)
{
	c = 0;
	do
	:: c < CPUS ->
#ifdef STORE_EMPTY
		d_step { n = 0; if :: tag[c] == H -> n = held[c] :: else fi };
		if
		:: n > 0 -> d_step { tag[c] = 0; held[c] = 0 }; charge_fold(n)
		:: else
		fi;
#else
		d_step {
			n = 0;
			if
			:: tag[c] == H -> n = held[c]; tag[c] = 0; held[c] = 0
			:: else
			fi
		};
		if
		:: n > 0 -> charge_fold(n)
		:: else
		fi;
#endif
		n = 0;
		c++
	:: c == CPUS -> break
	od;
	c = 0
}

inline any_cpu(c)
{
	if
	:: c = 0
	:: c = 1
	fi
}

/* One byte. Another's word stays; where there was none of ours we look again. */
inline stock_put(c, n)
{
	if
	:: dead -> charge_fold(1)
	:: else ->
		any_cpu(c);
		d_step {
			n = 0;
			if
			:: tag[c] == 0 -> tag[c] = H; held[c] = 1; n = 1
			:: tag[c] == H -> held[c]++; n = 2
			:: else
			fi
		};
		if
		:: n == 0 -> charge_fold(1)
#ifndef LOOK_BEFORE
		:: n == 1 ->
			n = 0;
			if /* put_follow */
			:: dead -> stock_leave(c, n)
			:: else
			fi
#endif
		:: else
		fi;
		n = 0;
		c = 0
	fi
}

inline uncharge_dead()
{
#ifdef HEIR_LATE
	handle_sub(1);
	heir++
#else
	heir++;
	handle_sub(1)
#endif
}

inline uncharge(c, n)
{
	any_cpu(c);
	d_step { /* pcpu_give */
		n = 0;
		if
#ifdef TAG_IGNORED
		:: tag[c] != 0 -> held[c]++; n = 1
#else
		:: tag[c] == H -> held[c]++; n = 1
#endif
		:: else
		fi
	};
	c = 0;
	if
	:: n == 1 -> n = 0
	:: else ->
		if
		:: dead -> uncharge_dead()
		:: else -> stock_put(c, n)
		fi
	fi
}

inline group_put()
{
	d_step { group_refs--; last = group_refs == 0 };
	if
	:: last -> last = false; handle_sub(PIN)
	:: else
	fi
}

/* What is charged is in somebody's refs at every moment: else the last of them might end. */
active proctype never_lost()
{
	assert(refs % PIN + heir >= counted)
}

active [2] proctype thread()
{
	byte c, n;
	bool last;

	d_step { assert(!ended); counted = counted + 2; refs = refs + 2 };
	stock_put(c, n);
	uncharge(c, n);
	group_put()
}

/* Of another handle, which is about to be busy. */
active proctype evictor()
{
	byte c, n;

	any_cpu(c);
	d_step {
		n = 0;
		if
		:: tag[c] == H -> n = held[c]
		:: else
		fi;
		tag[c] = OTHER;
		held[c] = 0
	};
	if
	:: n > 0 -> charge_fold(n)
	:: else
	fi
}

active proctype destroyer()
{
	byte c, n;
	bool last;

#ifdef SWEEP_FIRST
	stock_leave(c, n);
	dead = true;
#else
	dead = true; /* handle_redirect() */
	stock_leave(c, n);
#endif
	group_put()
}

active proctype at_the_end()
{
	timeout ->
	assert(tag[0] != H && tag[1] != H);
	assert(refs == 0 && ended == 1);
	assert(counted == heir)
}
