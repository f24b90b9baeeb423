# For the preload_*.sh scenarios: compiling their programs and running them under the preload.
# shellcheck shell=bash disable=SC2034
set -eu
name=$(basename "$0" .sh)
preload=$BUILD/libmemcg-preload.so
src=$REPO/tests/scenario/src
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MEMCG_MAX MEMCG_HIGH MEMCG_REPORT MEMCG_GROUP_BY MEMCG_NO_CHILDREN MEMCG_SLOT

fail() {
	echo "$name: $*" >&2
	exit 1
}

build() { # PROGRAM [OPTION...] - $src/PROGRAM.c or .cc to $work/PROGRAM
	local program=$1
	shift
	if [ -e "$src/$program.cc" ]; then
		g++ -std=c++17 -O1 -Wall -Wextra "$src/$program.cc" -o "$work/$program" -pthread "$@"
	else
		gcc -O1 -Wall -Wextra -Wno-unused-result -I "$REPO/include" "$src/$program.c" \
			-o "$work/$program" -pthread "$@"
	fi
}

under() { # COMMAND... - with the preload; variables before it reach the command too
	timeout 120 env "LD_PRELOAD=$preload" "$@"
}
