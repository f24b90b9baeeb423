#!/usr/bin/env bash
# run-results.sh [limits] - measures, and writes bench/RESULTS.md: all of it, or the section of
# limits alone (FILE=... writes elsewhere). The limits stand in a section of their own, with a head
# of their own, because they take a minute and the allocators ten.
#
# Nothing in it is typed by hand: a figure that cannot be made again by this command has no place
# there. Other work on the machine shows as "noisy".
set -eu
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
build=${BUILD:-build}
out=${FILE:-bench/RESULTS.md}
only=${1:-}
[ -z "$only" ] || [ "$only" = limits ] || {
	echo "usage: bench/run-results.sh [limits]" >&2
	exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"; }

# head COMMAND - when, what and where.
head_of() {
	local commit
	commit=$(git rev-parse --short HEAD)
	[ -z "$(git status --porcelain -- src preload include bench/*.[ch] bench/*/*.[ch])" ] ||
		commit="$commit and changes on top"
	cat <<END

    $1

| | |
|---|---|
| date | $(date -u +%F) |
| commit | $commit |
| machine | $(nproc) CPUs, $(sed -n 's/^model name\t: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r) |
| compiler | $(${CC:-gcc} --version | head -n 1) |
END
}

# measure NAME... - rows into $work/json, what the programs say into $work/notes.
measure() {
	"$build/memcg-bench" --json "$@" >"$work/json" 2>"$work/notes" && return
	cat "$work/notes" >&2
	echo "run-results.sh: memcg-bench failed; $out is left as it was" >&2
	exit 1
}

said() {
	[ ! -s "$work/notes" ] || {
		printf '\n%s\n\n```\n' "$1"
		cat "$work/notes"
		printf '```\n'
	}
}

limits() {
	measure limits
	printf '## Limits\n'
	head_of "make && bench/run-results.sh limits"
	/usr/bin/python3 bench/results.py "$work/json" limits
	said "What the programs said:"
}

objects() {
	local status=0
	# The cases of the first section: each but those of limits.
	mapfile -t names < <("$build/memcg-bench" --list | grep -v '^limits/' | sed 's,/.*,,' | sort -u)
	measure "${names[@]}"
	# Status 1 is a goal missed: a result. 77: valgrind or the preload is missing.
	BUILD=$build bench/insn.sh >"$work/insn" 2>>"$work/notes" || status=$?
	[ "$status" -le 1 ] || echo "insn.sh: not run (status $status)" >"$work/insn"
	printf '# Results\n'
	head_of "make && bench/run-results.sh"
	cat <<END
| others | glibc $(version libc6), jemalloc $(version libjemalloc2), mimalloc $(version libmimalloc2.0), tcmalloc $(version libtcmalloc-minimal4) |

What is measured, and how to read it: NOTES.md. Brackets: 95 % intervals. A goal is met or missed when the interval of the ratio
lies on one side of it.
END
	/usr/bin/python3 bench/results.py "$work/json"
	# shellcheck disable=SC2016 # backquotes of Markdown
	printf '\n## Instructions (`bench/insn.sh`)\n\n```\n'
	cat "$work/insn"
	printf '```\n'
	said "## What the programs said"
	printf '\n'
}

if [ -n "$only" ]; then
	sed '/^## Limits$/,$d' "$out" >"$work/all"
else
	objects >"$work/all"
fi
limits >>"$work/all"
cp "$work/all" "$out"
echo "run-results.sh: wrote $out"
