#!/usr/bin/env bash
# memcg export: processes that end while they are asked, and one that is stopped.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/export_common.bash
. "$REPO/tests/scenario/export_common.bash"

tree one
tree two
serve --timeout 20

# ---- processes that end while they are asked, and one that is stopped ----
for i in 1 2 3 4 5; do
	tree "brief$i"
	order "brief$i" ok many 500
	scrape get "$url" GET application/openmetrics-text >status 2>body &
	reader=$!
	kill -9 "${pid[brief$i]}"
	wait $reader || fail "no answer beside a process that ends"
	is "beside a process that ends" "$open" "$(cat status)"
	scrape check openmetrics body || fail "not OpenMetrics beside a process that ends"
done
kill -STOP "${pid[one]}"
eventually in_state T "${pid[one]}" || fail "it does not stop"
"$exporter" --once --timeout 0.2 >once || fail "beside a process that is stopped: status $?"
is "a stopped process" 0 "$(scrape value once memcg_up "pid=${pid[one]}")"
is "its groups" 0 "$(scrape count once container_memory_usage_bytes "pid=${pid[one]}")"
is "the other" 1 "$(scrape value once memcg_up "pid=${pid[two]}")"
seconds=$(scrape value once memcg_answer_seconds "pid=${pid[one]}")
[ "${seconds%.*}" -lt 9 ] || fail "a stopped process was waited for $seconds s"
kill -CONT "${pid[one]}"
eventually shows 1 memcg_up "pid=${pid[one]}" || fail "it does not come back"
