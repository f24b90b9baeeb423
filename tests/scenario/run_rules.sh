#!/usr/bin/env bash
# run --rules: names go to the groups the file says, which have its limits; a file with a mistake is refused
# with the mistake's line before the program starts.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
# shellcheck source=tests/scenario/rows.bash
. "$REPO/tests/scenario/rows.bash"
needs gcc

# ---- mistakes ----
# wrong LINE TEXT FORMAT [ARGUMENT...] - of a file that printf writes.
wrong() {
	# shellcheck disable=SC2059 # a format it is
	printf "${@:3}" >rules
	"$memcg" run --group-by object --rules rules -- touch started >out 2>err
	local got=$?
	[ $got -eq 2 ] || fail "'$2': status $got: $(cat err)"
	[ "$(wc -l <err)" -eq 1 ] || fail "'$2': not one line: $(cat err)"
	grep -qF -- "memcg run: --rules: rules:$1: $2" err || fail "'$(cat err)' is not line $1, '$2'"
	[ ! -e started ] || fail "'$2': the program was started"
}
wrong 4 'there is no group behind the pattern' 'a /x\n# b\n\nb\n'
wrong 1 "the group 'x/y' does not begin with /" 'a x/y\n'
wrong 1 "the group '/' is the root, whose limits are --max and --high" 'a /\n'
wrong 1 "the group '/x//y' has an empty name in it" 'a /x//y\n'
wrong 1 "the group '/x/' has an empty name in it" 'a /x/\n'
wrong 1 "the group '/x/../y' has . or .. in it" 'a /x/../y\n'
wrong 1 "the group '/x?' has a control character in it" 'a /x\001\n'
wrong 1 "'memory.min=1M' is no limit (want memory.max=, memory.high= or memory.low=)" 'a /x memory.min=1M\n'
wrong 2 'memory.max=1.5M: not a size' 'ok /y\na /x memory.max=1.5M\n'
wrong 1 'memory.max=2M: the line has said otherwise before' 'a /x memory.max=1M memory.max=2M\n'
wrong 2 'line 1 says another limit of /x' 'a /x memory.max=1M\nb /x memory.max=2M\n'
wrong 3 "'a' stands in line 1 already, which takes all its names" 'a /x\nb /y\na /z\n'
wrong 1 "'a[bc': the [ is not closed" 'a[bc /x\n'
wrong 1 'the pattern is longer than 63 bytes' '%080d /x\n' 0
wrong 1 'the path of the group is longer than 191 bytes' 'a /%0300d\n' 0
wrong 2 'longer than 1022 bytes, or with a NUL in it' 'a /x\nb /%02000d\n' 0
wrong 2 'there is no rule in the file' '# nothing\n\n'
wrong 257 'more than 256 rules' 'p%s /g\n' {1..257}
"$memcg" run --group-by object --rules none -- touch started 2>err
[ $? -eq 125 ] || fail "no file: status is not 125"
grep -qF "memcg run: --rules: 'none' cannot be read: No such file" err || fail "no file: $(cat err)"
"$memcg" run --group-by object --rules . -- touch started 2>err
[ $? -eq 125 ] || fail "a directory: status is not 125: $(cat err)"
[ ! -e started ] || fail "the program was started"

# ---- names of threads ----
gcc -O1 -D_GNU_SOURCE "$REPO/tests/scenario/src/named_threads.c" -o named -pthread || fail "no program"
M=1048576
cat >rules <<'RULES'
# names	group		limits
first		/work/one	memory.max=2560K
[sg]*		/work/two	memory.high=64M   # second and given
se*		/never
main		/program	memory.low=1M memory.max=max
-		/work		memory.max=32M
cr?wd		/busy
RULES
held --group-by thread-name --rules rules -- ./named all || fail "status $?"
recount_closed rules
holds /program $((4 * M)) $((5 * M))
holds /work $((10 * M)) $((11 * M)) # 2 of first, 3 of second, 5 of given
[ "$(limit_of /work)" = $((32 * M)) ] || fail "/work: $(cat report)"
holds /busy $((50 * 65536)) $((50 * 65536 + M / 2))
holds /before $M $((M + M / 2))
for group in /first /second /given /main /crowd /never; do
	no_row $group
done
# root, program, work, work/one, work/two, busy, named, before, parent, a_b_c, _., unnamed
grep -q 'recount: closed (.* in 12 groups)' report || fail "not 12 groups: $(cat report)"

# ---- a limit is held, by that group alone ----
cat >limited.c <<'C'
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
static int refused, had;
static void *work(void *name)
{
	pthread_setname_np(pthread_self(), name);
	for (unsigned i = 0; i < 64; i++) {
		char *p = malloc(1 << 20);
		if (p)
			memset(p, 1, 1 << 20);
		*(p ? &had : &refused) += 1;
	}
	return NULL;
}
int main(void)
{
	pthread_t t;
	pthread_create(&t, NULL, work, "small");
	pthread_join(t, NULL);
	if (had < 10 || had > 16 || refused != 64 - had)
		return 3;
	had = refused = 0;
	pthread_create(&t, NULL, work, "large");
	pthread_join(t, NULL);
	return had == 64 ? 0 : 4;
}
C
gcc -O1 -D_GNU_SOURCE limited.c -o limited -pthread || fail "no program"
echo 'sm* /small memory.max=16M' >rules
held --group-by thread-name --rules rules -- ./limited || fail "limited: status $?: $(cat report)"
recount_closed limited
[ "$(limit_of /small)" = $((16 * M)) ] || fail "small: $(cat report)"
[ "$(rows | awk '$1 == "/small" { print $5 }')" -ge 48 ] || fail "small: refusals: $(cat report)"

# ---- a high holds who is past it, in malloc ----
seconds() { # HIGH - how long the interpreter takes to get to about 54 MiB, by its own clock; 5 are enough
	echo "python* /held memory.high=$1" >rules
	held --group-by object --rules rules -- /usr/bin/python3 -c '
import time
start = time.monotonic()
x = []
while len(x) < 800 and time.monotonic() < start + 5:
    x.append(bytearray(65536))
print(time.monotonic() - start)' || fail "memory.high=$1: status $?: $(cat report)"
}
if [ -x /usr/bin/python3 ]; then
	below=$(seconds 256M) || exit 1
	over=$(seconds 42M) || exit 1
	awk -v a="$below" -v b="$over" 'BEGIN { exit !(b > a + 0.2) }' || fail "not held above memory.high: $below, $over"
fi

# ---- names of objects; the children too, from the file as it was ----
if [ -x /usr/bin/python3 ]; then
	printf '*.so.*\t/libraries\nmmap*\t/maps\npython*\t/interpreter memory.max=40M\n' >rules
	held --group-by object --rules rules -- sh -c 'rm rules; exec /usr/bin/python3 -c "
import sqlite3
c = sqlite3.connect(\":memory:\")
c.execute(\"create table t(x)\")
c.executemany(\"insert into t values(?)\", [(\"x\" * 1000,)] * 4000)
try: x = bytearray(64 << 20)
except MemoryError: raise SystemExit(7)"'
	[ $? -eq 7 ] || fail "python3 was not refused: $(cat report)"
	[ "$(awk '$1 == "/libraries" && $3 > 4194304' report | wc -l)" -eq 1 ] || fail "libraries: $(cat report)"
	[ "$(awk '$1 == "/interpreter" && $4 == 41943040' report | wc -l)" -eq 1 ] || fail "interpreter: $(cat report)"
	recount_closed objects
fi
exit 0
