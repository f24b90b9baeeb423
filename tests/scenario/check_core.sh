#!/usr/bin/env bash
# memcg check CORE: the same recount from a core dump; one that is cut short or damaged gives a line.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/check_common.bash
. "$REPO/tests/scenario/check_common.bash"

# take_core MODE: a dump in the file core. By the kernel where it writes to a file, else by gcore.
take_core() {
	rm -f core core.*
	ulimit -c unlimited 2>/dev/null || true
	start "$1"
	case $(cat /proc/sys/kernel/core_pattern) in
	core)
		kill -ABRT "$pid"
		wait "$pid" 2>/dev/null || true
		if ls core.* >core.list 2>/dev/null; then
			mv "$(head -n 1 core.list)" core
		fi
		;;
	esac
	[ -s core ] && return 0
	command -v gcore >/dev/null || {
		echo "$scenario: skipped: no core dump in a file, and no gcore" >&2
		exit 77
	}
	MEMCG_GUARDS=pages start "$1" # gdb before 18
	gcore -o core "$pid" >gcore.log 2>&1 || true
	[ -s "core.$pid" ] || {
		echo "$scenario: skipped: gcore gives no dump: $(tail -n 1 gcore.log)" >&2
		exit 77
	}
	mv "core.$pid" core
}

take_core quiet
check 0 ./core
has out '^recount: closed ([1-9][0-9]* bytes in 3 groups)'
has out '^    query-7 '
has out '^  stacks  *[1-9][0-9]* '
mv core good

take_core seeded
check 1 ./core
has out '^difference: handle [0-9]*, group /web: charged for'

size=$(stat -c %s good)
for length in 0 1 63 64 200 4096 $((size / 2)) $((size - 1)); do
	head -c "$length" good >short
	check 125 ./short
	one_line
done
has err 'short: it is truncated'

# Damage anywhere: any verdict will do, but a verdict.
damage() {
	cp good bad
	head -c "$2" /dev/urandom | dd of=bad bs=1 seek="$1" conv=notrunc status=none
	got=0
	timeout 60 "$BUILD/memcg" check ./bad >out 2>err || got=$?
	case $got in
	0 | 1) ;;
	125) one_line ;;
	*)
		cp bad "${TMPDIR:-/tmp}/check_core.bad"
		fail "damage of $2 bytes at $1: status $got (kept in ${TMPDIR:-/tmp}/check_core.bad)"
		;;
	esac
}
for i in $(seq 12); do
	damage $((RANDOM % 4096)) $((i * 8))
	damage $((RANDOM * 32768 % size + RANDOM)) 4096
	damage $(((RANDOM * 32768 + RANDOM) % (size - 70000))) 65536
done
