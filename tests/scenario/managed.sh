#!/usr/bin/env bash
# examples/managed: a tenant on twice its limit, then moved while it works. It judges itself; here
# what it printed is looked at once more. Then where the system has no userfaultfd, and no swap
# file, which are made to fail: it says so and does the rest.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
fail() {
	echo "managed: $*" >&2
	cat out err >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# A row of the tables "before" and "after": anon file zswap zswapped swap.current pgmajfault pswpout.
column() {
	awk -v when="$1" -v group="$2" -v n="$3" '
	$2 == "anon" { on = $1 == when } on && $1 == group { print $(n + 1) + 0; exit }' out
}

run() {
	local status=0
	env "$@" "$BUILD/examples/managed" 1 >out 2>err || status=$?
	[ $status -eq 0 ] || fail "ended with $status ($*)"
	grep -q '^content: [0-9]* visits, 0 found' out || fail "content was lost ($*)"
	grep -q '^recount: exact$' out || fail "no exact recount ($*)"
	grep -q '^moved [1-9]' out || fail "nothing was moved ($*)"
	[ "$(grep -c ' beside index: .*; not a page of it went$' out)" -eq 2 ] || fail "a neighbour paid ($*)"
	awk -v zswapped="$(column before small 4)" -v faults="$(column before small 6)" \
		-v large="$(column after large 1)" 'BEGIN { exit !(zswapped > 1 && faults > 100 && large > 8) }' ||
		fail "the tables are not what they should be ($*)"
}

run MEMCG_NONE=
# Where userfaultfd is refused there is the library's line on standard error, and nothing else.
[ "$(grep -vc 'userfaultfd is refused' err)" -eq 0 ] || fail "wrote to standard error"
if ! grep -q '^no swap file' out; then
	[ "$(column before small 7)" -gt 0 ] || fail "nothing went to the swap file"
fi

run MEMCG_FAIL=uffd:nth=1
grep -q 'userfaultfd is refused' err || fail "the refusal of userfaultfd was not said by the library"
grep -q 'each page is pinned' out || fail "the refusal of userfaultfd was not said"

run MEMCG_SWAP_SIZE=0
grep -q '^no swap file' out || fail "no swap file, and that was not said"
[ "$(column before small 7)" -eq 0 ] || fail "swapped out to no file"
