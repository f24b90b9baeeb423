# shellcheck shell=bash
# tenantd_common.bash - sourced by the tenantd*.sh scenarios: starts examples/tenantd on a free port and
# ends it, with its recount looked at.
set -u
# shellcheck source=tests/scenario/eventually.bash
. "$REPO/tests/scenario/eventually.bash"
scenario=$(basename "$0" .sh)
tenantd=$BUILD/examples/tenantd
[ -x "$tenantd" ] || {
	echo "skipped: $BUILD has no examples/tenantd"
	exit 77
}
[ -x /usr/bin/python3 ] || {
	echo "skipped: no python3"
	exit 77
}
work=$(mktemp -d)
cd "$work" || exit 1
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$REPO/tests/scenario
children=()
trap '[ ${#children[@]} -eq 0 ] || { kill -9 "${children[@]}"; wait; } 2>/dev/null; rm -rf "$work"' EXIT

fail() {
	echo "$scenario: $*" >&2
	[ ! -s tenantd.log ] || tail -n 40 tenantd.log >&2
	exit 1
}

says_port() {
	grep -q '^tenantd: .*:[0-9]*, ' tenantd.log
}

# start OPTIONS... - sets $port and $server.
start() {
	: >tenantd.log
	"$tenantd" --port 0 "$@" >tenantd.log 2>&1 &
	server=$!
	children+=("$server")
	eventually says_port || fail "tenantd does not start"
	# shellcheck disable=SC2034 # for who sources this
	port=$(sed -n 's/^tenantd: .*:\([0-9]*\), .*/\1/p' tenantd.log)
}

# It ends by itself when it is told, and every byte it has belongs to somebody.
stop() {
	kill -TERM "$server"
	wait "$server"
	local status=$?
	[ $status -eq 0 ] || fail "tenantd ended with $status"
	grep -q '^recount: closed' tenantd.log || fail "no recount closed"
}
