#!/usr/bin/env bash
# memcg-conformance where userfaultfd is refused: rows that need it are skipped, with the reason, and
# the others pass. Where nothing makes it fail, none is skipped for it that the system could serve.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() {
	echo "conformance_refused: $*" >&2
	cat out >&2
	exit 1
}
program=$BUILD/memcg-conformance
[ -x "$program" ] || exit 77
refused='userfaultfd is refused'

MEMCG_FAIL=uffd:every=1 "$program" zswap_usage memcg_high_pages memcg_oom_events >out 2>err ||
	fail "a row failed where userfaultfd is refused"
[ "$(tail -n 1 out)" = '1 passed, 0 failed, 2 skipped' ] || fail "not two skipped"
grep -q "^SKIP zswap_usage: $refused" out || fail "a range was not skipped, or without a reason"
grep -q "^SKIP memcg_high_pages: .*$refused" out || fail "a file that is mapped was not skipped"

if ! grep -q "$refused" <("$program" zswap_usage 2>&1 | grep '^libmemcg'); then
	"$program" zswap_usage >out 2>err || fail "a row failed"
	[ "$(tail -n 1 out)" = '1 passed, 0 failed, 0 skipped' ] || fail "a row was skipped for nothing"
fi
