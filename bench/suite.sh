#!/usr/bin/env bash
# suite.sh [--full] [--results] - all that is measured, into build/bench: `make bench`, `make bench-full`.
#
#   objects    malloc and free, each case under every allocator in turn      15 runs
#   programs   real programs, whole, the same way                            15 runs
#   calls      the library's own calls                                       15 runs, some fewer
#   curves     threads, groups, depth, live objects                           5 runs
#   instructions by callgrind
#
# Under fifteen minutes on two CPUs, packages apart; --full adds the variant `shared`, all families of
# calls, and points of curves that take gigabytes: an hour. --results writes bench/RESULTS.md
# and bench/pictures from it. BENCH_RUNS=N runs all of it N times instead: to see that it runs, not how fast.
set -eu
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
build=${BUILD:-build}
dir=$build/bench
full="" results=""
for word in "$@"; do
	case $word in
	--full) full=1 ;;
	--results) results=1 ;;
	*)
		echo "usage: bench/suite.sh [--full] [--results]" >&2
		exit 2
		;;
	esac
done
mkdir -p "$dir"
runs=${BENCH_RUNS:-15}
without=(--without shared)
calls=(charge enter-leave current stat handle create-destroy idle-group stack groups
	limits/current limits/stat limits/fold limits/readers)
families=(objects real growth groups handle)
curves=()
# Bash 5.2's empty arrays are no error under set -u.
if [ -n "$full" ]; then
	without=()
	calls=()
	families+=(limits managed net)
	curves=(--full)
fi
mapfile -t points < <(bench/curves.sh "${curves[@]}")
echo "make bench${full:+-full} RESULTS=1" >"$dir/command"

began=$SECONDS
phase() { # TITLE
	echo "== $1 ($(((SECONDS - began) / 60)) min so far)"
}

# rows NAME PROGRAM... - what it prints, into a file of rows.
rows() {
	local name=$1
	shift
	"$@" >"$dir/$name.json.new"
	mv "$dir/$name.json.new" "$dir/$name.json"
}

phase "malloc and free, against the other allocators"
rows objects "$build/memcg-bench" --json --objects --runs "$runs" "${without[@]}"
phase "real programs"
rows programs /usr/bin/python3 -B bench/programs/main.py --json --build "$build" --runs "$runs" "${without[@]}"
phase "the library's own calls"
rows calls "$build/memcg-bench" --json --calls --runs "$runs" "${calls[@]}"
phase "curves"
rows curves "$build/memcg-bench" --json --without shared --runs "$((runs < 5 ? runs : 5))" "${points[@]}"
phase "instructions"
status=0
BUILD=$build bench/insn.sh >"$dir/instructions" || status=$?
[ "$status" -le 1 ] || echo "insn.sh: not run (status $status)" >"$dir/instructions"

if [ -n "$results" ]; then
	phase "lines that CPUs write in turn"
	bench/traffic.sh >"$dir/traffic"
	phase "results and pictures"
	bench/pictures.py "$dir"
	BUILD=$build bench/run-results.sh --from "$dir" "${families[@]}"
else
	/usr/bin/python3 -B bench/results.py --text "$dir"
fi
phase "done"
