#!/usr/bin/env bash
# insn.sh [managed] - instructions of a malloc+free pair, or of mapping a page of managed memory and
# unmapping it, where time is too noisy to show one.
#
# Callgrind counts the whole program; two runs of different length, subtracted and divided by
# the difference, leave the pair: start-up and warm-up are in both. The loop around the pair is
# in every figure alike. Valgrind has no restartable sequences, so what runs under it is
# the portable back end; the sequences are counted in the disassembly instead, from the first
# instruction after the announcement to the commit.
set -eu
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
build=${BUILD:-build}
child=$build/memcg-bench-child
group=$build/memcg-bench-group
preload=$PWD/$build/libmemcg-preload.so
[[ $build != /* ]] || preload=$build/libmemcg-preload.so
short=20000
long=120000
most=4 # own pair over accounting off: what was promised
shared_most=30 # shared pair over own

for need in valgrind objdump readelf; do
	command -v "$need" >/dev/null || {
		echo "insn.sh: no $need; run scripts/install-deps bench build" >&2
		exit 77
	}
done
for file in "$child" "$group" "$preload"; do
	[ -e "$file" ] || {
		echo "insn.sh: $file is not built; run make" >&2
		exit 77
	}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count CASE OPS [NAME=VALUE...] - instructions of one run
count() {
	local name=$1 ops=$2
	shift 2
	# The child is told what malloc to expect: valgrind must not put its own in place.
	env ${preload:+LD_PRELOAD="$preload"} BENCH_EXPECT=libmemcg-preload.so MEMCG_PCPU=portable "$@" \
		valgrind --tool=callgrind --callgrind-out-file="$work/out" \
		"$child" "$name" "=$ops" >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		echo "insn.sh: $name under callgrind ended with $?" >&2
		exit 1
	}
	sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$work/out" | head -n 1
}

# pair CASE [NAME=VALUE...] - instructions a pair
pair() {
	local name=$1 a b
	shift
	a=$(count "$name" "$short" "$@")
	b=$(count "$name" "$long" "$@")
	awk -v a="$a" -v b="$b" -v n=$((long - short)) 'BEGIN { printf "%.1f\n", (b - a) / n }'
}

# Valgrind has no userfaultfd either: pages are mapped by mprotect, a run of 128 by one call of the
# system in either, which is not counted. What is: the library's own part.
mapping() {
	local short=4096 long=20480 on off
	on=$(pair managed/map/counted)
	off=$(pair managed/map/uncounted)
	printf '%-28s %8s %8s\n' "instructions of a page" counted not
	printf '%-28s %8s %8s\n' "map and unmap" "$on" "$off"
}

case ${1:-} in
managed)
	child=$group preload=
	mapping
	exit
	;;
'') ;;
*)
	echo "usage: bench/insn.sh [managed]" >&2
	exit 2
	;;
esac

status=0
printf '%-14s %8s %8s %12s %10s %12s %14s\n' "instructions" own shared unaccounted "own - off" "" "shared - own"
for size in 16 64 256 1024 2048; do
	own=$(pair "pair/$size")
	shared=$(pair "pair/$size" MEMCG_PROMOTE=0)
	off=$(pair "pair/$size" MEMCG_UNACCOUNTED=1)
	over=$(awk -v a="$own" -v b="$off" 'BEGIN { printf "%.1f", a - b }')
	verdict=met
	awk -v d="$over" -v m="$most" 'BEGIN { exit !(d > m) }' && verdict=missed status=1
	shared_over=$(awk -v a="$shared" -v b="$own" 'BEGIN { printf "%.1f", a - b }')
	shared_verdict=met
	awk -v d="$shared_over" -v m="$shared_most" 'BEGIN { exit !(d > m) }' && shared_verdict=missed
	printf '%-14s %8s %8s %12s %10s  <= %s %-7s %12s  <= %s %s\n' "pair/$size" "$own" "$shared" "$off" "$over" \
		"$most" "$verdict" "$shared_over" "$shared_most" "$shared_verdict"
done

# locked FUNCTION - atomic read-modify-writes in it; `xchg` with memory is locked without saying so.
locked() {
	objdump -d --no-show-raw-insn "$preload" | awk -v want="<$1>:" '
		$2 == want { on = 1; next }
		/^$/ { on = 0 }
		on && (/\tlock / || /\txchg .*\(/) { n++ }
		END { print n + 0 }'
}
for function in malloc free; do
	echo "atomic instructions in $function's fast path: $(locked $function)"
done

# Descriptors: 32 bytes each, relocated: version, flags, start, length, abort. The start
# is read from the relocations, the length from the section.
sequences() {
	local library=$1 section offset size
	section=$(readelf -SW "$library" | sed 's/^ *\[ *[0-9]*\]//' | awk '$1 == "__rseq_cs" { print $3, $4, $5 }')
	[ -n "$section" ] || return 0
	read -r address offset size <<<"$section"
	objdump -d --no-show-raw-insn "$library" >"$work/text"
	readelf -rW "$library" >"$work/relocations"
	for ((at = 0; at < 16#$size; at += 32)); do
		local where start length
		where=$(printf '%x' $((16#$address + at + 8)))
		start=$(awk -v w="$where" '{ sub(/^0+/, "", $1) } $1 == w { print $NF; exit }' "$work/relocations")
		[ -n "$start" ] || continue
		length=$(od -An -t u8 -j $((16#$offset + at + 16)) -N 8 "$library" | tr -d ' ')
		awk -v from=$((16#$start)) -v to=$((16#$start + length)) -v lib="$(basename "$library")" '
			function hex(s,  i, n) {
				n = 0
				for (i = 1; i <= length(s); i++)
					n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
				return n
			}
			/^[0-9a-f]+ <.*>:$/ { name = $2 }
			/^ *[0-9a-f]+:/ {
				here = $1
				sub(/:/, "", here)
				here = hex(here)
				if (here >= from && here < to) { n++; inside = name }
			}
			END { gsub(/[<>:]/, "", inside); printf "%s %s %d\n", lib, inside, n }' "$work/text"
	done
}
{
	sequences "$build/libmemcg.so"
	sequences "$preload"
} | awk '
	NR == 1 { print "instructions of restartable sequences, announcement to commit:" }
	{ printf "  %-24s %-28s %3d\n", $1, $2, $3 }
	END { if (!NR) print "no restartable sequences in this build" }'
exit $status
