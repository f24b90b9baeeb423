#!/usr/bin/env bash
# run --group-by thread-name on a server: its own threads' names are the groups, and a rule puts some together.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
# shellcheck source=tests/scenario/rows.bash
. "$REPO/tests/scenario/rows.bash"
needs redis-server redis-benchmark redis-cli
socket=$work/socket

echo 'io_thd_* /server/io memory.max=512M
redis-server /server/main' >rules
"$memcg" run --quiet --report report --group-by thread-name --rules rules -- redis-server --port 0 \
	--unixsocket "$socket" --save '' --dir "$work" --io-threads 2 --io-threads-do-reads yes >server.log 2>&1 &
server=$!
answers() {
	[ "$(redis-cli -s "$socket" ping 2>/dev/null)" = PONG ]
}
# The second thread only works when the first has several clients at once: until it has.
threaded() {
	redis-benchmark -s "$socket" -n 20000 -c 50 -P 16 -d 4000 -q -r 1000 -t set >bench.log 2>&1 || return
	[ "$(redis-cli -s "$socket" info stats | tr -d '\r' | sed -n 's/^io_threaded_reads_processed://p')" -gt 1000 ]
}
eventually answers && eventually threaded || {
	kill $server
	fail "the server does not answer, or with one thread: $(cat server.log bench.log)"
}
redis-cli -s "$socket" shutdown nosave 2>/dev/null
wait $server
status=$?
[ $status -eq 0 ] || fail "the server ended with $status: $(cat server.log)"
recount_closed redis-server
# Clients' buffers are the reading thread's; both threads' are below /server.
held_most /server $((4 << 20)) $((1 << 30))
for group in /redis-server /io_thd_1; do
	no_row $group
done
# root, server, main, io, and a bio_ thread or another that has allocated; the name before the server set its own
groups=$(sed -n 's/.*recount: closed (.* in \([0-9]*\) groups).*/\1/p' report)
[ "$groups" -ge 4 ] || fail "not both of its threads: $(cat report)"
exit 0
