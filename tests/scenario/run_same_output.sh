#!/usr/bin/env bash
# Unmodified programs do under memcg run what they do without: output, errors, status and
# files are the same to the byte, and the recount closes.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
tested=0

# same NAME COMMAND... - input, if any, is in ./input.
same() {
	local name=$1 plain status
	shift
	command -v "$1" >/dev/null || {
		echo "$name: $1 is not installed, left out"
		return 0
	}
	: >>input
	"$@" <input >plain.out 2>plain.err
	plain=$?
	held -- "$@" <input >held.out 2>held.err
	status=$?
	[ $status -eq $plain ] || fail "$name: status $status, without $plain: $(cat held.err)"
	cmp plain.out held.out || fail "$name: output differs"
	cmp plain.err held.err || fail "$name: errors differ: $(cat held.err)"
	# The shell leaves by _exit: nothing to close.
	[ "$1" = sh ] || recount_closed "$name"
	rm -f input
	tested=$((tested + 1))
}

find /usr/share /usr/lib -printf '%s\t%p\n' 2>/dev/null | head -n 30000 >files

cat >input <<'SQL'
create table f(size integer, path text);
.mode tabs
.import files f
create index by_size on f(size);
create index by_path on f(path);
select count(*), sum(size), max(length(path)) from f;
select path from f order by size desc, path limit 100;
select substr(path, 1, 12) as d, count(*) from f group by d order by 2 desc, 1 limit 50;
SQL
same sqlite3 sqlite3 -batch :memory:

cat >script.lua <<'LUA'
local sizes, names = {}, {}
for line in io.lines("files") do
	local size, path = line:match("^(%d+)\t(.*)$")
	if size then
		local dir = path:match("^(.*)/") or ""
		sizes[dir] = (sizes[dir] or 0) + tonumber(size)
		names[#names + 1] = path:upper()
	end
end
table.sort(names)
local dirs = {}
for dir in pairs(sizes) do dirs[#dirs + 1] = dir end
table.sort(dirs)
for _, dir in ipairs(dirs) do print(dir, sizes[dir]) end
print(#names, table.concat(names, ","):sub(1, 1000))
LUA
same lua lua5.4 script.lua

cat >script.py <<'PYTHON'
import collections, json, re, threading
by = collections.defaultdict(list)
with open("files", errors="surrogateescape") as f:
    for line in f:
        size, path = line.rstrip("\n").split("\t", 1)
        by[path.rsplit("/", 1)[0]].append((int(size), path))
results = [None] * 4
def work(i):
    results[i] = sum(len(json.dumps(v, ensure_ascii=True)) for k, v in list(by.items())[i::4])
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(len(by), results, len(re.findall("lib", " ".join(by))))
for d in sorted(by)[:200]:
    print(ascii(d), max(by[d])[0])
PYTHON
same python3 /usr/bin/python3 script.py

cat >script.pl <<'PERL'
my (%n, @all);
open my $f, '<', 'files' or die;
while (<$f>) { chomp; my ($s, $p) = split /\t/, $_, 2; push @all, $p; $n{$1} += $s while $p =~ m{([^/]+)/}g }
print "$_ $n{$_}\n" for sort keys %n;
print scalar(@all), " ", join(",", sort { $b cmp $a } @all) =~ tr/a//, "\n";
PERL
same perl perl script.pl

# A build: the driver, the compiler, the assembler, each a process.
for i in $(seq 400); do
	echo "struct s$i { int a[$i]; }; int f$i(struct s$i *s, int n) { int t = 0; for (int i = 0; i < n; i++) t += s->a[i % $i] * n; return t; }"
done >source.c
same gcc gcc -O2 -c source.c -o object.o
gcc -O2 -c source.c -o plain.o && held -- gcc -O2 -c source.c -o held.o && cmp plain.o held.o ||
	fail "gcc: object files differ"
[ "$(grep -c '^  ended: ' report)" -ge 3 ] || fail "gcc: its parts have no sections: $(cat report)"

if command -v git >/dev/null; then
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_PAGER=cat
	export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
	git init -q tree
	for i in 1 2 3 4 5 6; do
		head -n $((i * 1000)) files >tree/list
		git -C tree add list && git -C tree commit -qm "commit $i"
	done
	same git git -C tree log --stat -p
fi
mkdir -p packed && split -l 500 files packed/part
same tar tar --sort=name -cf - packed
same node node --version
same node-script node -e 'const a = []; for (let i = 0; i < 200000; i++) a.push({i, s: "x" + i});
	console.log(a.length, JSON.stringify(a).length)'
# A program that fails keeps its words and its status; so does one that a signal ends.
same failure sh -c 'echo out; echo err >&2; exit 42'
same closed sh -c 'exec 0<&- 1>&- 2>&-; exit 7'
# shellcheck disable=SC2016 # the shell that is run expands it
held -- sh -c 'kill -KILL $$'
[ $? -eq 137 ] || fail "a killed program: not 137"
[ $tested -ge 3 ] || fail "only $tested programs are installed"
exit 0
