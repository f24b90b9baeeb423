#!/usr/bin/env bash
# curves.sh [--full] - names of the rows that the curves of docs/scaling.md are drawn through, for
# memcg-bench. With --full also the points that take gigabytes.
set -eu
points() { # PREFIX SUFFIX POINT...
	local prefix=$1 suffix=$2
	shift 2
	printf "$prefix%s$suffix\n" "$@"
}
points crowd/ "" 1 2 4 8 16 32 64
points server/ "" 1 2 4 8 16 32 64
points tenants/ /local 1 16 256 4096 65536
points many/ "" 1000 10000 100000 1000000 10000000
points charge/ "" 1 2 3 4 6 8 12 16
points growth/depth/ "" 1 2 4 8 16
points growth/create/ "" 1 10 100 1000 10000 100000
points growth/stat/ "" 100 1000 10000 100000
[ "${1:-}" != --full ] || printf '%s\n' tenants/1000000/local many/100000000 growth/create/1000000 growth/stat/1000000
