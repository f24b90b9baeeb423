#!/usr/bin/env bash
# Every public function has a page in section 3, made from its header, every setting of the environment
# is in memcg(7), and every page is one that mandoc has nothing to say against. A function without a
# comment is refused.
: "${REPO:?the source tree}"
set -u
cd "$REPO" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
	echo "$1" >&2
	failed=1
}

tools/docs/man3 "$work" || exit 1
mapfile -t exported < <(awk '/^MEMCG_PRIVATE/ { exit } /^\t?memcg_[a-z0-9_]+;/ { gsub(/[\t;]/, ""); print }' \
	src/lib/libmemcg.map)
[ "${#exported[@]}" -gt 100 ] || fail "only ${#exported[@]} functions are exported?"
for name in "${exported[@]}"; do
	page=$work/man3/$name.3
	# In its page: its name, and a prototype.
	{ grep -A1 '^\.SH NAME' "$page" | grep -qw -- "$name" &&
		sed -n '/^\.SH SYNOPSIS/,/^\.SH DESC/p' "$page" | grep -q "\b$name("; } || fail "$name has no page"
done

# What a page of ours names as another of ours is there.
for page in "$work"/man3/*.3 man/*.[157]; do
	while read -r other; do
		[ -e "$work/man3/$other.3" ] || fail "$(basename "$page") names $other(3)"
	done < <(grep -ohE '^\.BR (memcg_[a-z0-9_]+) \(3\)' "$page" | cut -d' ' -f2)
done
while read -r variable; do
	grep -qw "$variable" man/memcg.7 || fail "memcg(7) does not know $variable"
done < <(sed -n 's/^\t{"\(MEMCG_[A-Z_]*\)", .*/\1/p' src/ctl/conf.c)

# A copy of the tree, in which one function has lost its comment.
mkdir -p "$work/tree/tools/docs" "$work/tree/include"
cp tools/docs/man3 "$work/tree/tools/docs/"
cp -r include/memcg "$work/tree/include/"
"$work/tree/tools/docs/man3" --list >/dev/null || fail "man3 refuses a copy of the tree"
sed -i '/^\/\*\* The root\. Borrowed/d' "$work/tree/include/memcg/group.h"
"$work/tree/tools/docs/man3" --list >/dev/null 2>"$work/said" && fail "a function without a comment gets a page"
grep -q 'memcg_root has no comment' "$work/said" || fail "said of it: $(cat "$work/said")"

if command -v mandoc >/dev/null; then
	said=$(mandoc -Tlint -W warning man/*.[157] "$work"/man3/*.3 2>&1)
	[ -z "$said" ] || fail "$said"
else
	echo "no mandoc: pages were not looked at"
fi
exit "$failed"
