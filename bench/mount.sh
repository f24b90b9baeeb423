#!/usr/bin/env bash
# mount.sh [READS] - what a read through memcg mount takes, by the clock: of a file that is open (pread), and
# opened, read and closed by its path. Needs /dev/fuse. BUILD is the build directory, build if not given.
set -eu
repo=$(dirname "$(dirname "$(readlink -f "$0")")")
build=$(readlink -f "${BUILD:-$repo/build}")
work=$(mktemp -d)
cd "$work"
mkdir -m 700 runtime m
export XDG_RUNTIME_DIR=$work/runtime
MEMCG_CONTROL=1 "$build/examples/tenantd" --port 0 --threads 1 >tenantd.log 2>&1 &
server=$!
trap 'kill $server; cd /; while grep -qs " $work/m " /proc/mounts; do sleep 0.1; done; rm -rf "$work"' EXIT
for _ in $(seq 300); do [ -S "runtime/memcg/$server.sock" ] && break || sleep 0.1; done
"$build/memcg" mount m
mkdir -p m/web/tenant
python3 - "${1:-5000}" <<'END'
import os, sys, time
n = int(sys.argv[1])
def measure(what, do):
    took = []
    for _ in range(n):
        begin = time.perf_counter_ns()
        do()
        took.append((time.perf_counter_ns() - begin) / 1000)
    took.sort()
    print("%-44s least %4.0f  median %4.0f  p90 %5.0f us" % (what, took[0], took[n // 2], took[n * 9 // 10]))
def whole(path):
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 65536)
    os.close(fd)
for path in "m/web/tenant/memory.current", "m/web/tenant/memory.stat":
    fd = os.open(path, os.O_RDONLY)
    measure("pread " + path, lambda: os.pread(fd, 65536, 0))
    os.close(fd)
    measure("open, read, close " + path, lambda: whole(path))
END
