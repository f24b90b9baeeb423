#!/usr/bin/env bash
# The program in the README is examples/hello.c, and builds against an installed library by the
# command the README gives: shared, then static.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
fail() {
	echo "readme: $*" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$REPO/README.md" >hello.c
cmp hello.c "$REPO/examples/hello.c" || fail "the program in README.md is not examples/hello.c"

DESTDIR=$work/stage meson install -C "$BUILD" --no-rebuild >install.log 2>&1 || {
	cat install.log >&2
	fail "meson install failed"
}
pc=$(find stage -name libmemcg.pc)
[ -n "$pc" ] || fail "nothing installed libmemcg.pc"
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=$work/$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/stage
# Not quoted: these are lists of options.
# shellcheck disable=SC2046
gcc -Wall -Wextra -Werror hello.c $(pkg-config --cflags --libs libmemcg) -o hello-shared
# shellcheck disable=SC2046
gcc -Wall -Wextra -Werror hello.c $(pkg-config --cflags libmemcg) "$lib/libmemcg.a" -pthread -o hello-static

for program in hello-shared hello-static; do
	LD_LIBRARY_PATH=$work/$lib "./$program" >out || fail "$program ended with $?"
	# 16 MiB of blocks of 1000 bytes: somewhat under 16777, whatever the class they fall in.
	read -r blocks _ _ why <out
	[ "$blocks" -gt 12000 ] && [ "$blocks" -le 16777 ] || fail "$program: $blocks blocks in 16 MiB"
	[ "$why" = ENOMEM ] || fail "$program: the refusal is $why, not ENOMEM"
	current=$(sed -n 's/^memory.current //p' out)
	[ "$current" -le 16777216 ] || fail "$program: memory.current $current is over the limit"
	[ "$current" -ge $((blocks * 1000)) ] || fail "$program: memory.current $current < $blocks blocks"
done

for file in libmemcg.so.0 libmemcg-preload.so; do
	[ -e "$lib/$file" ] || fail "$file was not installed"
done
[ -x stage/usr/local/bin/memcg ] || fail "memcg was not installed"
