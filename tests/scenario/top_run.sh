#!/usr/bin/env bash
# memcg top on a program that knows nothing of it, under memcg run: its processes and groups, and the
# limit of all changed from the screen.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/top_common.bash
. "$REPO/tests/scenario/top_common.bash"
python=/usr/bin/python3
[ -x $python ] && [ -e "$BUILD/libmemcg-preload.so" ] || {
	echo "skipped: no $python or no preload library"
	exit 77
}
"$BUILD/memcg" run --quiet --max 128M --group-by thread --report report -- $python -c '
import os, threading, time
held = [bytearray(40 << 20)]
def work():
    held.append(bytearray(8 << 20))
    while not os.path.exists("end"): time.sleep(0.05)
thread = threading.Thread(target=work)
thread.start()
while not os.path.exists("more"): time.sleep(0.05)
try: held.append(bytearray(100 << 20))
except MemoryError: open("refused", "w")
thread.join()' 2>run.err &
run=$!
arguments=(-d 0.2)

open 100 20
sees 'all of it' '^▾ / .* 128M'
sees 'the process and its program' '^  ▾ [0-9]+ python3 +[45][0-9]\.[0-9]M'
sees 'a thread' '^      thread-[0-9]+ +8\.[0-9]'
keys g l 64M Enter y
sees 'set for all' 'memory.max of / is 64M'
sees 'set for all' '^▾ / .* 64\.0M'
touch more
eventually exists refused || fail "the limit set from here does not hold"
sees 'what was refused' 'REFUSE'
touch end
sees 'its end' 'memcg \([0-9]+\) has ended'
wait $run || fail "the program failed: $(cat run.err)"
keys q
ends 'after its end' 0
