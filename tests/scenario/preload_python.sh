#!/usr/bin/env bash
# Python's own MemoryError at max, from its arenas (mmap) and its large lists alike.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
. "$REPO/tests/scenario/preload_common.bash"
python=/usr/bin/python3
[ -x $python ] || {
	echo "$name: no $python"
	exit 77
}

too_much() { # MAX CODE
	local status=0
	under "MEMCG_MAX=$1" $python -c "$2" >"$work/out" 2>&1 || status=$?
	[ $status -eq 1 ] || fail "$2 in $1 ended with $status"
	[ "$(tail -n 1 "$work/out")" = MemoryError ] || {
		cat "$work/out" >&2
		fail "$2 in $1: not a MemoryError"
	}
}

fits() { # MAX CODE
	under "MEMCG_MAX=$1" $python -c "$2" || fail "$2 in $1 ended with $?"
}

too_much 64M 'x=[bytearray(100) for _ in range(10**6)]'
too_much 128M 'x=list(range(10**7))'
fits 64M 'x=list(range(2*10**5))'
fits 128M 'x=list(range(10**6))'
# It can go on afterwards.
fits 64M '
try: x = bytearray(10**8)
except MemoryError: print("refused", end="")
y = bytearray(10**7)' >"$work/out"
[ "$(cat "$work/out")" = refused ] || fail "bytearray(10**8) in 64M was not refused"
