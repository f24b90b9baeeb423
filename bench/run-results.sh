#!/usr/bin/env bash
# run-results.sh [FILE] - measures everything and writes bench/RESULTS.md (or FILE).
#
# Nothing in it is typed by hand: a figure that cannot be made again by this command has no place
# there. Takes some minutes; other work on the machine shows as "noisy".
set -eu
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
build=${BUILD:-build}
out=${1:-bench/RESULTS.md}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$build/memcg-bench" --json >"$work/json" 2>"$work/notes" || {
	cat "$work/notes" >&2
	echo "run-results.sh: memcg-bench failed; $out is left as it was" >&2
	exit 1
}
# Status 1 is a goal missed: a result. 77: valgrind or the preload is missing.
status=0
BUILD=$build bench/insn.sh >"$work/insn" 2>>"$work/notes" || status=$?
[ "$status" -le 1 ] || echo "insn.sh: not run (status $status)" >"$work/insn"

version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"; }
commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain -- src preload include bench)" ] || commit="$commit and changes on top"
cat >"$work/head" <<END
# Results

    make && bench/run-results.sh

| | |
|---|---|
| date | $(date -u +%F) |
| commit | $commit |
| machine | $(nproc) CPUs, $(sed -n 's/^model name\t: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r) |
| compiler | $(${CC:-gcc} --version | head -n 1) |
| others | glibc $(version libc6), jemalloc $(version libjemalloc2), mimalloc $(version libmimalloc2.0), tcmalloc $(version libtcmalloc-minimal4) |

What is measured, and how to read it: NOTES.md. Brackets: 95 % intervals. A goal is met or missed when the interval of the ratio
lies on one side of it.
END
/usr/bin/python3 bench/results.py "$work/json" >"$work/tables"
{
	cat "$work/head" "$work/tables"
	# shellcheck disable=SC2016 # backquotes of Markdown
	printf '\n## Instructions (`bench/insn.sh`)\n\n```\n'
	cat "$work/insn"
	printf '```\n'
	[ ! -s "$work/notes" ] || {
		printf '\n## What the programs said\n\n```\n'
		cat "$work/notes"
		printf '```\n'
	}
} >"$work/all"
cp "$work/all" "$out"
echo "run-results.sh: wrote $out"
