#!/usr/bin/env bash
# A limit fails softly: the program sees ENOMEM and says so in its own words; below the limit
# nothing is felt.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
python=/usr/bin/python3
needs $python

# soft MAX CODE [ERROR] - ends in Python's own MemoryError, or another error of its own.
soft() {
	held --max "$1" -- $python -c "$2" >out 2>err
	local status=$? error=${3:-MemoryError}
	[ $status -eq 1 ] || fail "$2 in $1: status $status: $(cat err)"
	grep -q "^$error" err || fail "$2 in $1: no $error: $(cat err)"
	[ "$(root_column 5)" -gt 0 ] || fail "$2 in $1: no refusal was counted: $(cat report)"
	[ "$(root_column 3)" -le "$(root_column 4)" ] || fail "$2 in $1: its peak is above its limit: $(cat report)"
	recount_closed "$2 in $1"
}

# fits MAX CODE
fits() {
	held --max "$1" -- $python -c "$2" >out 2>err || fail "$2 in $1: status $?: $(cat err)"
	[ ! -s err ] || fail "$2 in $1: it complains: $(cat err)"
	recount_closed "$2 in $1"
}

soft 64M 'x=[bytearray(100) for _ in range(10**6)]'
soft 128M 'x=list(range(10**7))'
fits 64M 'x=[bytearray(100) for _ in range(2*10**5)]'
fits 128M 'x=list(range(10**6))'
soft 64M 'import mmap
x=[mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(100)]' \
	'OSError: .* Cannot allocate memory'

# After the refusal the program goes on.
fits 64M '
for i in range(20):
    try:
        x = [bytearray(100000) for _ in range(10**5)]
    except MemoryError:
        x = None
y = bytearray(10**7)'

if command -v sqlite3 >/dev/null; then
	echo 'create table t as with recursive c(i) as (select 1 union all select i + 1 from c where i < 1000000)
		select i, hex(randomblob(50)) as h from c;' | held --max 24M -- sqlite3 -batch :memory: >out 2>err
	status=$?
	[ $status -ne 0 ] || fail "sqlite3 in 24M: it succeeded"
	[ $status -lt 126 ] || fail "sqlite3 in 24M: status $status"
	grep -qi 'out of memory' out err || fail "sqlite3 in 24M: $(cat out err)"
fi

# Each process has the limit for itself.
held --max 64M -- sh -c "$python -c 'x=bytearray(40<<20)' & $python -c 'x=bytearray(40<<20)'; wait" ||
	fail "two processes of 40M in 64M each: status $?"
[ "$(grep -c '^  /  .* 67108864 ' report)" -ge 3 ] || fail "not each process shows the limit: $(cat report)"
exit 0
