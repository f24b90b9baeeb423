#!/usr/bin/env bash
# memcg(1) on an unmodified program below memcg run: it is found, looked at, its limits change while it
# runs, and what cannot be done without a control socket says what to do.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/tool_common.bash
. "$REPO/tests/scenario/tool_common.bash"
python=/usr/bin/python3

gives 125 'no process is there.*memcg run' tree
gives 0 'no process is there.* in .*/runtime/memcg:' ls
gives 2 'options come after the command' --json ls
touch plain
gives 125 'plain is no socket' tree -p ./plain

mkfifo in
exec 8<>in
"$memcg" run --quiet --max 64M --group-by thread --report report -- $python -c 'import sys, threading
x = [bytearray(100000) for _ in range(300)]
wait = threading.Event()
def thread():
	global y
	y = bytearray(3 << 20)
	print("ready", flush=True)
	wait.wait()
t = threading.Thread(target=thread, daemon=True)
t.start()
sys.stdin.readline()
try:
	z = [bytearray(100000) for _ in range(500)]
except MemoryError:
	print("refused", flush=True)
z = None
wait.set()
sys.stdin.readline()
' <in >program.out 2>program.err &
run=$!
children+=("$run")
eventually grep -qs ready program.out || fail "the program does not start: $(cat program.err)"
[ -L "runtime/memcg/$run.run" ] || fail "the run has no link: $(ls -lR runtime)"

# ---- looking ----
gives 0 "^$run .*python3 .*64M" ls
"$memcg" ls --json >ls.json || fail "ls --json"
is_json ls.json "len(j) == 1 and j[0]['pid'] == $run and j[0]['kind'] == 'run' and j[0]['max'] == 67108864"
is_json ls.json "30e6 <= j[0]['current'] <= 60e6 and j[0]['high'] == 'max' and j[0]['children'] == 1"
# The groups of a process are published now and then, by who allocates.
"$memcg" tree --json >tree.json || fail "tree --json"
is_json tree.json "j[0]['path'] == '/' and j[0]['max'] == 67108864 and j[0]['anon'] is None"
pid=$($python -c 'import json; print(json.load(open("tree.json"))[1]["path"][1:])')
[ -d "/proc/$pid" ] || fail "/$pid is no process"
gives 0 "^\`- $pid python3 +[0-9.]+M +[0-9.]+M +max +64M +0\$" tree -d 1
gives 0 "^$pid python3 +[0-9]{8} " ls -b /
gives 0 '^/ +[0-9.]+M +[0-9.]+M +max +64M' tree -p "$run"
gives 0 '^/ +[0-9.]+M +[0-9.]+M +max +64M' tree -p "$pid" # one of its processes, as if it were all
gives 0 '^/ +[0-9.]+M' tree -p "runtime/memcg/$run.run"
gives 0 '^67108864$' get max
gives 0 '^memory.max: 67108864$' get / max memory.high
gives 0 '^memory.high: max$' get /
gives 0 '^python3$' get "/$pid" comm
gives 0 '^[0-9]+$' get "/$pid" memory.current
gives 0 'metadata +[0-9.]+[KM]' stat "/$pid"
"$memcg" get "/$pid" --json --all >get.json || fail "get --json"
is_json get.json "j['memory.max'] == 67108864 and j['memory.events'] == {'max': 0, 'oom': 0}"
is_json get.json "j['comm'] == 'python3' and j['memory.high'] == 'max'"
"$memcg" stat -p "$pid" --json >stat.json || fail "stat --json"
is_json stat.json "j['path'] == '/' and j['memory.stat']['cached'] >= 0 and j['low'] is None"

# ---- what is refused, and what is wrong ----
gives 1 'memcg run --control' mkdir "/$pid/new"
gives 1 'memcg run --control' rmdir "/$pid/thread-1"
gives 1 'memcg run --control' move "/$pid/thread-1" "/$pid/thread-2"
gives 1 "set at / of process $run" set "/$pid" max=1M
gives 1 'memcg run --control' set "/$pid" low=1M
gives 1 'memcg run --control' get "/$pid" memory.owners
gives 1 "'12Q' is not a size" set max=12Q
gives 1 "'' is not a size" set max=
gives 1 "/1: memcg run $run has no such process" tree /1
gives 1 'no such process .*--control' rmdir /x
gives 1 '/none: memcg run' get /none max
gives 125 'there is no process 999999999' tree -p 999999999
gives 125 'has no control socket and was not started by memcg run' tree -p $$
gives 125 "'nobody' is neither the PID" tree -p nobody
gives 125 'No such file' tree -p /none/such
gives 2 'is not an option; see memcg tree --help' tree --nonsense
gives 2 'its value is missing' tree -p
gives 2 "'nothing' is not a column" tree -c current,nothing
gives 2 "'tenant' is one argument too many" ls tenant
gives 2 'nothing to set' set /
gives 2 'want FILE=VALUE' set memory.max
gives 2 'is not FILE=VALUE' set max=1M high
gives 2 'no group is named' mkdir
gives 2 'is not the path' rmdir tenant
gives 2 'want two paths' move /a
gives 2 "is not a value" watch -t soon

# ---- limits while it runs ----
gives 0 '' set max=40M high=39M
gives 0 '^41943040$' get max
gives 0 '^memory.high: 40894464$' get max high
gives 0 '' set high max
"$memcg" watch -n 1 --json / >watch.json 2>watch.err &
watch=$!
children+=("$watch")
eventually grep -qs watching watch.err || fail "watch does not wait"
echo >&8
eventually grep -qs refused program.out || fail "the new limit does not hold: $(cat program.err)"
wait "$watch" || fail "watch: $(cat watch.err)"
is_json watch.json "j['path'] == '/' and j['file'] == 'memory.events' and j['name'] == 'max' and j['count'] >= 1"
"$memcg" tree --json >tree.json
is_json tree.json "j[0]['refused'] >= 1 and j[1]['max'] == 41943040 and j[1]['current'] - j[1]['cached'] <= 41943040"
is_json tree.json "any(r['path'].startswith('/$pid/thread-') for r in j)"
gives 0 '^.. +\|- thread-|^   .- thread-[0-9]+ ' tree

# ---- its end ----
"$memcg" watch >watch.out 2>&1 &
watch=$!
children+=("$watch")
eventually grep -qs watching watch.out || fail "watch does not wait"
echo >&8
wait "$run" || fail "the program: $? $(cat program.err)"
wait "$watch" || fail "watch does not end with the run: $(cat watch.out)"
[ ! -L "runtime/memcg/$run.run" ] || fail "the link is left behind"
[ "$(head -n 1 report)" = "memcg run: max 41943040 (was 67108864), high max, for each process" ] ||
	fail "the report's limits are not those of the end: $(head -n 1 report)"

# ---- one that was killed leaves a link, which is not believed ----
"$memcg" run --quiet -- sleep 2 2>/dev/null &
killed=$!
children+=("$killed")
eventually test -L "runtime/memcg/$killed.run" || fail "no second run"
kill -9 "$killed"
wait "$killed" 2>/dev/null
gives 125 'no process is there' tree
[ ! -L "runtime/memcg/$killed.run" ] || fail "the link of a run that was killed stays"

# ---- a run of two processes: each has the limit, so the sum is shown beside two of them ----
"$memcg" run --quiet --max 64M -- $python -c 'import subprocess, sys
x = bytearray(40 << 20)
child = subprocess.Popen([sys.executable, "-c", "import sys; x = bytearray(40 << 20); sys.stdin.readline()"])
child.wait()
' <in >/dev/null 2>two.err &
two=$!
children+=("$two")
shows() { # PATTERN ARGUMENTS...
	local pattern=$1
	shift
	"$memcg" "$@" 2>err | grep -qE -- "$pattern"
}
eventually shows '^/ +[89][0-9](\.[0-9])?M .* 2 x 64M ' tree || fail "two processes: $("$memcg" tree) $(cat two.err)"
gives 0 "^$two .* 2 x 64M " ls
gives 0 '^/ .* 2 x 67108864 ' report
"$memcg" tree --json >tree.json
is_json tree.json "j[0]['each'] == 2 and 40e6 < j[0]['fullest'] < 67108864 < j[0]['current'] and 'each' not in j[1]"
echo >&8
wait "$two" || fail "two processes: $? $(cat two.err)"

# ---- several ----
for i in 1 2; do
	"$memcg" run --quiet --no-children -- sleep 60 >/dev/null 2>&1 &
	several[i]=$!
	children+=("${several[i]}")
	eventually test -L "runtime/memcg/${several[i]}.run" || fail "no run $i of several"
done
gives 125 "there are several.* ${several[1]} \(sleep 60\), ${several[2]} \(sleep 60\)" tree
gives 125 "there are several.* ${several[1]} .* ${several[2]} " tree
gives 0 '^/ ' tree -p "${several[2]}"
kill "${several[@]}"
wait "${several[@]}"
[ $? -eq 143 ] || fail "a run does not end with its program"

# ---- programs that are not built ----
if [ ! -x "$BUILD/memcg-top" ]; then
	gives 125 'memcg-top is neither in .*libncurses-dev' top
fi
gives 2 'is not a command' nonsense
for command in run ls tree get set stat watch mkdir rmdir move check; do
	gives 0 "^usage: memcg $command" help $command
	gives 0 "^usage: memcg $command" $command --help
done
exit 0
