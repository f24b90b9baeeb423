#!/usr/bin/env bash
# grouping.sh [BUILD] - what each way of `memcg run --group-by` costs: nanoseconds of CPU for malloc(64) and free
# from the program, from a library, by strdup in a library, and by both in turns; then seconds of CPU of sqlite3.
# Least of nine rounds; a whole program's is the least of five.
set -eu
repo=$(dirname "$(dirname "$(readlink -f "$0")")")
build=$(readlink -f "${1:-$repo/build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >library.c <<'C'
#include <stdlib.h>
#include <string.h>
void library_pairs(long n)
{
	for (long i = 0; i < n; i++) {
		void *volatile p = malloc(64);
		free(p);
	}
}
void library_copies(long n)
{
	for (long i = 0; i < n; i++) {
		char *volatile p = strdup("a text of some forty bytes, copied and freed");
		free(p);
	}
}
C
cat >program.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
void library_pairs(long), library_copies(long);
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}
static void pairs(long n)
{
	for (long i = 0; i < n; i++) {
		void *volatile p = malloc(64);
		free(p);
	}
}
static void turns(long n)
{
	for (long i = 0; i < n; i++) {
		pairs(1);
		library_pairs(1);
	}
}
static double least(void (*f)(long))
{
	double best = 1e99;
	long n = 1000000;
	for (int round = 0; round < 9; round++) {
		double t = now();
		f(n);
		t = (now() - t) / n;
		best = t < best ? t : best;
	}
	return best;
}
int main(void)
{
	printf("%8.1f %8.1f %8.1f %8.1f", least(pairs), least(library_pairs), least(library_copies), least(turns));
	return 0;
}
C
gcc -O2 -fno-builtin -shared -fPIC library.c -o liblibrary.so
gcc -O2 -fno-builtin program.c -o program -L. -llibrary "-Wl,-rpath,$work"
cat >load.sql <<'SQL'
create table t(a integer primary key, b text, c text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
insert into t select i, hex(i * 7919), 'text ' || (i % 1000) from n;
create index ti on t(c);
select c, count(*) from t group by c order by 2 desc limit 3;
SQL

sqlite() { # COMMAND... - the least of its user and system time
	for _ in 1 2 3 4 5; do
		{ TIMEFORMAT='%U %S'; time "$@" <load.sql >/dev/null; } 2>&1 | awk '{ print $1 + $2 }'
	done | sort -n | head -n 1
}
printf '%-12s %8s %8s %8s %8s %8s\n' group-by program library strdup turns sqlite3
for by in none thread thread-name object; do
	run=("$build/memcg" run --quiet --report /dev/null --group-by "$by" --)
	printf '%-12s %s %8s\n' "$by" "$("${run[@]}" ./program)" "$(sqlite "${run[@]}" sqlite3 :memory:)"
done
