#!/usr/bin/env bash
# memcg check with what cannot be checked: one line that says why, and the right status.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/check_common.bash
. "$REPO/tests/scenario/check_common.bash"

refused() {
	local status=$1 line=$2
	shift 2
	check "$status" "$@"
	[ ! -s out ] || fail "memcg check $*: something on standard output"
	one_line
	has err "$line"
}

refused 2 'one PID or CORE'
refused 2 'one PID or CORE' ''
refused 2 'one PID or CORE' 1 2
refused 2 'no option' --frobnicate
refused 2 'not the number of a process' 0
refused 2 'not the number of a process' 99999999999999999999
refused 125 'no such process' 4194304
refused 125 'No such file' ./nothing
refused 125 'not a file' .
refused 125 'not a file' /dev/null
echo hello >text
refused 125 'not a core dump' ./text
refused 125 'not a core dump' "$BUILD/memcg"

sleep 100 &
other=$!
started+=("$other")
refused 125 'not running libmemcg' "$other"

# Traced by somebody else, here by a debugger that waits.
start quiet
if command -v gdb >/dev/null; then
	gdb -q -batch -p "$pid" -ex 'shell touch traced' \
		-ex 'shell for i in $(seq 600); do [ -e looked ] && break; sleep 0.1; done' >gdb.log 2>&1 &
	debugger=$!
	# Where processes may not be traced, gdb ends without.
	traced_or_not() {
		[ -e traced ] || ended $debugger
	}
	eventually traced_or_not
	[ ! -e traced ] || refused 125 'permission denied' "$pid"
	touch looked
fi
