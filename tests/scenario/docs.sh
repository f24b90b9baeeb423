#!/usr/bin/env bash
# The documents that are made from tables of the source say what those say now.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -u
cd "$REPO" || exit 1
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
failed=0

fail() {
	echo "$1" >&2
	failed=1
}

scripts/docs "$fresh" || exit 1
for file in man/memcg-files.5 docs/files.md; do
	[ "$(wc -l <"$fresh/$file")" -gt 100 ] || fail "$file: as good as empty"
	diff -u "$file" "$fresh/$file" >&2 || fail "$file is stale: run make docs"
done

# Every file of the table has its place, and the page is one that man can show.
while read -r name; do
	grep -qxF "### $name" docs/files.md || fail "$name is not in docs/files.md"
done < <(sed -n 's/^\t{"\([a-z.]*\)", .*/\1/p' src/ctl/file_table.c)
# Of the kernel's lines of memory.stat those stay 0 that nothing fills in, and no others.
said=$(sed -n '/^## Lines that read 0/,/^## Not/p' docs/files.md | grep -oE '\b[a-z_0-9]+[,.]' | tr -d ',.' |
	grep -xFf <(grep -oE 'X\([a-z_]+\)' src/group/stat_lines.h | sed 's/X(//; s/)//') | LC_ALL=C sort)
kernels=$(sed -n '/STAT_LINES_KERNEL/,/[^\\]$/p' src/group/stat_lines.h | grep -oE 'X\([a-z_]+\)' |
	sed 's/X(//; s/)//' | LC_ALL=C sort)
filled=$(grep -oE '(s->|^[[:space:]]+\.)[a-z_]+ = ' src/group/stat.c | grep -oE '[a-z_]{2,}' | LC_ALL=C sort -u)
[ "$said" = "$(comm -23 <(echo "$kernels") <(echo "$filled"))" ] ||
	fail "lines that read 0: $(diff <(echo "$said") <(comm -23 <(echo "$kernels") <(echo "$filled")) | grep '[<>]')"
if command -v groff >/dev/null; then
	said=$(groff -man -Tutf8 -ww -z man/memcg-files.5 2>&1)
	[ -z "$said" ] || fail "groff: $said"
fi
exit "$failed"
