#!/usr/bin/env bash
# run-results.sh [--from DIR] [FAMILY...] - measures, and writes bench/RESULTS.md: the families named, or all
# (FILE=... writes elsewhere). What is not asked for, and what other scripts measure, stays as it stands.
#
#   objects            malloc and free, against the peers; charging, groups, statistics; instructions
#   real               whole programs under every allocator
#   growth             curves: threads, groups, depth, live objects
#   groups handle limits managed net   the library's own calls
#
# --from DIR: nothing is measured, rows come from what bench/suite.sh left there (`make bench RESULTS=1`).
# Nothing in it is typed by hand: a figure that cannot be made again by a command has no place there. Other
# work on the machine shows as "noisy".
set -eu
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
build=${BUILD:-build}
out=${FILE:-bench/RESULTS.md}
from=
[ "${1:-}" != --from ] || {
	from=$2
	shift 2
}
families="real growth groups handle limits managed net"
kept="free tenantd grouping programs recording start top mount" # measured by others
declare -A title=([real]="Real programs" [growth]="Growth"
	[groups]="Groups and statistics"
	[handle]="The handle" [limits]="Limits" [managed]="Managed memory" [net]="Network pages"
	[free]='Instructions of a free that is nobody'"'"'s (`tests/scenario/free_unaccounted.sh`)'
	[tenantd]="A cache for many tenants" [grouping]="Grouping" # by tenantd.sh and grouping.sh
	[programs]="Whole programs"                                # by make check-programs
	[recording]="Recording for a report" [start]='Starting a program by `memcg run`'
	[top]="A refresh of memcg top, 10 000 groups" [mount]="A read through memcg mount")
declare -A cases=([managed]="managed move zswap") # of a family that is more than one
asked=" ${*:-objects $families} "
for name in $asked; do
	[[ " objects $families " == *" $name "* ]] || {
		echo "usage: bench/run-results.sh [--from DIR] [objects | ${families// / | }]..." >&2
		exit 2
	}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/notes"

version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"; }

# head_of COMMAND - when, what and where.
head_of() {
	local commit
	commit=$(git rev-parse --short HEAD 2>/dev/null || echo "of an archive")
	[ -z "$(git status --porcelain -- src preload include 'bench/*/*.[ch]' bench/programs 2>/dev/null)" ] ||
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

peers_of() {
	echo "| others | glibc $(version libc6), jemalloc $(version libjemalloc2), mimalloc $(version libmimalloc2.0), tcmalloc $(version libtcmalloc-minimal4) |"
}

# run PROGRAM ARGUMENTS... - rows into $work/json, what it says into $work/notes.
run() {
	"$@" >"$work/json" 2>"$work/said" || {
		cat "$work/said" >&2
		echo "run-results.sh: $1 failed; $out is left as it was" >&2
		exit 1
	}
	grep -v ' % after ' "$work/said" >>"$work/notes" || true
}

# measure FAMILY - its rows into $work/json, and the command that makes them again into `command`.
measure() {
	command="make && bench/run-results.sh $1"
	if [ -n "$from" ]; then
		command=$(cat "$from/command")
		case $1 in
		objects) cat "$from/objects.json" "$from/calls.json" ;;
		real) cat "$from/programs.json" ;;
		growth) cat "$from/curves.json" ;;
		*) cat "$from/calls.json" ;;
		esac >"$work/json"
		return
	fi
	case $1 in
	objects)
		# Each but those of a family.
		mapfile -t names < <("$build/memcg-bench" --list | sed 's,/.*,,' | sort -u |
			grep -vx 'groups\|limits\|handle\|managed\|move\|zswap\|net')
		run "$build/memcg-bench" --json "${names[@]}"
		;;
	real) run /usr/bin/python3 -B bench/programs/main.py --json --build "$build" ;;
	growth)
		mapfile -t names < <(bench/curves.sh)
		run "$build/memcg-bench" --json --runs 5 --without shared "${names[@]}"
		;;
	*)
		read -ra names <<<"${cases[$1]:-$1}"
		run "$build/memcg-bench" --json "${names[@]}"
		;;
	esac
}

said() {
	[ ! -s "$work/notes" ] || {
		printf '\n%s\n\n```\n' "$1"
		cat "$work/notes"
		printf '```\n'
		: >"$work/notes"
	}
}

# instructions [FAMILY] - as insn.sh counts them. 1: a goal is missed, a result. 77: valgrind is missing.
instructions() {
	local status=0
	BUILD=$build bench/insn.sh "$@" 2>>"$work/notes" || status=$?
	[ "$status" -le 1 ] || echo "insn.sh: not run (status $status)"
}

# family NAME - its section.
family() {
	measure "$1"
	printf '## %s\n' "${title[$1]}"
	head_of "$command"
	case $1 in real | growth) peers_of ;; esac
	/usr/bin/python3 -B bench/results.py "$work/json" "$1"
	if [ "$1" = managed ]; then
		# shellcheck disable=SC2016 # backquotes of Markdown
		printf '\nInstructions (`bench/insn.sh managed`):\n\n```\n'
		instructions managed
		printf '```\n'
	fi
	if [ "$1" = growth ]; then
		# shellcheck disable=SC2016 # backquotes of Markdown
		printf '\nLines that CPUs write in turn (`bench/traffic.sh`), for each million operations; docs/scaling.md has the model:\n\n```\n'
		if [ -n "$from" ]; then cat "$from/traffic"; else bench/traffic.sh; fi
		printf '```\n'
	fi
	said "What the programs said:"
}

# kept NAME - its section as it stands; the part before all sections that have a name here, without one.
kept() {
	local titles="" name
	for name in $families $kept; do
		titles+="## ${title[$name]}"$'\n'
	done
	awk -v head="${1:+## ${title[$1]}}" -v titles="$titles" '
		BEGIN { n = split(titles, t, "\n"); for (i = 1; i < n; i++) known[t[i]] = 1; on = head == "" }
		$0 in known || (head != "" && /^## /) { on = $0 == head }
		on' "$out"
}

objects() {
	measure objects
	printf '# Results\n'
	head_of "$command"
	peers_of
	cat <<END

What is measured, and how to read it: NOTES.md. Brackets: 95 % intervals. A goal is met or missed when the interval of the ratio
lies on one side of it.
END
	/usr/bin/python3 -B bench/results.py "$work/json"
	# shellcheck disable=SC2016 # backquotes of Markdown
	printf '\n## Instructions (`bench/insn.sh`)\n\n```\n'
	if [ -n "$from" ]; then cat "$from/instructions"; else instructions; fi
	printf '```\n'
	said "## What the programs said"
}

if [[ $asked == *" objects "* ]]; then objects; else kept; fi >"$work/all"
for name in $families $kept; do
	if [[ $asked == *" $name "* ]]; then family "$name"; else kept "$name"; fi >"$work/section"
	[ ! -s "$work/section" ] || printf '\n%s\n' "$(cat "$work/section")" >>"$work/all"
done
sed -i -e '/./,$!d' -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$work/all" # no blank lines at either end
cat -s "$work/all" >"$out"
echo "run-results.sh: wrote $out"
