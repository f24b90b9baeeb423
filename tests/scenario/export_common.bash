# shellcheck shell=bash
# export_common.bash - sourced by the scenarios of memcg export: programs to look at, in a directory of
# their own, so that nobody else's are found.
# shellcheck disable=SC2034 # for the scenarios
set -u
# shellcheck source=tests/scenario/eventually.bash
. "$REPO/tests/scenario/eventually.bash"
memcg=$BUILD/memcg
exporter=$BUILD/memcg-export
[ -x "$exporter" ] || {
	echo "skipped: $BUILD has no memcg-export"
	exit 77
}
work=$(mktemp -d)
cd "$work" || exit 1
mkdir -m 700 runtime
export LC_ALL=C.UTF-8 XDG_RUNTIME_DIR=$work/runtime PYTHONDONTWRITEBYTECODE=1
children=()
trap '[ ${#children[@]} -eq 0 ] || { kill -9 "${children[@]}"; wait; } 2>/dev/null; rm -rf "$work"' EXIT

fail() {
	echo "$(basename "$0" .sh): $*" >&2
	cat "$work"/*.err >&2 2>/dev/null
	exit 1
}

scrape() {
	/usr/bin/python3 "$REPO/tests/scenario/scrape.py" "$@"
}

# tree NAME - tests/scenario/src/tree.c, told what to do by `order NAME`; its pid is in ${pid[NAME]}.
declare -A pid said
tree() {
	[ -x tree ] || gcc -O1 -I "$REPO/include" "$REPO/tests/scenario/src/tree.c" -o tree -L "$BUILD" -lmemcg \
		-Wl,-rpath,"$BUILD" || fail "tree.c does not compile"
	mkfifo "orders.$1"
	# Opened for both, so that neither side waits for the other.
	sleep infinity <>"orders.$1" &
	children+=($!)
	: >"answers.$1" # to be looked at from now on
	./tree <"orders.$1" >"answers.$1" 2>"tree.$1.err" &
	pid[$1]=$!
	children+=($!)
	said[$1]=1
	eventually heard "$1" || fail "$1 does not serve"
	[ "$(cat "answers.$1")" = ok ] || fail "memcg_serve: $(cat "answers.$1")"
}
heard() {
	[ "$(wc -l <"answers.$1")" -ge "${said[$1]}" ]
}
order() { # NAME ANSWER VERB ARGUMENT...
	local name=$1 answer=$2 IFS=$'\t'
	shift 2
	echo "$*" >"orders.$name"
	said[$name]=$((said[$name] + 1))
	eventually heard "$name" || fail "no answer to: $*"
	[ "$(tail -n 1 "answers.$name")" = "$answer" ] || fail "$*: $(tail -n 1 "answers.$name")"
}

# serve ARGUMENTS... - memcg export; its pid in $server, its address in $url.
serve() {
	: >url
	"$exporter" --listen 127.0.0.1:0 "$@" >url 2>export.err &
	server=$!
	children+=("$server")
	eventually test -s url || fail "memcg export does not say where it listens"
	url=$(cat url)
}

is() { # WHAT EXPECTED ACTUAL
	[ "$2" = "$3" ] || fail "$1: '$3', not '$2'"
}
get() { # PATH EXPECTED-STATUS-AND-HEADERS [METHOD [ACCEPT]]
	local path=$1 expected=$2
	shift 2
	is "${1:-GET} $path" "$expected" "$(scrape get "${url%/metrics}$path" "$@" 2>body)"
}
text='200 text/plain; version=0.0.4; charset=utf-8 -'
open='200 application/openmetrics-text; version=1.0.0; charset=utf-8 -'
shows() { # VALUE NAME LABEL... - at some scrape: those of the last 200 ms are one
	scrape get "$url" >status 2>body && scrape check prometheus body || fail "not the text format"
	[ "$(scrape value body "${@:2}" 2>/dev/null)" = "$1" ]
}
