#!/usr/bin/env bash
# memcg check PID: closes on a process with groups, own and shared slabs, inherited objects; names
# a wrong owner word; leaves the process as it was, also when it is killed itself.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/check_common.bash
. "$REPO/tests/scenario/check_common.bash"

# Not stopped and not traced. After a detach, and after the end of a tracer, it may take a moment.
free_to_run() {
	in_state RS "$1" && grep -q '^TracerPid:.0$' "/proc/$1/status"
}
runs() {
	eventually free_to_run "$1" || fail "process $1 is left as: $(grep -E '^(State|TracerPid)' "/proc/$1/status")"
}

ticks() {
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

start quiet
check 0 "$pid"
has out '^recount: closed ([1-9][0-9]* bytes in 3 groups)'
has out '^  web '
has out '^    query-7 '
has out '^external  *54321 '
has out '^  stacks  *[1-9][0-9]* '
has out '^slabs: .*[1-9][0-9]* shared'
[ ! -s err ] || fail "something on standard error"
runs "$pid"
check 0 "$pid"
check 0 -- "$pid"

start seeded
check 1 "$pid"
has out '^difference: handle [0-9]*, group /web: charged for'
has out '^difference: handle [0-9]*, group /web/query-7: charged for'
has out '^recount: [1-9][0-9]* differences'
runs "$pid"

# Threads that never rest: whatever the look finds, they go on, and keep their signals.
start busy
for _ in 1 2 3; do
	got=0
	"$BUILD/memcg" check "$pid" >out 2>err || got=$?
	[ "$got" -le 1 ] || fail "a busy process: status $got: $(cat err)"
done
for _ in $(seq 10); do
	"$BUILD/memcg" check "$pid" >out 2>err &
	killed=$!
	sleep 0.01
	kill -KILL "$killed" 2>/dev/null || true
	wait "$killed" 2>/dev/null || true
done
runs "$pid"
before=$(ticks "$pid")
goes_on() {
	[ "$(ticks "$pid")" -gt "$before" ]
}
eventually goes_on || fail "the process does not go on"
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[ "$status" -eq 143 ] || fail "the process ended with $status after a TERM"
