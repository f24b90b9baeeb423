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
if command -v groff >/dev/null; then
	said=$(groff -man -Tutf8 -ww -z man/memcg-files.5 2>&1)
	[ -z "$said" ] || fail "groff: $said"
fi
exit "$failed"
