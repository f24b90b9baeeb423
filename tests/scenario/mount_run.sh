#!/usr/bin/env bash
# memcg mount of memcg run: processes as directories, limits of all written at the top; what needs a
# control socket says so, and works where there is one.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/mount_common.bash
. "$REPO/tests/scenario/mount_common.bash"
[ -e "$BUILD/libmemcg-preload.so" ] || {
	echo "skipped: $BUILD has no preload library"
	exit 77
}

start() { # OPTION... - of memcg run; sets $run, and $pid to the program's
	rm -f ready in
	mkfifo in
	"$memcg" run --quiet --max 64M --report report "$@" -- /usr/bin/python3 -c 'import os, sys
open("ready.new", "w").write(str(os.getpid()))
os.rename("ready.new", "ready")
sys.stdin.readline()' <in >/dev/null 2>run.err &
	run=$!
	children+=("$run")
	exec 3>in
	eventually exists ready || fail "the program does not start"
	pid=$(cat ready)
}
finish() {
	echo >&3
	exec 3>&-
	wait "$run" || fail "the program: status $?"
	eventually unmounted || fail "the run has ended, and it stays mounted"
}

# ---- without a control socket ----
start
"$memcg" mount -f m 3>&- 2>mount.err &
mount=$!
children+=("$mount")
mounted_or_refused() { mounted || ended "$mount"; }
eventually mounted_or_refused
mounted || {
	grep -q 'CAP_SYS_ADMIN\|fusermount3' mount.err || fail "memcg mount"
	echo "skipped: nothing can be mounted here"
	exit 77
}
is m/memory.max 67108864
echo 128M >m/memory.max || fail "the limit of all"
is m/memory.max 134217728
is "m/$pid/comm" python3
[ "$(cat "m/$pid/memory.current")" -gt 0 ] || fail "nothing in use"
grep -q '^maps ' "m/$pid/memory.stat" || fail "memory.stat"
gives 'Operation not supported' mkdir "m/$pid/a"
grep -q '^memcg mount: .*--control' mount.err || fail "mkdir does not name --control"
gives 'Operation not supported' rmdir "m/$pid"
[ "$(stat -c %a "m/$pid/memory.max")" = 400 ] || fail "the limit of one process can be written"
gives 'Invalid argument' writes m/memory.max much
finish
wait "$mount" || fail "memcg mount: status $?"
grep -q 'the process has ended' mount.err || fail "it does not say why it ends"

# ---- with one ----
start --control
mount_it m
eventually exists "m/$pid/memory.owners" || fail "the process does not answer for itself"
mkdir "m/$pid/a" || fail mkdir
echo 1M >"m/$pid/a/memory.max" || fail "a limit"
is "m/$pid/a/memory.max" 1048576
gives 'Operation not supported' mkdir m/a
is "m/$pid/comm" python3
rmdir "m/$pid/a" || fail rmdir
finish
exit 0
