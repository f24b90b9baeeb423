#!/usr/bin/env bash
# What the environment asks of the preload, and what a program sees of it: nothing.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
. "$REPO/tests/scenario/preload_common.bash"
build visits
build threads

# --- no thread, no descriptor ---
"$work/visits" >"$work/without"
under "$work/visits" >"$work/with"
cmp <(head -n 1 "$work/without") <(head -n 1 "$work/with") || fail "a descriptor or thread of ours shows"
grep -q '^LD_PRELOAD=' "$work/with" || fail "children would run without the preload"

# --- children run plain ---
under MEMCG_NO_CHILDREN=1 MEMCG_MAX=64M "$work/visits" >"$work/out"
[ "$(wc -l <"$work/out")" -eq 1 ] || fail "not hidden: $(sed 1d "$work/out")"
LD_PRELOAD="libm.so.6:$preload:libdl.so.2" MEMCG_NO_CHILDREN=1 "$work/visits" >"$work/out"
grep -qx 'LD_PRELOAD=libm.so.6:libdl.so.2' "$work/out" || fail "other entries: $(sed 1d "$work/out")"

# --- a report at exit ---
under MEMCG_REPORT="$work/report" "$work/threads" || fail "threads ended with $?"
grep -q '^recount: closed' "$work/report" || {
	cat "$work/report" >&2
	fail "the recount did not close"
}
under MEMCG_REPORT=1 "$work/threads" 2>"$work/report" || fail "threads ended with $?"
grep -q '^recount: closed' "$work/report" || fail "no report on standard error"
under MEMCG_REPORT=/no/such/place/report "$work/visits" 2>"$work/err" >/dev/null || fail "ended with $?"
[ "$(grep -c 'cannot write /no/such/place/report: No such file' "$work/err")" -eq 1 ] || fail "$(cat "$work/err")"

# --- a group for each thread; maps are charged to it, too ---
under MEMCG_GROUP_BY=thread MEMCG_REPORT="$work/by-thread" "$work/threads" || fail "ended with $?"
for mib in 2 3 4; do # a map of 1 MiB and a block of 1, 2, 3
	grep -qE "^ +thread-[0-9]+ +$mib(\.[0-9])?M" "$work/by-thread" || {
		cat "$work/by-thread" >&2
		fail "no thread has $mib MiB"
	}
done
under MEMCG_GROUP_BY=process "$work/visits" 2>"$work/err" >/dev/null
grep -q "MEMCG_GROUP_BY: 'process' is none of" "$work/err" || fail "MEMCG_GROUP_BY=process passed"

# --- a limit that nothing can start under ---
status=0
under MEMCG_MAX=4096 "$work/visits" >"$work/out" 2>"$work/err" || status=$?
[ $status -eq 125 ] || fail "MEMCG_MAX=4096 ended with $status"
[ ! -s "$work/out" ] || fail "the program ran in 4096 bytes"
[ "$(grep -c 'MEMCG_MAX: 4096 is below' "$work/err")" -eq 1 ] || fail "$(cat "$work/err")"

status=0
under MEMCG_MAX=1K "$work/visits" >"$work/out" 2>"$work/err" || status=$?
[ $status -eq 125 ] || fail "MEMCG_MAX=1K ended with $status"
[ "$(grep -c 'MEMCG_MAX: 1K is below' "$work/err")" -eq 1 ] || fail "1K is not quoted: $(cat "$work/err")"

# --- a second copy ---
mkdir "$work/other"
cp "$BUILD/libmemcg.so.0.1.0" "$work/other/libmemcg.so.0.1.0"
cat >"$work/copy.c" <<'END'
#include <memcg.h>
int main(void)
{
	return !memcg_version();
}
END
for shows in "" -rdynamic "-Wl,--gc-sections -s"; do
	# shellcheck disable=SC2086
	gcc -I "$REPO/include" "$work/copy.c" "$BUILD/libmemcg.a" $shows -pthread -o "$work/copy"
	under "$work/copy" 2>"$work/err" || fail "copy ended with $?"
	[ "$(grep -c 'two copies of libmemcg' "$work/err")" -eq 1 ] || fail "a copy linked with '$shows' was not seen"
done
# One in a library, and the usual case: a program that links the shared library, which is ours.
echo 'int memcg_version_of(void); int main(void) { return memcg_version_of(); }' >"$work/main.c"
echo '#include <memcg.h>
int memcg_version_of(void) { return !memcg_version(); }' >"$work/inner.c"
gcc -shared -fPIC -I "$REPO/include" "$work/inner.c" "$BUILD/libmemcg.a" -pthread -o "$work/libinner.so"
gcc "$work/main.c" "$work/libinner.so" -Wl,-rpath,"$work" -o "$work/inner"
under "$work/inner" 2>"$work/err" || fail "inner ended with $?"
grep -q 'two copies of libmemcg.*libinner.so' "$work/err" || fail "a copy in a library was not seen: $(cat "$work/err")"
gcc -I "$REPO/include" "$work/copy.c" -L "$BUILD" -lmemcg -Wl,-rpath,"$BUILD" -o "$work/shared"
under "$work/shared" 2>"$work/err" || fail "shared ended with $?"
[ ! -s "$work/err" ] || fail "the shared library is taken for a second copy: $(cat "$work/err")"
LD_PRELOAD="$preload:$work/other/libmemcg.so.0.1.0" "$work/visits" 2>"$work/err" >/dev/null || true
[ "$(grep -c 'two copies of libmemcg' "$work/err")" -le 1 ] || fail "said more than once"
