#!/usr/bin/env bash
# tenantd.sh [REQUESTS [ROUNDS]] - examples/tenantd against redis-server, each with one thread and asked
# by redis-benchmark: CPU seconds of the server (user and system, schedstat) for a million requests,
# requests a second, p99, bytes for each key; then isolation. Prints Markdown; judges nothing.
#
# REQUESTS (100000) is for -P 16 and 64 bytes; other cases make fewer. ROUNDS (3) are
# interleaved, the median is printed. The first argument `quick` is for trying it out.
set -eu
here=$(dirname "$(dirname "$(readlink -f "$0")")")
BUILD=${BUILD:-$here/build}
requests=${1:-100000} rounds=${2:-3}
[ "$requests" = quick ] && requests=8000 rounds=1
for program in redis-server redis-benchmark /usr/bin/python3 "$BUILD/examples/tenantd"; do
	command -v "$program" >/dev/null || {
		echo "tenantd.sh: $program is missing" >&2
		exit 77
	}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/tests/scenario
/usr/bin/python3 - "$BUILD/examples/tenantd" "$requests" "$rounds" "$work" <<'END'
import csv, os, random, statistics, subprocess, sys, threading, time
from resp import Client, request

tenantd, requests, rounds, work = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
MIB = 1 << 20


class Server:
    def __init__(self, name, port, *more):
        self.name, self.port = name, port
        if name == "redis":
            argv = ["redis-server", "--port", str(port), "--save", "", "--dir", work] + list(more)
        else:
            argv = [tenantd, "--port", str(port), "--threads", "1"]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while True:
            try:
                self.client = Client(port)
                assert ("process_id:%d\r" % self.process.pid) in self.client("INFO").decode()
                break
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, name + " does not start"
                time.sleep(0.05)

    def cpu(self):
        """Seconds, user and system, of all its threads."""
        tasks = "/proc/%d/task/" % self.process.pid
        return sum(int(open(tasks + t + "/schedstat").read().split()[0]) for t in os.listdir(tasks)) / 1e9

    def used(self):
        return int(self.client("INFO").decode().split("used_memory:")[1].split("\r")[0])

    def rss(self):
        return int(open("/proc/%d/statm" % self.process.pid).read().split()[1]) * 4096

    def stop(self):
        self.process.terminate()
        self.process.wait()


def both(*redis_options):
    port = random.randrange(20000, 30000)
    return [Server("redis", port, *redis_options), Server("tenantd", port + 1)]


def measure(server, test, size, pipeline, n):
    before = server.cpu()
    out = subprocess.run(["redis-benchmark", "-p", str(server.port), "-t", test, "-d", str(size), "-P", str(pipeline),
                          "-n", str(n), "-c", "20", "-r", "1000", "--csv"], check=True, capture_output=True, text=True)
    row = list(csv.reader(out.stdout.splitlines()))[-1]
    return (server.cpu() - before) / n * 1e6, float(row[1]), float(row[6])


def speed():
    print("| case | CPU s/M redis | tenantd | ratio | requests/s redis | tenantd | p99 ms redis | tenantd |")
    print("|---|---|---|---|---|---|---|---|")
    servers = both()
    for size in (64, 4096, 65536):
        for pipeline in (1, 16):
            for test in ("set", "get"):
                n = requests // (1 if size == 64 else 2 if size == 4096 else 10) // (1 if pipeline > 1 else 4)
                got = [[measure(s, test, size, pipeline, max(n, 1000)) for s in servers] for _ in range(rounds)]
                a, b = ([statistics.median(g[i][k] for g in got) for k in range(3)] for i in range(2))
                print("| %s %d -P %d | %.2f | %.2f | %.2f | %.0f | %.0f | %.2f | %.2f |" % (
                    test, size, pipeline, a[0], b[0], b[0] / a[0] if a[0] else 0, a[1], b[1], a[2], b[2]), flush=True)
    for s in servers:
        s.stop()


def bytes_per_key():
    print("\n| value | bytes/key redis, used | tenantd, charged | redis, resident | tenantd, resident |\n|---|---|---|---|---|")
    for size, n in ((64, 100000), (4096, 10000), (65536, 1000)):
        row = []
        for s in both():
            used, rss = s.used(), s.rss()
            for i in range(0, n, 20):
                s.client.send(b"".join(request("SET", "key:%012d" % k, b"x" * size) for k in range(i, i + 20)))
                for _ in range(20):
                    s.client.reply()
            row.append(((s.used() - used) / n, (s.rss() - rss) / n))
            s.stop()
        print("| %d | %.0f | %.0f | %.0f | %.0f |" % (size, row[0][0], row[1][0], row[0][1], row[1][1]), flush=True)


# A victim reads keys at random and puts back what it misses; each reply is waited for.
def victim(client, keys, seconds):
    rnd, value, took, hits = random.Random(1), b"v" * 4096, [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end or not took:
        key, begin = "victim:%d" % rnd.randrange(keys), time.monotonic()
        found = client("GET", key)
        took.append(time.monotonic() - begin)
        hits += found is not None
        if found is None:
            client("SET", key, value)
    took.sort()
    return 100.0 * hits / len(took), took[len(took) * 99 // 100] * 1000


def isolation(keys=1000, seconds=4):
    print("\n| | hit rate alone | beside | p99 ms alone | beside | neighbour's writes/s |\n|---|---|---|---|---|---|")
    for s in both("--maxmemory", "24mb", "--maxmemory-policy", "allkeys-lru"):
        me, login = Client(s.port), []
        if s.name == "tenantd":
            for name in ("victim", "noisy"):
                assert s.client("TENANT", "CREATE", name, "pw", "all") == "OK"
            assert s.client("TENANT", "LIMIT", "/all", "MAX", 24 * MIB) == "OK"
            assert s.client("TENANT", "LIMIT", "noisy", "MAX", 12 * MIB) == "OK"
            assert me("AUTH", "victim", "pw") == "OK"
            login = ["--user", "noisy", "-a", "pw"]
        for k in range(keys):
            me("SET", "victim:%d" % k, b"v" * 4096)
        alone = victim(me, keys, seconds / 2)
        noisy = subprocess.Popen(["redis-benchmark", "-p", str(s.port), "-t", "set", "-d", "4096", "-r", "1000000",
                                  "-n", "100000000", "-c", "10", "-P", "8", "-q"] + login,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds / 4)  # it is past its limit then, or slower than any
        before = commands(s)
        beside = victim(me, keys, seconds)
        rate = (commands(s) - before) / seconds
        noisy.terminate(), noisy.wait()
        print("| %s | %.1f %% | %.1f %% | %.2f | %.2f | %.0f |" % (s.name, alone[0], beside[0], alone[1], beside[1], rate),
              flush=True)
        s.stop()


def commands(s):
    return int(s.client("INFO").decode().split("total_commands_processed:")[1].split("\r")[0])


print("load average %s" % open("/proc/loadavg").read().split()[0])
speed()
bytes_per_key()
isolation()
print("\nload average %s" % open("/proc/loadavg").read().split()[0])
END
