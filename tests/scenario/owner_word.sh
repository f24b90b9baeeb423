#!/usr/bin/env bash
# owner_word - what the helpers of the owner word cost and that nobody goes past them.
#
# page_objcg must be the instructions of a raw load and mask, compiled with the library's own
# flags, and two of them in a row those of one: no ordering is paid by who holds the binding.
# page_objcgs_check must load each time it is called. tools/check-owner passes this
# tree, and finds an offence of each sort in a tree made for it.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
# shellcheck source=tests/scenario/compile.bash
. "$REPO/tests/scenario/compile.bash"

for need in objdump python3; do
	command -v "$need" >/dev/null || {
		echo "no $need"
		exit 77
	}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/word.c" <<'END'
#include "page/owner.h"

void *helper(const struct page *pg);
void *raw(const struct page *pg);
bool helper_twice(const struct page *pg);
bool raw_twice(const struct page *pg);
bool checked_twice(const struct page *pg);
bool helper_owned(const struct page *pg);
bool raw_owned(const struct page *pg);

void *helper(const struct page *pg)
{
	return page_objcg(pg);
}

void *raw(const struct page *pg)
{
	return (void *)(*(const u64 *)pg & ~7ul);
}

bool helper_twice(const struct page *pg)
{
	return page_objcg(pg) == page_objcg(pg);
}

bool raw_twice(const struct page *pg)
{
	return (*(const u64 *)pg & ~7ul) == (*(const u64 *)pg & ~7ul);
}

bool checked_twice(const struct page *pg)
{
	return page_objcgs_check(pg) == page_objcgs_check(pg);
}

bool helper_owned(const struct page *pg)
{
	return page_owned(pg);
}

bool raw_owned(const struct page *pg)
{
	return *(const u64 *)pg != 0;
}
END

compile_as_ours "$work/word" -fno-sanitize=all

# code NAME - its instructions, without addresses and the padding behind them
code() {
	objdump -d --no-show-raw-insn "$work/word.o" | awk -v want="<$1>:" '
		$2 == want { on = 1; next }
		/^$/ { on = 0 }
		on && !/\t(nop|xchg +%ax,%ax|cs nop|data16)/ { sub(/^ *[0-9a-f]+:\t/, ""); sub(/ +$/, ""); print }'
}

same() { # HELPER RAW
	code "$1" >"$work/a"
	code "$2" >"$work/b"
	[ -s "$work/a" ] && diff "$work/a" "$work/b" && return
	echo "owner_word: $1 is not $2"
	exit 1
}

same helper raw
same helper_twice raw_twice
same helper_owned raw_owned
loads=$(code checked_twice | grep -c '(%rdi)')
[ "$loads" -eq 2 ] || {
	echo "owner_word: two looks for a vector are $loads loads"
	exit 1
}

"$REPO/tools/check-owner" "$REPO"

# offence LINE - one C file with that line must be refused; with nothing else in the tree
offence() {
	printf '%s\n' "$1" >"$work/tree/src/page/other.c"
	if "$REPO/tools/check-owner" "$work/tree" >"$work/said" 2>&1; then
		echo "owner_word: check-owner lets pass: $1"
		exit 1
	fi
	grep -qF 'src/page/other.c:1:' "$work/said"
}

mkdir -p "$work/tree/src/page"
git -C "$work/tree" init -q
cp "$REPO/src/page/owner.h" "$REPO/src/page/desc.h" "$work/tree/src/page/"
printf '%s\n' 'void *d = memcg_data(cg); /* a public function */' >"$work/tree/src/page/other.c"
"$REPO/tools/check-owner" "$work/tree"
offence 'return pg->memcg_data;'
offence 'return page . memcg_data != 0;'
offence 'struct page p = {.memcg_data = 1};'
offence 'size_t at = offsetof(struct page, memcg_data);'
offence 'u64 address = word & ~MEMCG_DATA_MASK;'
