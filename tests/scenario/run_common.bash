# shellcheck shell=bash
# run_common.bash - sourced by the run_*.sh scenarios: where things are, how they fail, and
# what a good report looks like.
set -u
# shellcheck source=tests/scenario/eventually.bash
. "$REPO/tests/scenario/eventually.bash"
memcg=$BUILD/memcg
[ -x "$memcg" ] && [ -e "$BUILD/libmemcg-preload.so" ] || {
	echo "skipped: $BUILD has no memcg or no libmemcg-preload.so"
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export LC_ALL=C
scenario=$(basename "$0" .sh)

fail() {
	echo "$scenario: $*" >&2
	exit 1
}

needs() { # PROGRAM... - skips the scenario where one is missing
	for program in "$@"; do
		command -v "$program" >/dev/null || {
			echo "skipped: $program is not installed"
			exit 77
		}
	done
}

# held OPTIONS... -- COMMAND... - under memcg run, its report in ./report.
held() {
	rm -f report
	"$memcg" run --quiet --report report "$@"
}

# Every process that could take a recount closed it, and somebody did.
recount_closed() {
	grep -q 'recount: closed' report || fail "$1: no recount closed: $(cat report)"
	! grep -q 'recount:.* differences' report || fail "$1: a recount found differences: $(cat report)"
}

# root_column N - of the first process: 2 current, 3 peak, 4 limit, 5 refusals.
root_column() {
	awk -v n="$1" '$1 == "/" { print $n; exit }' report
}
