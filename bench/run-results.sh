#!/usr/bin/env bash
# run-results.sh [handle | limits | managed | net] - measures, and writes bench/RESULTS.md: all of it, or one family's
# section alone (FILE=... writes elsewhere). They stand in sections of their own, with a head
# of their own, because they take a minute, managed memory three, and the allocators ten.
#
# Nothing in it is typed by hand: a figure that cannot be made again by this command has no place
# there. Other work on the machine shows as "noisy".
set -eu
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
build=${BUILD:-build}
out=${FILE:-bench/RESULTS.md}
only=${1:-}
declare -A title=([handle]="The handle" [limits]="Limits" [managed]="Managed memory"
	[net]="Network pages"
	[tenantd]="A cache for many tenants" [grouping]="Grouping" # by tenantd.sh and grouping.sh, kept here
	[programs]="Whole programs"                                # by make check-programs, kept here
	[recording]="Recording for a report" [start]='Starting a program by `memcg run`'
	[top]="A refresh of memcg top, 10 000 groups" [mount]="A read through memcg mount")
kept=" tenantd grouping programs recording start top mount " # measured by others
declare -A cases=([managed]="managed move zswap") # of a family that is more than one
[ -z "$only" ] || [ -n "${title[$only]:-}" ] || {
	echo "usage: bench/run-results.sh [handle | limits | managed | net]" >&2
	exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"; }

# head COMMAND - when, what and where.
head_of() {
	local commit
	commit=$(git rev-parse --short HEAD)
	[ -z "$(git status --porcelain -- src preload include bench/*/*.[ch])" ] ||
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

# instructions FAMILY - as insn.sh counts them. 77: valgrind is missing.
instructions() {
	local status=0
	BUILD=$build bench/insn.sh "$1" >"$work/insn" 2>>"$work/notes" || status=$?
	[ "$status" -le 1 ] || echo "insn.sh: not run (status $status)" >"$work/insn"
	# shellcheck disable=SC2016 # backquotes of Markdown
	printf '\nInstructions (`bench/insn.sh %s`):\n\n```\n' "$1"
	cat "$work/insn"
	printf '```\n'
}

# family NAME - its section.
family() {
	# shellcheck disable=SC2086 # words
	measure ${cases[$1]:-$1}
	printf '## %s\n' "${title[$1]}"
	head_of "make && bench/run-results.sh $1"
	/usr/bin/python3 bench/results.py "$work/json" "$1"
	[ "$1" != managed ] || instructions "$1"
	said "What the programs said:"
}

# kept NAME - its section as it stands.
kept() {
	awk -v head="## ${title[$1]}" '/^## / { on = $0 == head } on' "$out"
}

objects() {
	local status=0
	# The cases of the first section: each but those of a family.
	mapfile -t names < <("$build/memcg-bench" --list | grep -v '^limits/\|^handle/\|^managed/\|^move/\|^zswap/\|^net/' | sed 's,/.*,,' | sort -u)
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
	sed '/^## The handle$/,$d; /^## Limits$/,$d; /^## Managed memory$/,$d' "$out" >"$work/all"
else
	objects >"$work/all"
fi
for name in handle limits managed net$kept; do
	if [[ $kept != *" $name "* ]] && { [ -z "$only" ] || [ "$only" = "$name" ]; }; then
		family "$name"
	else
		kept "$name"
	fi >"$work/section"
	[ ! -s "$work/section" ] || printf '%s\n\n' "$(cat "$work/section")" >>"$work/all"
done
sed -i -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$work/all" # no blank line at the end
cp "$work/all" "$out"
echo "run-results.sh: wrote $out"
