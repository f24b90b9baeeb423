#!/usr/bin/env bash
# torture - memcg-torture for some seconds with a seed that each commit has anew (a fixed one runs in
# suite unit); and what it says of options it does not understand.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "torture: $*" >&2
	cat "$work/out" >&2
	exit 1
}

commit=$(git -C "$REPO" rev-parse --short=12 HEAD 2>/dev/null || echo 5eed)
"$BUILD/memcg-torture" --seconds 3 --seed "0x$commit" >"$work/out" 2>&1 || fail "seed 0x$commit: $?"
head -n 1 "$work/out" | grep -q -- "--seed $((16#$commit)) " || fail "the first line names no seed"
tail -n 1 "$work/out" | grep -q '^memcg-torture: passed: ' || fail "no summary"

# One thread does the same again, where no CPU's stock decides what is refused: what it did is counted.
for run in 1 2; do
	"$BUILD/memcg-torture" --rounds 2 --threads 1 --limits off --seed "0x$commit" >"$work/out" 2>&1 || fail "one thread"
	sed -n 's/.* s; \(groups made .* destroyed [0-9]*\),.*/\1/p' "$work/out" >"$work/did.$run"
done
[ -s "$work/did.1" ] && cmp -s "$work/did.1" "$work/did.2" || fail "the same seed did something else"

for bad in '--seed x' '--threads 0' '--mix none' '--limits maybe' '--seconds -1' '--frobnicate' 'extra'; do
	# shellcheck disable=SC2086 # words
	"$BUILD/memcg-torture" $bad >"$work/out" 2>&1
	[ $? -eq 2 ] || fail "$bad is understood"
done
