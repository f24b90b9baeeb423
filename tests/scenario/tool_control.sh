#!/usr/bin/env bash
# memcg(1) on memcg run --control: each process answers for itself, below its number in the tree of
# the run, and everything that needs a control socket works on an unmodified program.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/tool_common.bash
. "$REPO/tests/scenario/tool_common.bash"

mkfifo in
exec 8<>in
"$memcg" run --quiet --control --max 64M --report report -- /usr/bin/python3 -c 'import sys
x = [bytearray(100000) for _ in range(200)]
print("ready", flush=True)
sys.stdin.readline()' <in >program.out 2>program.err &
run=$!
children+=("$run")
eventually grep -qs ready program.out || fail "the program does not start: $(cat program.err)"
socket_there() {
	compgen -G 'runtime/memcg/*.sock' >/dev/null
}
eventually socket_there || fail "no socket"
pid=$(basename runtime/memcg/*.sock .sock)

# A socket below a run counts with the run: there is one thing to look at.
gives 0 "^$run .*--control" ls
"$memcg" ls --json >ls.json
is_json ls.json "len(j) == 1 and j[0]['kind'] == 'run'"
gives 0 '' mkdir "/$pid/a" "/$pid/a/b"
gives 0 '^   .- a +0 +0 +max +max' tree
gives 0 '^      .- b ' tree
gives 0 '^/ +2[0-9]' tree -p "$pid"
gives 0 '^.- a ' tree -p "$pid"
"$memcg" tree --json >tree.json
is_json tree.json "[r['path'] for r in j] == ['/', '/$pid', '/$pid/a', '/$pid/a/b'] and j[1]['slab'] > 0"
is_json tree.json "len({r['id'] for r in j}) == 4"
gives 0 '' set "/$pid/a" max=5M low=1M
gives 0 '^memory.max: 5242880$' get "/$pid/a" max low
gives 0 '^python3$' get "/$pid" comm
gives 0 '^total objects=' get "/$pid" memory.owners
gives 0 'slab_unreclaimable' stat "/$pid"
gives 1 "^memcg set: memory.max of /a: Invalid" set "/$pid/a" max=x
gives 1 '/PID/NAME' mkdir /a
gives 0 '^moved ' move --dry-run "/$pid" "/$pid/a"
"$memcg" move --json "/$pid" "/$pid/a" >move.json || fail move
is_json move.json "j['moved'] == 0 and 'nsec' in j"

# ---- events come from the process ----
"$memcg" watch --json "/$pid/a" >watch.json 2>watch.err &
watch=$!
children+=("$watch")
eventually grep -qs watching watch.err || fail "watch does not wait"
gives 0 '' rmdir "/$pid/a/b" "/$pid/a"
wait "$watch" || fail "watch: $(cat watch.err)"
is_json watch.json "j['path'] == '/$pid/a' and j['name'] == 'offline' and j['count'] == 1"

echo >&8
wait "$run" || fail "the program: $? $(cat program.err)"
gives 125 'no process is there' tree
exit 0
