#!/usr/bin/env bash
# Numbers are true while a program runs, and those of a program that could not say goodbye are
# those of its end: killed, _exit after a refusal, exec.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
python=/usr/bin/python3
needs $python

# number COLUMN COMMAND - of the root, in the section whose command begins so.
number() {
	awk -v n="$1" -v c="$2" 'index($0, c) == 1 { on = 1 } on && $1 == "/" { print $n; exit }' report
}

between() { # WHAT LEAST NUMBER MOST
	[ -n "$3" ] && [ "$3" -ge "$2" ] && [ "$3" -le "$4" ] || fail "$1: '$3' is not in $2..$4: $(cat report)"
}

# forty WHAT REFUSALS - python's section shows the 40 MiB it held when it ended, and no more.
forty() {
	between "$1: current" 41943040 "$(number 2 $python)" 54525952
	between "$1: peak" "$(number 2 $python)" "$(number 3 $python)" 67108864
	between "$1: limit" 67108864 "$(number 4 $python)" 67108864
	between "$1: refusals" "$2" "$(number 5 $python)" "$2"
	! awk '$1 == "unmanaged" && $2 != "not" && $2 > 8388608 { bad = 1 } END { exit !bad }' report ||
		fail "$1: our own heap is unmanaged: $(cat report)"
}

# ---- live ----
"$memcg" run --max 64M --report report -- $python -c 'import os, time
x = bytearray(40 << 20)
for _ in range(1200):
	if os.path.exists("seen"): break
	time.sleep(0.1)' 2>err &
run=$!
eventually grep -qsE 'python3\[[0-9]+\] / current 4[0-9](\.[0-9])?M peak 4[0-9](\.[0-9])?M max 64M refusals 0' err
shown=$?
touch seen
wait $run || fail "status $?: $(cat err)"
[ $shown -eq 0 ] || fail "the live view does not show 40M: $(cat err)"

# ---- a program's name is any bytes, and does nothing to the terminal ----
mkdir evil
cp /bin/sleep "$(printf 'evil/\033[31m\342\200\256\302\233')"
"$memcg" run --report report -- evil/* 600 2>err &
run=$!
eventually grep -qsF '[31m' err
kill $run
wait $run
grep -qF '?[31m??[' err && grep -q '/.\[31m?? 600 (' report || fail "where is its name: $(cat -v err report)"
! grep -qaP '\x1b|\xc2\x9b|\xe2\x80\xae' err report || fail "its name comes to the terminal: $(cat -v err report)"

# ---- ends without a word ----
held --max 64M -- $python -c 'import os, signal, time
x = bytearray(40 << 20)
time.sleep(0.4)
os.kill(os.getpid(), signal.SIGKILL)'
[ $? -eq 137 ] || fail "SIGKILL: status is not 137"
forty killed 0
held --max 64M -- $python -c 'import os
x = bytearray(40 << 20)
try: y = bytearray(50 << 20)
except MemoryError: os._exit(3)'
[ $? -eq 3 ] || fail "_exit: status is not 3"
forty _exit 1
held --max 64M -- $python -c 'import os
x = bytearray(40 << 20)
os.execv("/bin/true", ["true"])' || fail "exec: status $?"
forty exec 0
held --max 64M -- sh -c "$python -c 'import os; x = bytearray(40 << 20); os._exit(4)'; exit 5"
[ $? -eq 5 ] || fail "sh -c: status is not 5"
forty 'a child of sh' 0
between "sh: current" 4096 "$(number 2 'sh -c')" 4194304

# ---- a map counts from the call on, and a fork from its start ----
held --max 64M -- $python -c 'import mmap, os
m = mmap.mmap(-1, 40 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
os._exit(0)'
forty map 0
awk '/^  charged maps/ { exit $3 < 41943040 }' report || fail "map: $(cat report)"
held --max 64M -- $python -c 'import os
x = bytearray(40 << 20)
if os.fork() == 0: os._exit(0)
os.wait(); os._exit(0)'
[ "$(awk '$1 == "/" && $2 > 41943040' report | wc -l)" -eq 2 ] || fail "fork: $(cat report)"

# ---- rows of groups stand there once something was refused ----
held --max 64M --group-by thread -- $python -c 'import os, threading
def work():
    x = bytearray(20 << 20)
    try: y = bytearray(60 << 20)
    except MemoryError: os._exit(3)
t = threading.Thread(target=work); t.start(); t.join()'
[ $? -eq 3 ] || fail "threads: status is not 3"
grep -qE '^  /thread-[0-9]+ +2[0-9]{7} ' report || fail "threads: no row holds 20 MiB: $(cat report)"
exit 0
