#!/usr/bin/env bash
# What README.md and the pages of docs/ show works: every block of C is a program that is built and run,
# every block of shell is run or says why not; and what they name is there (names.py).
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -u
cd "$REPO" || exit 1
failed=0

fail() {
	echo "$1" >&2
	failed=1
}

python3 tests/scenario/names.py "$REPO" || fail "names: see above"
# What is made from tables has no blocks of its own; decisions are of their day.
python3 tests/scenario/blocks.py "$REPO" "$BUILD" README.md docs/*.md || fail "blocks: see above"

# The two would see it: a program that ends with 1, a reason that is missing, a link to nowhere.
bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT
cp -r include "$bad/"
mkdir "$bad/examples"
printf '```c\nint main(void)\n{\n\treturn 1;\n}\n```\n' >"$bad/program.md"
printf '<!-- not run: -->\n\n    false\n' >"$bad/reason.md"
printf '<!-- status 3 -->\n\n    exit 3\n\ntext\n\n    true\n' >"$bad/good.md"
for page in program reason; do
	python3 tests/scenario/blocks.py "$bad" "$BUILD" "$page.md" >/dev/null 2>&1 && fail "$page.md passes"
done
python3 tests/scenario/blocks.py "$bad" "$BUILD" good.md >"$bad/said" 2>&1 || fail "good.md: $(cat "$bad/said")"
grep -qx '2 blocks' "$bad/said" || fail "good.md: $(cat "$bad/said")"
exit "$failed"
