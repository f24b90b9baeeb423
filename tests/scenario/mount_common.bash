# shellcheck shell=bash
# mount_common.bash - sourced by the scenarios of memcg mount: a directory of their own, what FUSE says
# where it is closed, and a program with a control socket that does what it is told (src/tree.c).
set -u
# shellcheck source=tests/scenario/eventually.bash
. "$REPO/tests/scenario/eventually.bash"
memcg=$BUILD/memcg
[ -x "$BUILD/memcg-mount" ] && [ -x /usr/bin/python3 ] || {
	echo "skipped: $BUILD has no memcg-mount, or there is no python3"
	exit 77
}
work=$(mktemp -d)
cd "$work" || exit 1
export LC_ALL=C XDG_RUNTIME_DIR=$work
children=()
clean_up() {
	exec 3>&- 2>/dev/null
	[ ${#children[@]} -eq 0 ] || { kill -9 "${children[@]}"; wait; } 2>/dev/null
	cd / || exit 1
	grep -qs " $work/m fuse" /proc/mounts && { umount -l "$work/m" || fusermount3 -uz "$work/m"; } 2>/dev/null
	rm -rf --one-file-system "$work"
}
trap clean_up EXIT
mkdir m

fail() {
	echo "$(basename "$0" .sh): $*" >&2
	cat "$work"/*.err >&2 2>/dev/null
	exit 1
}

mounted() {
	grep -qs " $work/m fuse.memcg " /proc/mounts
}
unmounted() {
	! grep -qs " $work/m " /proc/mounts
}

# Descriptor 3 is the program's input: a daemon that had it would keep it open.
mount_it() { # ARGUMENT...
	"$memcg" mount "$@" 3>&- 2>mount.err || {
		[ $? -eq 125 ] && grep -q 'CAP_SYS_ADMIN\|fusermount3' mount.err || fail "memcg mount $*"
		echo "skipped: nothing can be mounted here: $(tail -n 1 mount.err)"
		exit 77
	}
}

if ! (: <>/dev/fuse) 2>/dev/null; then
	"$memcg" mount m 2>mount.err
	[ $? -eq 125 ] || fail "without /dev/fuse: not status 125"
	grep -q '^memcg mount: /dev/fuse: .*(--device /dev/fuse)' mount.err || fail "it does not say what to do"
	echo "skipped: /dev/fuse is closed"
	exit 77
fi

# gives ERROR COMMAND... - it fails, with this in its message.
gives() {
	local error=$1
	shift
	! "$@" >"$work/out" 2>"$work/gives.err" || fail "'$*' works: $(cat "$work/out")"
	grep -q -- "$error" "$work/gives.err" || fail "'$*' does not say '$error': $(cat "$work/gives.err")"
}
# writes FILE TEXT - in a shell of its own, whose error is the message.
writes() {
	bash -c 'echo "$1" >"$0"' "$@"
}
is() { # FILE TEXT
	[ "$(cat "$1")" = "$2" ] || fail "$1 is '$(cat "$1")', not '$2'"
}

# shellcheck source=tests/scenario/tree.bash
. "$REPO/tests/scenario/tree.bash"
