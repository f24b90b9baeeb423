#!/usr/bin/env bash
# memcg mount with ordinary tools: what they list, read and write, errors they show, groups that come and
# go on either side, poll, one text for each reader; and the end of the program, or of the mount.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/mount_common.bash
. "$REPO/tests/scenario/mount_common.bash"

gives 'which directory' "$memcg" mount
gives 'must be a directory' "$memcg" mount none
gives 'no process is there' "$memcg" mount m
gives 'their owner only' "$memcg" mount -o allow_other m
"$memcg" mount --help | grep -q 'fusermount3 -u' || fail "the help does not say how to unmount"

tree
order group /web 100000
order group '/web/a b' 1000
order group /web/c 1000
mount_it m
mounted || fail "it came back before it was mounted"

# ---- listing ----
ls -lR m >ls.out || fail "ls -lR"
grep -q '^-rw------- .* 0 .* memory.max$' ls.out || fail "ls: no memory.max: $(cat ls.out)"
grep -q '^-r-------- .* memory.current$' ls.out || fail "ls: memory.current"
grep -q '^m/web/a b:$' ls.out || fail "ls: no /web/a b"
[ "$(stat -c '%A %s %h' m/web)" = 'drwx------ 0 4' ] || fail "stat: $(stat -c '%A %s %h' m/web)"
[ "$(stat -c %U m/web/memory.max)" = "$(id -un)" ] || fail "not ours"
[ "$(find m -type d | sort | tr '\n' ' ')" = 'm m/web m/web/a b m/web/c ' ] || fail "find: $(find m -type d)"
number=$(stat -c %i m/web/c)
[ "$(find m -inum "$number")" = m/web/c ] || fail "find -inum: $(find m -inum "$number")"
[ "$(find m -printf '%i\n' | sort | uniq -d | wc -l)" -eq 0 ] || fail "two have one number"

# ---- reading and writing ----
is m/web/memory.max max
echo 5M >m/web/memory.max || fail "echo >"
is m/web/memory.max 5242880
echo 6M >>m/web/memory.max || fail "echo >>"
echo 7M | tee m/web/memory.high m/web/c/memory.high >/dev/null || fail tee
is m/web/c/memory.high 7340032
[ "$(grep -r . --include=memory.high m | wc -l)" -eq 4 ] || fail "grep -r"
grep -qx 'm/web/memory.max:6291456' <(grep -r . --include=memory.max m) || fail "grep -r: memory.max"
cp m/web/memory.stat copy && [ "$(grep -c . copy)" -gt 20 ] || fail "cp from it"
echo max >limit
cp limit m/web/memory.max || fail "cp to it"
is m/web/memory.max max
dd if=m/web/memory.stat of=copy2 bs=7 status=none && [ "$(wc -l <copy2)" -eq "$(wc -l <copy)" ] ||
	fail "what is read in pieces is not whole"
"$memcg" get /web memory.high >get.out && [ "$(cat get.out)" = "$(cat m/web/memory.high)" ] || fail "not what memcg get says: $(cat get.out)"

# One text for each reader, from the beginning a new one.
exec 4<m/web/memory.max
IFS= read -r -n 1 -u 4 first
writes m/web/memory.max 1234567890
IFS= read -r -u 4 rest
[ "$first$rest" = max ] || fail "a reader in pieces has two texts: '$first$rest'"
exec 4<&-

# ---- errors are the library's ----
gives 'Invalid argument' writes m/web/memory.max much
gives 'No such file' cat m/none
gives 'File exists' mkdir m/web
gives 'busy' rmdir m/web
gives 'Operation not permitted' mv m/web m/web2
gives 'Operation not permitted' rm m/web/memory.max
gives 'Permission denied' touch m/new
gives 'Operation not permitted' ln -s a m/link
gives 'Operation not permitted' chmod 777 m/web
gives 'Not a directory' rmdir m/web/memory.max
touch m/web/memory.max || fail "touch of what is there"
writes m/web/cgroup.max.descendants 2
gives 'Resource temporarily unavailable' mkdir m/web/more
writes m/web/cgroup.max.descendants max

# ---- groups come and go ----
mkdir -p m/job/one/two || fail "mkdir -p"
"$memcg" tree /job | grep -q two || fail "mkdir made no group"
rmdir m/job/one/two m/job/one m/job || fail "rmdir"
! exists m/job || fail "rmdir leaves a name"
order group /late 5000
eventually exists m/late/memory.current || fail "a group of the program's does not come"
exec 4<m/late/memory.current
order remove /late
gone() { ! exists m/late; }
eventually gone || fail "a group that went is there"
gives 'No such device' cat <&4
order group /late 5000
eventually exists m/late || fail "it does not come again"
gives 'No such device' cat <&4
exec 4<&-
[ "$(stat -c %i m/web/c)" = "$number" ] || fail "a number changed"

# ---- poll ----
cat >poll.py <<'END'
import os, select
fd = os.open("m/web/c/memory.events", os.O_RDONLY)
text = os.read(fd, 4096)
poll = select.poll()
poll.register(fd, select.POLLPRI)
assert poll.poll(0) == [], "told before anything happened"
open("polling", "w").close()
assert poll.poll(120000) == [(fd, select.POLLPRI | select.POLLERR)], "not told"
new = os.pread(fd, 4096, 0)
assert new != text and b"max 0" not in new, new
assert poll.poll(0) == [], "told again"
open("polled", "w").close()
assert poll.poll(120000), "not told of the end"
try:
    os.pread(fd, 4096, 0)
except OSError as e:
    os._exit(0 if e.errno == 19 else 1)
os._exit(2)
END
/usr/bin/python3 poll.py 2>poll.err 3>&- &
poller=$!
children+=("$poller")
eventually exists polling || fail "poll"
writes m/web/c/memory.max 64K
printf 'more\t/web/c\t1000000\n' >&3 # is refused
said=$((said + 1))
eventually exists polled || fail "poll tells of no event"
rmdir m/web/c || fail "rmdir of a group that is polled"
wait "$poller" || fail "poll: status $?"

# ---- the end of the mount, then of the program, with the directory in use ----
kill_mount() {
	if command -v fusermount3 >/dev/null; then fusermount3 -u m; else umount m; fi
}
kill_mount || fail "it cannot be unmounted"
unmounted || fail "it is still mounted"
[ -z "$(ls -A m)" ] || fail "something is left"
"$memcg" mount -f m 3>&- 2>mount.err &
mount=$!
children+=("$mount")
eventually mounted || fail "memcg mount -f"
gives 'Invalid argument' writes m/web/memory.max much
grep -q '^memcg mount: memory.max of /web: ' mount.err || fail "the foreground does not say why"
kill "$mount"
wait "$mount" || fail "SIGTERM: status $?"
unmounted || fail "SIGTERM leaves it mounted"
mount_it m "$program"
cd m/web || fail "cd"
exec 4<memory.current
exec 3>&-
eventually unmounted || fail "the program has ended, and it stays mounted"
gives 'not connected' cat <&4
cd "$work" || exit 1
exec 4<&-
exit 0
