# shellcheck shell=bash
# top_common.bash - sourced by the scenarios of memcg top: a terminal of a known size (tmux, its server our
# own), what stands on it, keys; and a program with a control socket to look at.
set -u
# shellcheck source=tests/scenario/eventually.bash
. "$REPO/tests/scenario/eventually.bash"
top=$BUILD/memcg-top
[ -x "$top" ] || {
	echo "skipped: $BUILD has no memcg-top"
	exit 77
}
command -v tmux >/dev/null || {
	echo "skipped: no tmux"
	exit 77
}
work=$(mktemp -d)
opened=0
# A server that others use has other colours and another environment.
term() {
	TMUX='' TMUX_TMPDIR=$work tmux -L "top$opened" -f /dev/null "$@" 3>&-
}
clean_up() {
	term kill-server 2>/dev/null
	exec 3>&- 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
cd "$work" || exit 1
export XDG_RUNTIME_DIR=$work LC_ALL=C.UTF-8
unset NO_COLOR

fail() {
	echo "top: $*" >&2
	term capture-pane -p >&2 2>/dev/null
	cat "$work"/*.err >&2 2>/dev/null
	exit 1
}

quoted() {
	[ $# -eq 0 ] || printf '%q ' "$@"
}

# open WIDTH HEIGHT [VARIABLE=VALUE...] [ARGUMENT...] - memcg top on a new terminal; `status` is a file
# with how it ended, and whether the terminal echoes again.
open() {
	local width=$1 height=$2
	shift 2
	term kill-server 2>/dev/null
	# Another name each time: one that is about to end would still be asked.
	opened=$((opened + 1))
	rm -f status pid
	cat >start <<END
# ^C is for memcg top: a shell that ends by it says nothing.
trap : INT
cd '$work'
env $(quoted "$@") sh -c 'echo \$\$ >pid; exec "\$0" "\$@"' "$top" $(quoted "${arguments[@]}") 2>top.err
echo "\$? \$(stty -a | tr ' ;' '\n\n' | grep -c '^echo\$\|^icanon\$')" >status
exec cat
END
	term new-session -d -x "$width" -y "$height" "exec bash '$work/start'"
}
arguments=()

screen() {
	term capture-pane -p 2>/dev/null
}
shows() { # REGULAR-EXPRESSION
	screen | grep -qE -- "$1"
}
lacks() {
	! shows "$1"
}
sees() { # WHAT REGULAR-EXPRESSION
	eventually shows "$2" || fail "$1: no '$2' on the screen"
}
loses() {
	eventually lacks "$2" || fail "$1: '$2' stays on the screen"
}
keys() {
	term send-keys "$@"
}
# ends WHAT STATUS - it has ended so, and the terminal is as it was.
ends() {
	eventually exists status || fail "$1: it does not end"
	eventually test -s status
	[ "$(cat status)" = "$2 2" ] || fail "$1: status and settings of the terminal are '$(cat status)'"
	[ "$(term display-message -p '#{alternate_on}')" = 0 ] || fail "$1: the terminal is not given back"
}

# shellcheck source=tests/scenario/tree.bash
. "$REPO/tests/scenario/tree.bash"
