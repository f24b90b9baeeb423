# shellcheck shell=bash
# tree.bash - sourced by what has eventually.bash and fail: a program with a control socket that does
# what it is told (src/tree.c). One at a time; its orders go through descriptor 3.

tree() { # builds and starts it; says its pid in $program, and in children
	gcc -O1 -I "$REPO/include" "$REPO/tests/scenario/src/tree.c" -o tree -L "$BUILD" -lmemcg \
		-Wl,-rpath,"$BUILD" || fail "tree.c does not compile"
	rm -f orders answers
	mkfifo orders
	./tree <orders >answers 2>tree.err &
	program=$!
	children+=("$program")
	exec 3>orders
	said=1
	eventually heard || fail "the program does not serve"
	[ "$(tail -n 1 answers)" = ok ] || fail "memcg_serve: $(cat answers)"
}
heard() {
	[ "$(wc -l <answers)" -ge $said ]
}
order() { # VERB PATH [BYTES] - done when it is answered
	local IFS=$'\t'
	echo "$*" >&3
	said=$((said + 1))
	eventually heard || fail "no answer to: $*"
	[ "$(tail -n 1 answers)" = ok ] || fail "$*: $(tail -n 1 answers)"
}
