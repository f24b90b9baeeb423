#!/usr/bin/env bash
# A server under load, which takes malloc from a library of that name, shuts down clean and is accounted for.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
needs redis-server redis-benchmark redis-cli
socket=$work/socket

"$memcg" run --quiet --report report --max 1G -- redis-server --port 0 --unixsocket "$socket" --save '' --dir "$work" >server.log 2>&1 &
server=$!
answers() {
	[ "$(redis-cli -s "$socket" ping 2>/dev/null)" = PONG ]
}
saved() {
	redis-cli -s "$socket" info persistence | grep -q 'rdb_bgsave_in_progress:0'
}
eventually answers || {
	kill $server
	fail "the server does not answer: $(cat server.log)"
}
redis-benchmark -s "$socket" -n 20000 -c 20 -q -t set,get,incr,lpush,lrange_100,mset >bench.log 2>&1 ||
	fail "redis-benchmark: $(cat bench.log)"
[ "$(tr '\r' '\n' <bench.log | grep -c 'requests per second')" -ge 6 ] || fail "redis-benchmark: $(cat bench.log)"
redis-cli -s "$socket" set key value >/dev/null
[ "$(redis-cli -s "$socket" get key)" = value ] || fail "a value is lost"
# A child of fork writes the file while the server goes on.
redis-cli -s "$socket" bgsave >/dev/null
eventually saved && [ -s dump.rdb ] || fail "no dump was written: $(cat server.log)"
redis-cli -s "$socket" shutdown nosave 2>/dev/null
wait $server
status=$?
[ $status -eq 0 ] || fail "the server ended with $status: $(cat server.log)"
grep -q 'bye bye' server.log || fail "the server did not shut down clean: $(cat server.log)"
! grep -q 'memcg run: warning' server.log || fail "a library's malloc is ours, and was warned of: $(cat server.log)"
recount_closed redis-server
[ "$(root_column 3)" -gt 1000000 ] || fail "hardly anything was charged: $(cat report)"
exit 0
