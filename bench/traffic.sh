#!/usr/bin/env bash
# traffic.sh [CASE...] - which of the library's lines CPUs write in turn, and how often for each million
# operations: counted in a build of its own (build-traffic, src/sync/traffic.h). A move is a write to
# a line that another CPU wrote last; hottest: writes to the one line that this site wrote most. docs/scaling.md says what follows from it for many CPUs.
set -eu
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
build=${BUILD_TRAFFIC:-build-traffic}
operations=${OPERATIONS:-1000000}
[ $# -gt 0 ] || set -- pair/64 batch/64 rndwin crowd/2 two-groups prodcons/64 chain/2 server/2 \
	tenants/16/local tenants/16/remote short-threads
scripts/setup "$build" -Dtests=disabled -Dcount_traffic=true
ninja -C "$build" --quiet memcg-bench-child libmemcg-preload.so >&2
preload=$PWD/$build/libmemcg-preload.so
[[ $build != /* ]] || preload=$build/libmemcg-preload.so
for name in "$@"; do
	count=$operations
	[ "$name" != short-threads ] || count=$((operations / 100))
	log=$(LD_PRELOAD=$preload "$build/memcg-bench-child" "$name" "=$count" 2>&1 >/dev/null) || {
		printf '%s\n' "$log" >&2
		echo "traffic.sh: $name ended with an error" >&2
		exit 1
	}
	awk -v name="$name" '
		/traffic / {
			site = $(NF - 3)
			sub(/.*src\//, "src/", site)
			sub(/.*preload\//, "preload/", site)
			writes += $(NF - 2); moves += $(NF - 1)
			if ($(NF - 1) > 0) lines[++n] = sprintf("%10d %10d %10d  %s", $(NF - 1), $(NF - 2), $NF, site)
		}
		END {
			printf "%s: %d moves, %d writes a million operations\n", name, moves, writes
			if (n) { printf "%10s %10s %10s\n", "moves", "writes", "hottest"; fflush() }
			for (i = 1; i <= n; i++) print lines[i] | "sort -rn | head -n 12"
			close("sort -rn | head -n 12")
		}' <<<"$log"
done
