#!/usr/bin/env bash
# run --group-by object: the library that allocates has a group, through the C and the C++ library
# too, and keeps it when it is unloaded and another takes its addresses.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
# shellcheck source=tests/scenario/rows.bash
. "$REPO/tests/scenario/rows.bash"
needs gcc
src=$REPO/tests/scenario/src
M=1048576

gcc -O1 -D_GNU_SOURCE -shared -fPIC "$src/group_plugin.c" -o plugin_a.so || fail "no plugin"
cp plugin_a.so plugin_b.so
gcc -O1 "$src/group_host.c" -o host || fail "no host"
held --group-by object -- ./host >same || fail "status $?"
[ "$(cat same)" -gt 0 ] || fail "the two were never at one address: this shows nothing"
recount_closed plugins
# Five rounds: what it takes, two copies of a text of 1 MiB, one of which may be in a block of
# nearly 2 MiB, a map, and 1 MiB while it is unloaded.
holds /plugin_a.so $((5 * (2 + 2 + 1 + 1) * M)) $((5 * (2 + 3 + 1 + 1) * M))
holds /plugin_b.so $((5 * (4 + 2 + 1 + 1) * M)) $((5 * (4 + 3 + 1 + 1) * M))
holds /host $M $((M + M / 2))
[ "$(rows | wc -l)" -eq 3 ] || fail "other groups: $(rows)"

# Coming and going beside short threads: no block of one is another's.
gcc -O1 "$src/group_turns.c" -o turns -pthread || fail "no program"
held --group-by object -- ./turns || fail "turns: status $?"
recount_closed turns
held_most /plugin_a.so 1000000 1990000
held_most /plugin_b.so 1000000 1990000
held_most /turns 5000 500000

# Children of fork have the same groups, and charges of their own.
gcc -O1 -D_GNU_SOURCE -x c - -o forks <<'C' || fail "no program"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
char *volatile kept;
int main(void)
{
	int status = 1;
	if (!fork()) { kept = malloc(6 << 20); memset(kept, 1, 6 << 20); exit(0); }
	wait(&status);
	return status != 0;
}
C
held --group-by object -- ./forks || fail "fork: status $?"
recount_closed fork
[ "$(awk '$1 == "/forks" && $2 >= 6291456' report | wc -l)" -eq 1 ] || fail "fork: $(cat report)"

if command -v g++ >/dev/null; then
	g++ -std=c++17 -O1 -shared -fPIC "$src/group_cxx_plugin.cc" -o libcxxplugin.so || fail "no C++ plugin"
	# shellcheck disable=SC2016 # the loader's word
	g++ -std=c++17 -O1 "$src/group_cxx_host.cc" -o cxxhost -L. -lcxxplugin '-Wl,-rpath,$ORIGIN' || fail "no C++ host"
	held --group-by object -- ./cxxhost >out || fail "C++: status $?"
	[ "$(cat out)" = 2097152 ] || fail "C++: $(cat out)"
	recount_closed C++
	held_most /libcxxplugin.so $((10 * M)) $((11 * M))
	held_most /cxxhost $((2 * M)) $((3 * M))
	no_row /libstdc++.so.6
	no_row /libc.so.6
fi

# A map belongs to who makes it: here a module of the interpreter, or the interpreter.
if [ -x /usr/bin/python3 ]; then
	held --group-by object -- /usr/bin/python3 -c '
import mmap, sqlite3
m = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
c = sqlite3.connect(":memory:")
c.execute("create table t(x)")
c.executemany("insert into t values(?)", [("x" * 1000,)] * 4000)' || fail "python3: status $?"
	recount_closed python3
	module=$(rows | awk '$1 ~ /^\/mmap/ { print $1; exit }')
	held_most "${module:-/python3}" $((8 * M)) $((20 * M))
	held_most /libsqlite3.so.0 $((4 * M)) $((10 * M))
fi
exit 0
