# shellcheck shell=bash
# tool_common.bash - sourced by the tool_*.sh scenarios: memcg(1) on processes of their own, in a
# directory of their own, so that nobody else's are found.
set -u
# shellcheck source=tests/scenario/eventually.bash
. "$REPO/tests/scenario/eventually.bash"
memcg=$BUILD/memcg
[ -x "$memcg" ] && [ -x /usr/bin/python3 ] || {
	echo "skipped: $BUILD has no memcg, or there is no python3"
	exit 77
}
work=$(mktemp -d)
cd "$work" || exit 1
mkdir -m 700 runtime
export LC_ALL=C XDG_RUNTIME_DIR=$work/runtime PYTHONDONTWRITEBYTECODE=1
children=()
trap '[ ${#children[@]} -eq 0 ] || { kill -9 "${children[@]}"; wait; } 2>/dev/null; rm -rf "$work"' EXIT
scenario=$(basename "$0" .sh)

fail() {
	echo "$scenario: $*" >&2
	exit 1
}

# gives STATUS PATTERN ARGUMENTS... - memcg so ends with the status, and prints a line like that (empty: any).
gives() {
	local status=$1 pattern=$2
	shift 2
	"$memcg" "$@" >out 2>err </dev/null
	local got=$?
	[ $got -eq "$status" ] || fail "memcg $*: status $got, not $status: $(cat out err)"
	[ -z "$pattern" ] || grep -qE -- "$pattern" out err || fail "memcg $*: no line like '$pattern': $(cat out err)"
}

# is_json FILE EXPRESSION - python's parser takes it, and the expression of `j` is true.
is_json() {
	/usr/bin/python3 -c 'import json, sys
j = json.load(open(sys.argv[1], encoding="utf-8"))
sys.exit(not eval(sys.argv[2]))' "$1" "$2" || fail "$1: not ($2): $(cat "$1")"
}

# serve ARGUMENTS... - examples/tenantd with a control socket; sets $server and $port.
serve() {
	local tenantd=$BUILD/examples/tenantd
	MEMCG_CONTROL=1 "$tenantd" --port 0 "$@" >tenantd.log 2>&1 &
	server=$!
	children+=("$server")
	eventually test -S "runtime/memcg/$server.sock" || fail "tenantd does not listen: $(cat tenantd.log)"
}
