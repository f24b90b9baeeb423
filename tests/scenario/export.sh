#!/usr/bin/env bash
# memcg export over HTTP and once: both formats read strictly, two processes and a memcg run, limits and
# counters that change, wrong use.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/export_common.bash
. "$REPO/tests/scenario/export_common.bash"

# ---- nobody is there ----
"$exporter" --once >once 2>once.err || fail "--once without a process: status $?"
[ ! -s once ] || fail "--once without a process says: $(cat once)"
"$exporter" --once --openmetrics >once
is "OpenMetrics of nobody" '# EOF' "$(cat once)"

# ---- two processes, names that need care ----
tree one
tree two
order one ok group '/a "b"\' 1000000
order one ok group $'/\xff\xc3\xa4' 0
order one ok group /z 2000000
order two ok group /a 3000000
"$exporter" --once >once || fail "--once: status $?"
scrape check prometheus once || fail "not the text format"
"$exporter" --once --openmetrics >once || fail "--once --openmetrics: status $?"
scrape check openmetrics once || fail "not OpenMetrics"
is processes 2 "$(scrape count once memcg_up)"
is groups 6 "$(scrape count once container_memory_usage_bytes)"
usage=$(scrape value once container_memory_usage_bytes "pid=${pid[one]}" comm=tree 'group=/a "b"\') || fail "no sample"
[ "$usage" -ge 1000000 ] && [ "$usage" -lt 1100000 ] || fail "usage of a group of 1000000: $usage"
is "a name that is no UTF-8" 0 "$(scrape value once memcg_children "pid=${pid[one]}" "group=/?ä")"
"$exporter" --once "${pid[two]}" "runtime/memcg/${pid[two]}.sock" >once
is "two names of one process" 1 "$(scrape count once memcg_up)"
is "its groups" 2 "$(scrape count once container_memory_usage_bytes "pid=${pid[two]}")"

# ---- HTTP ----
serve --timeout 20
get /metrics "$text"
scrape check prometheus body || fail "over HTTP: not the text format"
get /metrics "$open" GET 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'
scrape check openmetrics body || fail "over HTTP: not OpenMetrics"
get /healthz '200 text/plain; charset=utf-8 -'
is healthz ok "$(cat body)"
get /metric '404 text/plain; charset=utf-8 -'
for method in POST PUT DELETE HEAD OPTIONS TRACE; do
	get /metrics '405 text/plain; charset=utf-8 GET' $method
done
[ "$(wc -l <url)" -eq 1 ] && [ ! -s export.err ] || fail "it says more than where it listens"
if command -v promtool >/dev/null; then
	get /metrics "$text"
	promtool check metrics <body >promtool.err 2>&1 || fail "promtool check metrics: status $?"
else
	echo "no promtool: its check is left out"
fi

# ---- limits and counters ----
is "no limit" 0 "$(scrape count once container_spec_memory_limit_bytes)"
"$memcg" set -p "${pid[one]}" /z max=3M >/dev/null || fail "memcg set: status $?"
eventually shows 3145728 container_spec_memory_limit_bytes group=/z || fail "the limit is not shown"
is "limits" 1 "$(scrape count body container_spec_memory_limit_bytes)"
eventually shows 0 memcg_events_total event=refused group=/z || fail "something was refused already"
order one 'Cannot allocate memory' more /z 50000000
eventually shows 1 memcg_events_total event=refused group=/z || fail "what was refused is not shown"
is "refused below" 1 "$(scrape value body memcg_events_total event=refused group=/ "pid=${pid[one]}")"

# ---- memcg run ----
"$memcg" run --max 96M -- sh -c 'echo ready >ready; exec sleep 60' >/dev/null 2>run.err &
children+=($!)
eventually test -s ready || fail "memcg run does not run"
eventually shows 100663296 container_spec_memory_limit_bytes group=/ || fail "memcg run is not shown"
is "processes with it" 3 "$(scrape count body memcg_up)"

# ---- wrong use; the end ----
for wrong in '--listen 9909' '--listen localhost:1' '--max-groups 0' '--depth x' '--timeout 0' --nothing; do
	status=0
	# shellcheck disable=SC2086 # two words
	"$exporter" $wrong >wrong 2>wrong.err || status=$?
	[ $status -eq 2 ] && [ -s wrong.err ] || fail "$wrong: status $status"
done
status=0
port=${url%/metrics}
"$exporter" --listen "${port#http://}" 2>wrong.err || status=$?
[ $status -eq 125 ] && grep -q 'cannot listen there: Address already in use' wrong.err || fail "a port that is taken: status $status"
status=0
"$exporter" --once >/dev/full 2>wrong.err || status=$?
[ $status -eq 125 ] || fail "--once to a full disk: status $status"
"$memcg" export --help >help || fail "memcg export --help: status $?"
grep -q '^usage: memcg export' help || fail "memcg export is not there"
kill -TERM "$server"
wait "$server" || fail "status $? at its end"
