#!/usr/bin/env bash
# --high slows a program down, in its allocations, and refuses it nothing; without it nothing is
# held; below it nothing is felt.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
python=/usr/bin/python3
needs $python

# seconds OPTIONS... - how long the grower takes to get to about 62 MiB, by its own clock.
seconds() {
	held "$@" -- $python -c '
import time
start = time.monotonic()
x = [bytearray(65536) for _ in range(800)]
print(time.monotonic() - start)' || fail "run $*: status $?: $(cat report)"
}

free=$(seconds) || exit 1
below=$(seconds --high 256M) || exit 1
# A few MiB past 52M: the first 64 pages of each MiB are held for tens of milliseconds and more.
over=$(seconds --high 52M) || exit 1
echo "without: $free s; below high: $below s; over high: $over s"
awk -v a="$free" -v b="$below" 'BEGIN { exit !(b < a + 5) }' || fail "held below its high: $free, $below"
awk -v a="$below" -v b="$over" 'BEGIN { exit !(b > a + 0.2) }' || fail "not held above its high: $below, $over"
recount_closed "run --high"
