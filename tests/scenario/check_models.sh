#!/usr/bin/env bash
# check_models - tools/check-models passes this tree, and finds a function, a file and a table that
# are not there.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$REPO/models" "$work/models"
ln -s "$REPO/src" "$REPO/include" "$work"
readme=$work/models/README.md

finds() { # WORDS SED-SCRIPT
	cp "$REPO/models/README.md" "$readme"
	sed -i "$2" "$readme"
	! "$REPO/tools/check-models" "$work" >"$work/out" || {
		echo "check-models did not find: $1" >&2
		exit 1
	}
	grep -q "$1" "$work/out" || {
		cat "$work/out" >&2
		exit 1
	}
}

"$REPO/tools/check-models" "$REPO"
"$REPO/tools/check-models" "$work"
finds 'page_freese. is in none of' 's/`page_freeze` *|/`page_freese` |/; s/| `page_freeze`/| `page_freese`/; s/`page_free`,/`page_freese`,/'
finds 'there is no src/group/stocks.c' 's,src/group/stock\.c,src/group/stocks.c,'
finds 'no table for models/steal.pml' 's/^## steal\.pml/## stole.pml/'
