#!/usr/bin/env bash
# What cannot be done is refused with one line and its status, before anything is started.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"

# refused STATUS TEXT ARGUMENTS... - one line on standard error that holds TEXT, nothing else.
refused() {
	local status=$1 text=$2
	shift 2
	"$memcg" "$@" >out 2>err
	local got=$?
	[ $got -eq "$status" ] || fail "memcg $*: status $got, not $status: $(cat err)"
	[ "$(wc -l <err)" -eq 1 ] || fail "memcg $*: not one line: $(cat err)"
	[ ! -s out ] || fail "memcg $*: it wrote to standard output: $(cat out)"
	grep -qF -- "$text" err || fail "memcg $*: '$(cat err)' does not say '$text'"
	[ ! -e started ] || fail "memcg $*: the program was started"
}

# ---- wrong use: 2 ----
for size in 64Q 1.5M 64KB -1 +1 '' ' 1' 1e6 0x10 18446744073709551616 16777216T MAX K; do
	refused 2 "memcg run: --max: '$size' is not a size (want bytes, or a number with K, M, G or T, or max)" \
		run --max "$size" -- touch started
	refused 2 "memcg run: --high: '$size' is not a size" run "--high=$size" -- touch started
done
refused 2 "--max: its value is missing" run --max
refused 2 "--report: its value is missing" run --report
refused 2 "--report: the name of the file is empty" run --report '' -- touch started
refused 2 "--group-by: 'user' is not a way to group (want none, thread, thread-name or object)" run --group-by user -- touch started
refused 2 "--top: 'many' is not a number of groups" run --top=many -- touch started
refused 2 "--top: '0' is not a number of groups" run --top 0 -- touch started
refused 2 "--rules: names of what? (want --group-by" run --rules /dev/null -- touch started
refused 2 "--rules: the name of the file is empty" run --group-by object --rules '' -- touch started
refused 2 "--quiet takes no value" run --quiet=yes -- touch started
refused 2 "--frobnicate is not an option" run --frobnicate -- touch started
refused 2 "-m is not an option" run -m 4K -- touch started
refused 2 "no program is named" run
refused 2 "no program is named" run --max 1G --
refused 2 "'frobnicate' is not a command" frobnicate
refused 2 "'frobnicate' is not a command" help frobnicate

# ---- the program: 126, 127 ----
refused 127 "'no-such-program' was not found" run no-such-program
refused 127 "'./no-such-program' was not found" run -- ./no-such-program
refused 127 "'' was not found" run ''
echo text >plain
refused 126 "'./plain' cannot be executed: Permission denied" run ./plain
refused 126 "'/' cannot be executed" run /
printf '\177ELF and then nothing' >broken
chmod +x broken
refused 126 "'./broken' is no program: its ELF headers are cut short" run ./broken
head -c 2000 /bin/true >broken
refused 126 "'./broken' is no program: its ELF headers are cut short" run ./broken
printf '#!/no/such/interpreter\n' >broken
refused 127 "'./broken' needs /no/such/interpreter" run ./broken
printf '#!%s/broken\n' "$work" >broken
refused 126 "more than 4 interpreters" run ./broken

# ---- programs that no library can be preloaded into: 125 ----
if echo 'int main(void) { return 0; }' | gcc -static -x c - -o static 2>/dev/null; then
	refused 125 "'./static' is statically linked" run ./static
	printf '#!%s/static\n' "$work" >script
	chmod +x script
	refused 125 "$work/static' is statically linked" run ./script
fi
if echo 'int main(void) { return 0; }' | gcc -fsanitize=address -x c - -o sanitized 2>/dev/null; then
	refused 125 "'./sanitized' is built with a sanitizer" run ./sanitized
fi
if echo 'int main(void) { return 0; }' | gcc -x c - -o libc -Wl,-dynamic-linker,/lib/ld-musl-x86_64.so.1; then
	refused 125 "'./libc' is loaded by /lib/ld-musl-x86_64.so.1, of another C library" run ./libc
fi
cp "$(command -v touch)" privileged
chmod u+s privileged
refused 125 "'./privileged' runs with privileges of its own" run -- ./privileged started
chmod u-s,g+s privileged
refused 125 "'./privileged' runs with privileges of its own" run -- ./privileged started
chmod g-s privileged
if setcap cap_net_bind_service+ep privileged 2>/dev/null; then
	refused 125 "'./privileged' runs with privileges of its own" run -- ./privileged started
fi
cp "$(command -v touch)" foreign
printf '\002' | dd of=foreign bs=1 seek=18 conv=notrunc 2>/dev/null # e_machine: SPARC
refused 125 "'./foreign' is built for another machine" run ./foreign started

# ---- ours: 125 ----
refused 125 "--report: '/no/such/directory/report' cannot be written" \
	run --report /no/such/directory/report -- touch started
refused 125 "--report: '/' cannot be written" run --report / -- touch started
mkdir alone && cp "$memcg" alone/memcg
if LD_LIBRARY_PATH=$BUILD alone/memcg --version >/dev/null; then
	LD_LIBRARY_PATH=$BUILD alone/memcg run -- touch started >out 2>err
	[ $? -eq 125 ] || fail "without the library: $(cat err)"
	grep -q 'libmemcg-preload.so is neither' err || fail "without the library: $(cat err)"
	[ ! -e started ] || fail "started without the library"
fi
refused 125 "--max 4K is below what 'touch' needs to start" run --max 4K -- touch started
refused 125 "--max 0 is below what 'touch' needs to start" run --max 0 --report report -- touch started
refused 125 "--max 200K is below what 'touch' needs to start" run --max 200K -- touch started
refused 125 "--max 70000 is below what 'touch' needs to start" run --max 70000 -- touch started
[ ! -e report ] || fail "a report was left of a program that never started"

# A report that stood there stays when nothing was run.
echo kept >report
refused 127 "was not found" run --report report -- no-such-program
[ "$(cat report)" = kept ] || fail "a refused run emptied the report"

# Enough to load, too little to start: its own words, and one line of ours.
if [ -x /usr/bin/python3 ]; then
	held --max 600K -- /usr/bin/python3 -c pass 2>err
	[ $? -ne 0 ] || fail "python3 starts in 600K"
	[ "$(grep -c "^memcg run: --max 600K refused '/usr/bin/python3' memory, and it ended after [0-9]* ms\$" err)" -eq 1 ] ||
		fail "600K: $(cat err)"
	# It was at its work, and somebody ended it: nothing is said of a start.
	held --max 12M -- /usr/bin/python3 -c 'import os, signal
x = []
try:
	while True: x.append(bytearray(100000))
except MemoryError:
	os.kill(os.getpid(), signal.SIGTERM)' 2>err
	[ $? -eq 143 ] && ! grep -q start err || fail "12M: $(cat err)"
	held --max 64M -- /usr/bin/python3 -c 'raise SystemExit(3)' 2>err
	[ ! -s err ] || fail "a failure of its own is blamed on the limit: $(cat err)"
	held --max 64M -- /usr/bin/python3 -c 'x = bytearray(100 << 20)' 2>err
	! grep -q 'memcg run:' err || fail "a refusal at work is blamed on the start: $(cat err)"
fi

# A malloc of its own: a warning, and on it goes.
if echo 'void *malloc(unsigned long n) { (void)n; return 0; } int main(void) { return 5; }' |
	gcc -fno-builtin -Wl,-E -x c - -o own-malloc; then
	held ./own-malloc 2>err
	[ $? -eq 5 ] || fail "own malloc: it did not run: $(cat err)"
	[ "$(grep -c "warning: './own-malloc' defines malloc itself" err)" -eq 1 ] || fail "own malloc: $(cat err)"
fi
exit 0
