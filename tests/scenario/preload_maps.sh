#!/usr/bin/env bash
# Private maps are charged to the byte, also in parts, and refused at max.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
. "$REPO/tests/scenario/preload_common.bash"
build maps
for backend in portable rseq; do
	under MEMCG_PCPU=$backend "$work/maps" || fail "maps on $backend ended with $?"
done
