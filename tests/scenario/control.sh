#!/usr/bin/env bash
# The control socket from outside, by a client that has read docs/control.md alone: of a program that
# uses the library, and of one that does not under memcg run --control.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
. "$REPO/tests/scenario/run_common.bash"
needs python3 gcc

python=$(python3 -c 'import sys; print(sys.executable)') # no script that starts others
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

ask() { # SOCKET REQUEST... - one answer each
	local socket=$1
	shift
	printf '%s\n' "$@" | "$python" "$REPO/tests/scenario/src/control.py" "$socket"
}

# says EXPECTED SOCKET REQUEST...
says() {
	local expected=$1 answer
	shift
	answer=$(ask "$@") || fail "no answer to ${*:2}"
	[ "$answer" = "$expected" ] || fail "${*:2}: '$answer', not '$expected'"
}

# --- a program that knows of it: no socket unasked, one where it was asked for ---
gcc -O1 -I "$REPO/include" "$REPO/tests/scenario/src/serves.c" -L "$BUILD" -lmemcg \
	-Wl,-rpath,"$BUILD" -o serves || fail "does not compile"

# start VARIABLE=VALUE... - sets pid; ends with: stop
start() {
	mkfifo in
	env "$@" ./serves <in >out 2>err &
	pid=$!
	exec 5>in
	eventually grep -qs there out || fail "$*: it does not start: $(cat err)"
}
stop() {
	exec 5>&-
	wait "$pid" || fail "it ended with $?: $(cat err)"
	rm in
}

start MEMCG_NOTHING=
[ "$(ls "/proc/$pid/task" | wc -l)" -eq 1 ] || fail "a thread that nobody asked for"
[ ! -e "$XDG_RUNTIME_DIR/memcg" ] || fail "a directory that nobody asked for"
stop

start MEMCG_CONTROL="$work/own.sock"
[ "$(stat -c %a own.sock)" = 600 ] || fail "mode $(stat -c %a own.sock)"
[ "$(ls "/proc/$pid/task" | wc -l)" -eq 2 ] || fail "not one thread more"
says "max" own.sock 'read | /web/tenant 7 | memory.max'
says $'\n8388608' own.sock 'write | /web/tenant 7 | memory.max | 8M' 'read | /web/tenant 7 | memory.max'
says "err ENOENT" own.sock 'read | /web/tenant | memory.max'
ask own.sock hello >hello
grep -qx "pid	$pid" hello || fail "hello: $(cat hello)"
grep -qx "comm	serves" hello || fail "hello: $(cat hello)"
ask own.sock 'rows | /' | awk -F '\t' '
	NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
	$1 == "/web/tenant 7" { seen = $at["large"] >= 1048576 && $at["max"] == 8388608 }
	$1 == "/web" { children = $at["children"] }
	END { exit !(seen && children == 1) }' || fail "rows: $(ask own.sock 'rows | /')"
says $'\n\n1' own.sock 'mkdir | /made' 'write | /made | memory.oom.group | 1' 'read | /made | memory.oom.group' 'rmdir | /made'
says $'\n\n\nevent /made\tcgroup.events\toffline\t1\n0' own.sock 'mkdir | /made' 'watch | /made' \
	'rmdir | /made' 'read | / | memory.min'
stop
[ ! -e own.sock ] || fail "the socket is still there"

# --- in the default place; what a killed process left is replaced, what answers is not ---
start MEMCG_CONTROL=1
socket=$XDG_RUNTIME_DIR/memcg/$pid.sock
says "max" "$socket" 'read | / | memory.max'
[ "$(stat -c %a "$XDG_RUNTIME_DIR/memcg")" = 700 ] || fail "the directory's mode"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
exec 5>&-
rm in
[ -e "$socket" ] || fail "a killed process cannot have removed it"
start MEMCG_CONTROL="$socket"
says "max" "$socket" 'read | / | memory.max'
MEMCG_CONTROL=$socket ./serves </dev/null >/dev/null 2>second || fail "ended for want of a socket"
[ "$(grep -c "MEMCG_CONTROL=$socket: no control socket: Address already in use" second)" -eq 1 ] ||
	fail "the second says: $(cat second)"
says "max" "$socket" 'read | / | memory.max'
stop
MEMCG_CONTROL=nonsense ./serves </dev/null >/dev/null 2>err || fail "ended for nonsense"
[ "$(grep -c 'MEMCG_CONTROL=nonsense: not understood' err)" -eq 1 ] || fail "nonsense: $(cat err)"
rm -rf "$XDG_RUNTIME_DIR/memcg"
ln -s "$work" "$XDG_RUNTIME_DIR/memcg"
MEMCG_CONTROL=1 ./serves </dev/null >/dev/null 2>err || fail "ended for a link"
[ "$(grep -c 'no control socket' err)" -eq 1 ] || fail "a directory that is a link: $(cat err)"
rm "$XDG_RUNTIME_DIR/memcg"

# --- a program that knows nothing: limits are changed while it runs ---
cat >hungry.py <<'END'
import os, sys, time
open("pid", "w").write(str(os.getpid()))
kept = []
while not os.path.exists("lowered"):
    time.sleep(0.01)
try:
    while True:
        kept.append(bytearray(1 << 20))
except MemoryError:
    n = len(kept)
    kept.clear()
    print(n)
END
held --control -- "$python" hungry.py >out 2>err &
run=$!
eventually test -s pid || fail "it does not start: $(cat err)"
socket=$XDG_RUNTIME_DIR/memcg/$(cat pid).sock
eventually test -S "$socket" || fail "no socket under run --control"
says $'\n67108864' "$socket" 'write | / | memory.max | 64M' 'read | / | memory.max'
touch lowered
wait "$run" || fail "run ended with $?: $(cat err)"
[ "$(cat out)" -gt 20 ] && [ "$(cat out)" -lt 64 ] || fail "$(cat out) MiB were had under 64M"
recount_closed "under run --control"
[ ! -e "$socket" ] || fail "the socket is still there"

# --- children of a fork have their own; and processes that are executed ---
cat >forks.py <<'END'
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from control import Client
def look():
    client = Client("%s/memcg/%d.sock" % (os.environ["XDG_RUNTIME_DIR"], os.getpid()))
    assert "pid\t%d\n" % os.getpid() in client.ask("hello") + "\n"
look()
if sys.argv[2] == "fork":
    child = os.fork()
    if not child:
        look()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    subprocess.run([sys.executable, sys.argv[0], sys.argv[1], "once"], check=True)
END
held --control -- "$python" forks.py "$REPO/tests/scenario/src" fork || fail "a child has no socket"
recount_closed "forks"
[ -z "$(ls "$XDG_RUNTIME_DIR/memcg")" ] || fail "left: $(ls "$XDG_RUNTIME_DIR/memcg")"

# --- without --control no thread, no socket ---
held -- "$python" -c 'import os; print(len(os.listdir("/proc/self/task")))' >out || fail "ended with $?"
[ "$(cat out)" -eq 1 ] || fail "a thread that nobody asked for"
