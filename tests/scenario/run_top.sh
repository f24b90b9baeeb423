#!/usr/bin/env bash
# run --top: the groups that held most, in their order, and the others as one row that loses nothing.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
# shellcheck source=tests/scenario/rows.bash
. "$REPO/tests/scenario/rows.bash"
needs gcc
gcc -O1 -D_GNU_SOURCE "$REPO/tests/scenario/src/named_threads.c" -o named -pthread || fail "no program"

names() {
	rows | awk '{ printf "%s ", $1 }'
}
# By what they held: given 5 MiB, main 4, crowd 3 and a little, second 3.
held --group-by thread-name --top 3 -- ./named all || fail "status $?"
[ "$(names)" = "/given /main /crowd /(others) " ] || fail "the first 3: $(names)"
recount_closed top
sum=$(rows | awk '{ s += $2 } END { print s }')
held --group-by thread-name --top=2 -- ./named all || fail "status $?"
[ "$(names)" = "/given /main /(others) " ] || fail "the first 2: $(names)"
# What a thread takes for itself differs by its stack of slabs: not by much.
now=$(rows | awk '{ s += $2 } END { print s }')
[ $((now > sum ? now - sum : sum - now)) -lt 1048576 ] || fail "rows lose or gain: $sum, $now"
# Without a number ten; as many as there are need no others.
held --group-by thread-name --top -- ./named all || fail "status $?"
[ "$(rows | wc -l)" -eq 11 ] || fail "not ten and others: $(cat report)"
held --group-by thread-name --top 11 -- ./named all || fail "status $?"
[ "$(rows | wc -l)" -eq 11 ] || fail "not eleven: $(cat report)"
no_row "/(others)"
# The order is that of the peaks.
rows | awk '{ if (NR > 1 && $3 > last) exit 1; last = $3 }' || fail "out of order: $(cat report)"

# ---- live: by what they hold now ----
cat >live.c <<'C'
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *work(void *name)
{
	size_t size = (size_t)(*(char *)name - '0') << 20;
	pthread_setname_np(pthread_self(), name);
	return memset(malloc(size), 1, size);
}
int main(void)
{
	static const char *const names[] = {"1a", "3c", "2b", "4d"};
	void *had;
	pthread_t t;
	for (int i = 0; i < 4; i++) {
		pthread_create(&t, NULL, work, (void *)names[i]);
		pthread_join(t, &had);
	}
	free(had);
	for (int i = 0; i < 1200 && access("seen", F_OK); i++) {
		free(malloc(i * 10000 + 100000)); /* numbers go out when memory is charged */
		usleep(100000);
	}
	return 0;
}
C
gcc -O0 -D_GNU_SOURCE live.c -o live -pthread || fail "no program"
"$memcg" run --group-by thread-name --top 2 --report report -- ./live 2>err &
run=$!
# shellcheck disable=SC2317 # eventually calls it
ordered() { # 4d gave all back: 3c, 2b, others
	awk '$4 ~ /^\// { line = ($4 == "/") ? "" : line $4 " "; if (line == "/3c /2b /(others) ") found = 1 } END { exit !found }' err
}
eventually ordered
shown=$?
touch seen
wait $run || fail "live: status $?: $(cat err)"
[ $shown -eq 0 ] || fail "live: $(cat err)"
[ "$(names)" = "/4d /3c /(others) " ] || fail "after it: $(cat report)"
exit 0
