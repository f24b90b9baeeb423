#!/usr/bin/env bash
# The programs in the README are examples/hello.c and examples/ranges.c, and build against an
# installed library by the command the README gives: shared, then static.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
fail() {
	echo "readme: $*" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

programs=(hello ranges)
awk '/^```c$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print >("block" n) }' "$REPO/README.md"
[ -e "block${#programs[@]}" ] && [ ! -e "block$((${#programs[@]} + 1))" ] ||
	fail "README.md has other blocks of C than ${programs[*]}"
for i in "${!programs[@]}"; do
	name=${programs[i]}
	mv "block$((i + 1))" "$name.c"
	cmp "$name.c" "$REPO/examples/$name.c" || fail "a program in README.md is not examples/$name.c"
done

DESTDIR=$work/stage meson install -C "$BUILD" --no-rebuild >install.log 2>&1 || {
	cat install.log >&2
	fail "meson install failed"
}
pc=$(find stage -name libmemcg.pc)
[ -n "$pc" ] || fail "nothing installed libmemcg.pc"
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=$work/$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/stage
for name in "${programs[@]}"; do
	# Not quoted: these are lists of options.
	# shellcheck disable=SC2046
	gcc -Wall -Wextra -Werror "$name.c" $(pkg-config --cflags --libs libmemcg) -o "$name-shared"
	# shellcheck disable=SC2046
	gcc -Wall -Wextra -Werror "$name.c" $(pkg-config --cflags libmemcg) "$lib/libmemcg.a" -pthread -o "$name-static"
done

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

for program in ranges-shared ranges-static; do
	status=0
	LD_LIBRARY_PATH=$work/$lib "./$program" >out 2>err || status=$?
	if grep -q 'userfaultfd is refused' err; then
		continue # the README says so: then it must be pinned
	fi
	[ $status -eq 0 ] || fail "$program ended with $status"
	grep -q '^8192 pages, 0 wrong; ' out || fail "$program: $(cat out)"
	# Half of it is in memory at most: 16 MiB of 32, and a fault may go past by a 64th.
	[ "$(sed -n 's/.*memory.swap.current //p' out)" -ge $((15 << 20)) ] || fail "$program: $(cat out)"
done

for file in libmemcg.so.0 libmemcg-preload.so; do
	[ -e "$lib/$file" ] || fail "$file was not installed"
done
man=$(find stage -path '*/man7/memcg.7')
for page in memcg_create memcg_free_sized; do
	[ -s "$(dirname "$(dirname "$man")")/man3/$page.3" ] || fail "$page(3) was not installed"
done
[ -x stage/usr/local/bin/memcg ] || fail "memcg was not installed"
