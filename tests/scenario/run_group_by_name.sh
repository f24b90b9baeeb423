#!/usr/bin/env bash
# run --group-by thread-name: threads of one name are a group, and a group follows its thread's name.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
# shellcheck source=tests/scenario/rows.bash
. "$REPO/tests/scenario/rows.bash"
needs gcc
gcc -O1 -D_GNU_SOURCE -Wall "$REPO/tests/scenario/src/named_threads.c" -o named -pthread || fail "no program"

held --group-by thread-name -- ./named all || fail "status $?"
recount_closed names
M=1048576
# Whole pages, and what the thread allocates besides: a little.
holds /main $((4 * M)) $((5 * M))
holds /first $((2 * M)) $((2 * M + M / 2))
holds /second $((3 * M)) $((3 * M + M / 2))
holds /before $M $((M + M / 2))
holds /given $((5 * M)) $((5 * M + M / 2))
holds /parent $M $((M + M / 2))
holds /crowd $((50 * 65536)) $((50 * 65536 + M / 2))
holds /a_b_c 65536 $M
holds /_. 65536 $M
holds /unnamed 65536 $M
[ "$(rows | wc -l)" -eq 11 ] || fail "other groups: $(rows)"

# More names than groups: those that come late are one group.
held --group-by thread-name --top 200 -- ./named names || fail "names: status $?"
recount_closed 'many names'
[ "$(sed -n 's/.*recount: closed (.* in \([0-9]*\) groups).*/\1/p' report)" -eq 257 ] ||
	fail "not 255 names, others and the root: $(cat report)"
holds /others $((7 * M)) $((8 * M))

# Of a program that does not know of us.
if [ -x /usr/bin/python3 ]; then
	held --group-by thread-name -- /usr/bin/python3 -c '
import ctypes, threading
c = ctypes.CDLL(None)
kept = []
def work(name, mib):
    c.prctl(15, name, 0, 0, 0)
    kept.append(bytearray(mib << 20))
t = [threading.Thread(target=work, args=(n, m)) for n, m in ((b"reader", 8), (b"writer", 12), (b"reader", 16))]
[i.start() for i in t]; [i.join() for i in t]' || fail "python3: status $?"
	recount_closed python3
	held_most /reader $((24 * M)) $((27 * M))
	held_most /writer $((12 * M)) $((15 * M))
fi
exit 0
