/*
 * event.pml - whoever watches a group learns of every event.
 * (src/group/event.h, event.c)
 *
 * Two threads raise an event each in a group, while a reader puts the first watch on it, reads the count,
 * and waits; each time its descriptor is readable it takes that away, arms the watch and reads the count.
 *
 * What must hold: when nothing moves any more, the reader has read every event, and its watch is armed
 * for the next.
 *
 * Right: all
 * Broken: READ_FIRST	the reader reads the count, then arms
 * Broken: LOOK_FIRST	who raises looks for an armed watch, then counts
 * Broken: DISARM_LATE	the watch is disarmed when it has been written to and the lock given up
 * Broken: CLEAR_LATE	the reader takes the descriptor's word away when the watch is armed
 */
byte count, seen;
bool set;	/* the group's pointer to its watches */
bool set_armed; /* what who raises looks at */
bool armed;	/* of the watch; event_lock */
bool readable;	/* its descriptor */
bool locked;	/* event_lock */

inline lock()
{
	d_step { !locked -> locked = true }
}

inline unlock()
{
	locked = false
}

/* group_event(), notify(). */
proctype raiser()
{
	bool there, tell;

#ifndef LOOK_FIRST
	count++;
#endif
	there = set;
	if
	:: there -> tell = set_armed
	:: !there
	fi;
#ifdef LOOK_FIRST
	count++;
#endif
	if
	:: tell ->
		lock();
		if
		:: armed ->
			readable = true;
#ifndef DISARM_LATE
			armed = false
#endif
			skip
		:: else
		fi;
#ifdef DISARM_LATE
		unlock();
		armed = false;
		set_armed = false
#else
		set_armed = armed;
		unlock()
#endif
	:: !tell
	fi
}

/* arm_locked(), then event_count(). */
inline arm_and_read()
{
#ifdef READ_FIRST
	seen = count;
#endif
	lock();
	armed = true;
	set_armed = true;
	unlock();
#ifndef READ_FIRST
	seen = count
#endif
}

proctype reader()
{
	set = true; /* attach_locked() */
	arm_and_read();
end:	do
	:: readable ->
#ifdef CLEAR_LATE
		arm_and_read();
		readable = false
#else
		readable = false;
		arm_and_read()
#endif
	od
}

proctype checker()
{
	timeout;
	assert(seen == 2 && armed && !readable)
}

init {
	atomic { run raiser(); run raiser(); run reader(); run checker() }
}
