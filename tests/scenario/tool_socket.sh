#!/usr/bin/env bash
# memcg(1) on a program that embeds the library, by its control socket: all that can be done to
# groups, errors in the words of the process, names with anything in them.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/tool_common.bash
. "$REPO/tests/scenario/tool_common.bash"
[ -x "$BUILD/examples/tenantd" ] || {
	echo "skipped: $BUILD has no examples/tenantd"
	exit 77
}
serve --threads 2

gives 0 "^$server .*tenantd" ls
"$memcg" ls --json >ls.json
is_json ls.json "len(j) == 1 and j[0]['kind'] == 'process' and j[0]['comm'] == 'tenantd' and j[0]['pid'] == $server"

# ---- groups ----
gives 0 '' mkdir /web /web/a '/web/b c'
gives 1 '^memcg mkdir: /web: File exists .--parents' mkdir /web
gives 1 '/none.* .--parents' mkdir /none/x
gives 0 '' mkdir --parents /p/q/r /web
gives 0 '^p +0 ' ls /
gives 0 '^\|- a ' tree /web
gives 0 '^.- r +0 +0 +max +max +0$' tree /p/q
gives 0 '' set /web max=64M low=4K
gives 0 '' set /web memory.high 32M
gives 0 '^memory.max: 67108864$' get /web max high low
gives 0 '^memory.high: 33554432$' get /web
gives 0 '' set /web/a -- cgroup.max.depth 3
gives 1 '^memcg set: memory.max of /web: Invalid argument .*memcg-files' set /web max=much
gives 1 'memory.such of /web' set /web such=1
gives 1 'memory.such' get /web such
gives 1 '^memcg tree: /nobody' tree /nobody
gives 1 '^memcg rmdir: /web: .*busy .*memcg tree' rmdir /web
gives 0 '^total objects=0 bytes=0$' get /web/a memory.owners
"$memcg" get --json --all /web >get.json
is_json get.json "j['memory.max'] == 67108864 and j['memory.low'] == 4096 and j['memory.events']['oom'] == 0"
is_json get.json "isinstance(j['memory.pressure'], str) and j['memory.stat']['anon'] == 0 and j['memory.swap.max'] == 'max'"
"$memcg" stat --json /web >stat.json
is_json stat.json "j['max'] == 67108864 and j['memory.stat']['slab'] == 0 and 'avg10' in j['memory.pressure']"
gives 0 'metadata +[0-9.]+K' stat
gives 0 '^GROUP +MAX +CHILDREN$' tree -c max,children
gives 0 '^/web +64M +2$' tree -c max,children /web
gives 0 '^/web +67108864 +2$' tree -b -c max,children /web
gives 0 '' rmdir '/web/b c' /web/a

# ---- names: anything but control characters, and JSON stays JSON ----
weird=$(printf '/web/q"\\ \303\251 \377 \303 \355\240\200 \302\233x')
gives 0 '' mkdir "$weird"
"$memcg" tree --json >tree.json || fail "tree --json with such names"
is_json tree.json "any(r['path'] == '/web/q\"\\\\ \u00e9 \ufffd \ufffd \ufffd\ufffd\ufffd \x9bx' for r in j)"
"$memcg" tree >tree.out || fail "tree with such names"
! grep -qP '[\x80-\xff]' tree.out || fail "LC_ALL=C shows bytes that are none of its characters"
LC_ALL=C.UTF-8 "$memcg" tree >tree.out || fail "tree in UTF-8"
grep -q 'é' tree.out || fail "UTF-8 is not shown where it can be: $(cat tree.out)"
/usr/bin/python3 -c 'import sys; t = open("tree.out", encoding="utf-8").read(); assert "\x9b" not in t and "\u2514" in t, t' ||
	fail "UTF-8: $(cat tree.out)"
gives 1 'control character' mkdir "$(printf '/web/a\tb')"
gives 1 'control character' mkdir "$(printf '/web/a\nb')"
gives 0 '' rmdir "$weird"

# ---- for people, and in a pipe ----
! "$memcg" tree | grep -q $'\033' || fail "colours in a pipe"
script -qec "$memcg tree" /dev/null >tty.out </dev/null 2>/dev/null && {
	grep -q $'\033\[1m' tty.out || fail "no colours on a terminal: $(cat -v tty.out)"
	NO_COLOR=1 script -qec "$memcg tree" /dev/null >tty.out </dev/null
	! grep -q $'\033\[[0-9;]*m' tty.out || fail "NO_COLOR is not followed"
	gives 0 '' mkdir /a-name-that-is-far-too-long-for-a-terminal-of-forty-columns
	COLUMNS=50 NO_COLOR=1 script -qec "$memcg tree" /dev/null >tty.out </dev/null
	! tr -d '\r' <tty.out | grep -qE '.{51}' || fail "wider than the terminal: $(cat tty.out)"
	grep -q '^`- a-na.*~ ' tty.out || fail "a long name is not cut: $(cat tty.out)"
}
"$memcg" tree >/dev/full 2>err
[ $? -eq 125 ] && grep -q 'cannot write to standard output' err || fail "a full disk: $(cat err)"

# ---- the socket: by its path; of others; gone ----
gives 0 '^/ ' tree -p "$work/runtime/memcg/$server.sock"
gives 0 '^/ ' tree -p "$server"
XDG_RUNTIME_DIR=/nowhere gives 125 'no process is there' tree
mkdir -m 777 open runtime2
mkdir -m 777 runtime2/memcg
chmod 777 runtime2/memcg
cp -P "runtime/memcg/$server.sock" runtime2/memcg/ 2>/dev/null || ln "runtime/memcg/$server.sock" runtime2/memcg/ 2>/dev/null
XDG_RUNTIME_DIR=$work/runtime2 gives 125 'no process is there' tree # anybody could have put it there

# ---- one that is stopped is listed, and keeps nobody waiting ----
kill -STOP "$server"
gives 0 "^$server .*tenantd.* \(does not answer\)? +- " ls
"$memcg" ls --json >ls.json
is_json ls.json "j[0]['pid'] == $server and j[0]['error']"
kill -CONT "$server"
kill "$server"
wait "$server" 2>/dev/null
gives 125 'no process is there' tree
serve --threads 2
kill -9 "$server"
wait "$server" 2>/dev/null
gives 125 'no process is there' tree
[ ! -e "runtime/memcg/$server.sock" ] || fail "the socket of a process that was killed stays"
exit 0
