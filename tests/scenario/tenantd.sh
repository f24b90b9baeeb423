#!/usr/bin/env bash
# examples/tenantd answers as redis-server does: random commands, well and badly formed, in
# requests that are cut anywhere and come many at once; and redis-cli and redis-benchmark work.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/tenantd_common.bash
. "$REPO/tests/scenario/tenantd_common.bash"
for program in redis-server redis-cli redis-benchmark; do
	command -v "$program" >/dev/null || {
		echo "skipped: $program is not installed"
		exit 77
	}
done

redis_answers() {
	redis_port=$((20000 + RANDOM % 10000))
	redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$work" >redis.log 2>&1 &
	redis=$!
	children+=("$redis")
	local end=$((SECONDS + 60))
	until [ "$(redis-cli -p "$redis_port" info server 2>/dev/null | sed -n 's/^process_id:\([0-9]*\).*/\1/p')" = "$redis" ]; do
		# Somebody else has the port: another one.
		kill -0 "$redis" 2>/dev/null && [ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
eventually redis_answers || fail "redis-server does not start: $(cat redis.log)"
start --threads 2

/usr/bin/python3 - "$redis_port" "$port" <<'END' || fail "replies differ"
import os, random, sys
from resp import Client, Error, request

seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
rnd = random.Random(seed)
theirs, ours = Client(sys.argv[1]), Client(sys.argv[2])
keys = ["key:%d" % i for i in range(40)] + ["", "k" * 300, b"\0\r\n\xff"]


def value():
    kind = rnd.random()
    if kind < 0.3:
        return str(rnd.choice([0, 1, -1, 41, 2**63 - 1, 2**63 - 2, -2**63, rnd.randrange(10**6)]))
    if kind < 0.4:
        return rnd.choice(["", " 1", "01", "+1", "1.0", "-0", "99999999999999999999", "abc"])
    size = rnd.choice([3, 64, 500, 4000, 4095, 4096, 4097, 9000, 20000, 70000])
    return rnd.randbytes(size)


def words():
    k, n = (lambda: rnd.choice(keys)), rnd.random()
    command = rnd.choice(
        "get get get set set set set mget mset del incr incr exists expire ttl ping select dbsize "
        "scan flushdb nonsense short".split())
    if command == "set":
        more = []
        for _ in range(rnd.choice([0, 0, 0, 1, 2, 3])):
            more += rnd.choice([["EX", "1000"], ["px", "5000000"], ["NX"], ["xx"], ["EX"], ["EX", "0"],
                                ["PX", "-1"], ["ex", "x"], ["EX", "9223372036854775807"], ["what"]])
        return ["SeT", k(), value()] + more
    if command == "mset":
        return ["mset"] + [f() for _ in range(rnd.randrange(4)) for f in (k, value)] + [k()] * (n < 0.2)
    if command == "expire":
        return ["EXPIRE", k(), rnd.choice(["1000", "100000", "0", "-1", "x", "9223372036854775807",
                                           "-9223372036854775808"])]
    if command == "select":
        return ["select", rnd.choice(["0", "1", "15", "16", "-1", "x", "", "99999999999"])]
    if command == "ping":
        return ["ping"] + [value()] * rnd.randrange(3)
    if command == "flushdb":
        return ["flushdb"] if n < 0.1 else ["ttl", k()]
    if command == "scan":
        return rnd.choice([["scan", "x"], ["scan", "0", "count"], ["scan", "0", "count", "0"],
                           ["scan", "0", "count", "x"], ["scan", "0", "foo", "1"], ["scan"]])
    if command == "nonsense":
        return [rnd.choice(["foo", "", "getx", "ge", b"a b"])] + [k() for _ in range(rnd.randrange(3))]
    if command == "short":
        return rnd.choice([["get"], ["set", "a"], ["ttl"], ["dbsize", "1"], ["incr"], ["mget"], ["del"],
                           ["expire", "a"], ["exists"], ["select"]])
    if command in ("mget", "del", "exists"):
        return [command] + [k() for _ in range(rnd.choice([1, 1, 2, 5]))]
    if command == "dbsize":
        return [command]
    return [command, k()]


def same(words, a, b):
    if words[0] == "ttl" and isinstance(a, int) and a > 0:
        return abs(a - b) <= 30  # the two were asked at different times
    return type(a) is type(b) and a == b


def send(client, data):
    cuts = sorted(rnd.randrange(len(data) + 1) for _ in range(rnd.choice([0, 0, 1, 5])))
    for begin, end in zip([0] + cuts, cuts + [len(data)]):
        client.send(data[begin:end])


def keys_of(client, *match):
    found, cursor = [], b"0"
    while True:
        cursor, some = client("scan", cursor, "count", rnd.randrange(1, 50), *match)
        found += some
        if cursor == b"0":
            return sorted(found)


asked = 0
for round in range(150):
    batch = [words() for _ in range(rnd.choice([1, 5, 40]))]
    data = b"".join(request(*w) for w in batch)
    for client in (theirs, ours):
        send(client, data)
    for w in batch:
        a, b = theirs.reply(), ours.reply()
        if not same(w, a, b):
            sys.exit("seed %d: %r\n theirs: %.300r\n ours:   %.300r" % (seed, [x[:40] for x in w], a, b))
        asked += 1
    if round % 10 == 0:
        for match in ([], ["match", "key:*"], ["match", "k*[1-3]?"], ["match", "[^k]*"]):
            a, b = keys_of(theirs, *match), keys_of(ours, *match)
            if a != b:
                sys.exit("seed %d: SCAN %r: %r, %r" % (seed, match, a, b))

# Lines of words, and requests that are none.
for line in (b"PING\r\n", b"set  a\tb\r\nget a\n", b"\r\nPING\r\n", b"*0\r\nPING\r\n", b"*-1\r\nping\r\n",
             b"$3\r\n"):
    theirs.send(line), ours.send(line)
    for _ in range(2 if line.startswith(b"set") else 1):
        a, b = theirs.reply(), ours.reply()
        assert a == b, (line, a, b)
for bad in (b"*x\r\n", b"*1\r\n$x\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$536870913\r\n", b"*2147483648\r\n",
            b"*1\r\n:1\r\n", b"*01\r\n", b"*1\r\n\r\n"):
    a, b = Client(sys.argv[1]), Client(sys.argv[2])
    a.send(bad), b.send(bad)
    x, y = a.reply(), b.reply()
    assert x == y, (bad, x, y)
    assert a.is_closed() and b.is_closed()
print("%d commands, seed %d" % (asked, seed))
END

# A key whose time is over is gone.
[ "$(redis-cli -p "$port" set short lived px 20)" = OK ] || fail "SET PX"
is_gone() {
	[ -z "$(redis-cli -p "$port" get short)" ]
}
eventually is_gone || fail "a key outlives its time"

redis-benchmark -p "$port" -q -n 3000 -c 10 -P 4 -r 100 -t ping,set,get,incr,mset >bench.log 2>&1 ||
	fail "redis-benchmark: $(cat bench.log)"
[ "$(tr '\r' '\n' <bench.log | grep -c 'requests per second')" -ge 5 ] || fail "redis-benchmark: $(cat bench.log)"
! grep -qi error bench.log || fail "redis-benchmark: $(cat bench.log)"
redis-cli -p "$port" info | grep -q '^server_name:tenantd' || fail "INFO"
redis-cli -p "$port" --scan --pattern 'key:*' | grep -q key: || fail "redis-cli --scan"
[ "$(redis-cli -p "$port" config get databases | tail -n 1)" = 16 ] || fail "CONFIG GET"
[ "$(redis-cli -p "$port" quit)" = OK ] || fail "QUIT"
stop
exit 0
