#!/usr/bin/env bash
# Completion in bash: commands, options, and what the processes there are have.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/tool_common.bash
. "$REPO/tests/scenario/tool_common.bash"
[ -x "$BUILD/examples/tenantd" ] || {
	echo "skipped: $BUILD has no examples/tenantd"
	exit 77
}
# shellcheck source=completions/memcg.bash
. "$REPO/completions/memcg.bash"

# completes EXPECTED WORD... - the last word becomes one of those (blanks between).
completes() {
	local expected=$1
	shift
	COMP_WORDS=("$memcg" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_memcg
	[ "${COMPREPLY[*]}" = "$expected" ] || fail "'$*' gives '${COMPREPLY[*]}', not '$expected'"
}

complete -p memcg | grep -q _memcg || fail "nothing is registered"
completes 'mkdir mount move' m
completes 'tree' tr
completes '--depth' tree --d
completes '--group-by' run --g
completes 'thread thread-name' run --group-by th
completes 'current,peak' tree -c current,pe
completes 'memory.max' get / memory.ma
completes 'max=' set / ma
completes '' get /nobody # nobody is there to ask

serve --threads 1
"$memcg" mkdir --parents /web/a '/web/b c' || fail mkdir
completes "$server" tree -p ''
completes '/web /web/a /web/b\ c' tree /w
completes '/web/b\ c' rmdir '/web/b'
completes '/web/a' get -p "$server" /web/a
completes '' get -p 1 /web/a

# Every command, every file, every option has its place.
for command in $("$memcg" help | sed -n 's/^  \([a-z]*\) .*/\1/p' | grep -v memcg); do
	[[ " $_memcg_commands " == *" $command "* ]] || fail "$command is not completed"
	"$memcg" help "$command" 2>/dev/null | sed -nE 's/^ +(-[a-z], +|)(--[a-z-]+).*/\2/p' | while read -r option; do
		[[ " $(_memcg_options "$command") " == *" $option "* ]] ||
			[[ " top mount export check " == *" $command "* ]] ||
			echo "$command $option"
	done
done >left
[ ! -s left ] || fail "not completed: $(cat left)"
while read -r file; do
	[[ " $(echo $_memcg_files) " == *" $file "* ]] || fail "$file is not completed"
done < <(sed -n 's/^### \([a-z]*\.[a-z_.]*\)$/\1/p' "$REPO/docs/files.md")
exit 0
