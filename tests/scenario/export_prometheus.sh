#!/usr/bin/env bash
# A real Prometheus scrapes memcg export, by the configuration of examples/fleet, and is asked through its own
# interface: two processes, their groups, a limit, and each chart of the dashboard.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/export_common.bash
. "$REPO/tests/scenario/export_common.bash"
command -v prometheus >/dev/null && command -v promtool >/dev/null || {
	echo "skipped: no prometheus"
	exit 77
}
fleet=$REPO/examples/fleet
promtool check config "$fleet/prometheus.yml" >promtool.err 2>&1 || fail "prometheus.yml: status $?"

tree one
tree two
order one ok group '/a "b"\' 1000000
order two ok group /web 0
order two ok group /web/tenant 3000000
"$memcg" set -p "${pid[two]}" /web max=8M >/dev/null || fail "memcg set: status $?"
serve --timeout 20

# A port that was free a moment ago: another is tried when somebody has taken it since.
start_prometheus() {
	port=$(/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
	prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port" \
		--log.level=warn >prometheus.log 2>&1 &
	prometheus=$!
	children+=("$prometheus")
	eventually is_ready_or_gone && ! ended "$prometheus"
}
is_ready_or_gone() {
	ended "$prometheus" || [ "$(scrape get "http://127.0.0.1:$port/-/ready" 2>/dev/null | cut -c 1-3)" = 200 ]
}
address=${url#http://}
sed -e "s/127.0.0.1:9909/${address%/metrics}/" -e 's/scrape_interval: 5s/scrape_interval: 1s/' "$fleet/prometheus.yml" >prometheus.yml
start_prometheus || start_prometheus || start_prometheus || fail "prometheus does not start: $(cat prometheus.log)"

# ask EXPRESSION - the value of each of its samples, in a line.
ask() {
	/usr/bin/python3 - "http://127.0.0.1:$port" "$1" <<'END'
import json, sys, urllib.parse, urllib.request
with urllib.request.urlopen(sys.argv[1] + "/api/v1/query?" + urllib.parse.urlencode({"query": sys.argv[2]}), timeout=60) as r:
    answer = json.load(r)
assert answer["status"] == "success", answer
print(*[s["value"][1] for s in answer["data"]["result"]])
END
}
says() { # EXPRESSION VALUE
	[ "$(ask "$1" 2>ask.err)" = "$2" ]
}
told() {
	eventually says "$@" || fail "$1 is '$(ask "$1")', not '$2': $(cat prometheus.log)"
}
told 'sum(memcg_up{job="memcg"})' 2
told 'count(count by (pid) (container_memory_usage_bytes))' 2
told 'container_spec_memory_limit_bytes' 8388608
told "container_memory_usage_bytes{pid=\"${pid[one]}\",group=\"/a \\\"b\\\"\\\\\"} >= bool 1000000" 1
told "sum(container_memory_usage_bytes{group=\"/web\"}) >= bool 3000000" 1
order two 'Cannot allocate memory' more /web/tenant 50000000
told 'memcg_events_total{event="refused",group="/web"}' 1
told 'max_over_time(up{job="memcg"}[1m])' 1

# Every chart is of metrics that there are.
/usr/bin/python3 - "$fleet/dashboard.json" "http://127.0.0.1:$port" <<'END' || fail "dashboard.json"
import json, re, sys, urllib.parse, urllib.request

def api(what, **arguments):
    url = "%s/api/v1/%s?%s" % (sys.argv[2], what, urllib.parse.urlencode(arguments))
    with urllib.request.urlopen(url, timeout=60) as r:
        return json.load(r)["data"]

known = set(api("label/__name__/values"))
charts = json.load(open(sys.argv[1]))["panels"]
expressions = [t["expr"] for c in charts for t in c["targets"]]
assert len(charts) >= 10 and len(expressions) >= len(charts)
empty = []
for e in expressions:
    for name in re.findall(r"\b(?:memcg|container)_\w+(?=[{ )\[])", e):
        assert name in known, name
    if not api("query", query=re.sub(r"\$\w+", ".*", e))["result"]:
        empty.append(e)
# What is only shown while something waits, or of two samples and more, may have none yet.
assert not [e for e in empty if not re.search(r"rate\(|deriv\(", e)], empty
END

# One ends, and is not down but gone.
kill -9 "${pid[one]}"
told 'sum(memcg_up{job="memcg"})' 1
kill -TERM "$prometheus"
