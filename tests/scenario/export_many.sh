#!/usr/bin/env bash
# memcg export: many groups, streamed and bounded; many clients, and such that send half a request.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/export_common.bash
. "$REPO/tests/scenario/export_common.bash"

tree one
tree two
serve --timeout 20

# ---- many groups: streamed, and bounded where that is asked for ----
order two ok many 10000
"$exporter" --once --max-groups 100 "${pid[two]}" >once || fail "--max-groups: status $?"
is "groups of 100" 100 "$(scrape count once container_memory_usage_bytes)"
is "groups left out" 9902 "$(scrape value once memcg_groups_left_out)"
"$exporter" --once --depth 1 "${pid[two]}" >once || fail "--depth: status $?"
is "groups of depth 1" 2 "$(scrape count once container_memory_usage_bytes)"
scrape get "$url" >status 2>body
[ "$(wc -c <body)" -gt 20000000 ] || fail "10 000 groups in $(wc -c <body) bytes"
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$server/status")
[ "$peak" -lt 65536 ] || fail "an answer of $(wc -c <body) bytes cost $peak KiB"

# ---- clients ----
kill -9 "${pid[two]}"
eventually ended "${pid[two]}"
scrape many openmetrics "$url" 100 || fail "100 clients at once"
scrape half "$url" 200 || fail "half requests"
get /healthz '200 text/plain; charset=utf-8 -'
