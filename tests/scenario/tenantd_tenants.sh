#!/usr/bin/env bash
# examples/tenantd: limits that hold, a tenant that evicts its own keys only, DROP that does not wait for
# what the tenant has, MOVE that takes the charges along; who may do what.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/tenantd_common.bash
. "$REPO/tests/scenario/tenantd_common.bash"
start --threads 2 --password admin

/usr/bin/python3 - "$port" <<'END' || fail "see above"
import sys, time
from resp import Client, Error, request

port, MIB = sys.argv[1], 1 << 20
admin = Client(port)


def eventually(what):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "not in a minute"
        time.sleep(0.01)


def login(name):
    client = Client(port)
    assert client("AUTH", name, "pw-" + name) == "OK"
    return client


def ask(*words):
    answer = admin("TENANT", *words)
    assert answer == "OK", (words, answer)


def fill(client, n, size, prefix="key"):
    """n keys, in pipelines; the number of replies that were not OK."""
    bad = 0
    for begin in range(0, n, 50):
        some = range(begin, min(n, begin + 50))
        client.send(b"".join(request("SET", "%s:%d" % (prefix, i), b"%08d" % i * (size // 8)) for i in some))
        bad += sum(client.reply() != "OK" for _ in some)
    return bad


def present(client, n, size, prefix="key"):
    """How many of them are there, each with the bytes that were put there."""
    found = 0
    for i in range(n):
        value = client("GET", "%s:%d" % (prefix, i))
        assert value is None or value == b"%08d" % i * (size // 8), i
        found += value is not None
    return found


# ---- who may do what ----
assert admin("GET", "x").startswith("NOAUTH")
assert admin("TENANT", "LIST").startswith("NOAUTH")
assert admin("AUTH", "wrong").startswith("WRONGPASS")
assert admin("AUTH", "admin") == "OK"
for name in ("victim", "noisy", "large"):
    ask("CREATE", name, "pw-" + name)
for words in (("CREATE", "victim", "pw"), ("CREATE", "a/b", "pw"), ("CREATE", "db1", "pw"), ("CREATE", "..", "pw"),
              ("CREATE", "x" * 64, "pw"), ("LIMIT", "nobody", "MAX", "1M"), ("LIMIT", "victim", "MAX", "lots"),
              ("LIMIT", "victim", "MOST", "1M"), ("DROP", "nobody"), ("MOVE", "nobody", "gold"), ("FOO",)):
    assert isinstance(admin("TENANT", *words), Error), words
assert Client(port)("AUTH", "victim", "pw-noisy").startswith("WRONGPASS")
victim, noisy, large = login("victim"), login("noisy"), login("large")
assert victim("TENANT", "LIST").startswith("NOPERM")
assert isinstance(victim("SELECT", "1"), Error)
victim("SET", "mine", "v"), noisy("SET", "mine", "n")
assert victim("GET", "mine") == b"v" and noisy("GET", "mine") == b"n"

# What came before the login was paid for by who was nobody yet: a value in it is not kept there.
early = Client(port)
assert early("SET", "x", "y" * 200000).startswith("NOAUTH")
early.send(request("AUTH", "large", "pw-large") + request("SET", "early", "y" * 60000))
assert early.reply() == "OK" and early.reply() == "OK"
assert admin.tenant("large")["current"] > 60000, admin.tenant("large")
assert early("DEL", "early") == 1

# ---- a limit holds, and what is over it is evicted: the tenant's own keys ----
for size, n in ((64, 5000), (8192, 400)):
    assert fill(victim, n, size) == 0
    before = admin.tenant("victim")
    ask("LIMIT", "noisy", "MAX", 4 * MIB)
    assert fill(noisy, 16 * MIB // size // 2, size, "a") == 0, "a write was refused though keys can go"
    now = admin.tenant("noisy")
    assert now["current"] <= 4 * MIB, now
    assert now["evicted"] > 0 and 0 < now["keys"] < 16 * MIB // size // 2, now
    after = admin.tenant("victim")
    assert after["evicted"] == before["evicted"] == 0, after
    assert present(victim, n, size) == n, "a neighbour's writes have cost the victim keys"
    # What is used stays, more or less: of sampled LRU no more can be said.
    print("noisy, values of %d: %d keys in %.1fM, %d evicted" % (size, now["keys"], now["current"] / MIB, now["evicted"]))
    assert noisy("FLUSHDB") == "OK" and noisy("DBSIZE") == 0
    assert victim("FLUSHDB") == "OK"
    eventually(lambda: admin.tenant("noisy")["current"] < MIB and admin.tenant("victim")["current"] < MIB)

# A lower limit is met before the answer comes.
ask("LIMIT", "noisy", "MAX", "max")
fill(noisy, 1000, 8192)
ask("LIMIT", "noisy", "MAX", 2 * MIB)
assert admin.tenant("noisy")["current"] <= 2 * MIB, admin.tenant("noisy")
# A value that cannot fit is refused, or its client is let go; the tenant can go on.
try:
    big = login("noisy")
    big.send(request("SET", "big", b"x" * (3 * MIB)))
    assert str(big.reply()).startswith("OOM")
except (EOFError, ConnectionError):
    pass
noisy = login("noisy")
assert noisy("SET", "small", "1") == "OK" and noisy("GET", "big") is None

# ---- a plan: a limit that tenants share ----
ask("CREATE", "one", "pw-one", "plan")
ask("CREATE", "two", "pw-two", "plan")
ask("LIMIT", "/plan", "MAX", 6 * MIB)
one, two = login("one"), login("two")
for client in (one, two):
    assert fill(client, 800, 8192) == 0
assert admin.tenant("one")["current"] + admin.tenant("two")["current"] <= 6 * MIB

# No name is a tenant's and a plan's: DROP of the one would be the end of the other.
for words in (("CREATE", "three", "pw", "noisy"), ("CREATE", "three", "pw", "three"), ("MOVE", "one", "noisy"),
              ("CREATE", "plan", "pw"), ("CREATE", "plan", "pw", "other")):
    answer = admin("TENANT", *words)
    assert isinstance(answer, Error) and "plan" in answer and "name" in answer, (words, answer)
for words in (("CREATE", "three", "pw", "db7"), ("MOVE", "one", "guests")):
    assert isinstance(admin("TENANT", *words), Error), words
assert admin("SELECT", 7) == "OK" and admin("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]

# ---- move: charges go along ----
n = 500
for size in (100, 8192):
    fill(large, n, size)
    had = admin.tenant("large")
    ask("MOVE", "large", "gold%d" % size)
    eventually(lambda: not admin.tenant("large")["moving"])
    has = admin.tenant("large")
    assert has["group"] == "/gold%d/large" % size, has
    assert has["current"] > n * size * 0.95, (had, has)
    assert present(large, n, size) == n, "MOVE has lost keys"
    print("moved %d keys of %d: %.2fM before, %.2fM after" % (n, size, had["current"] / MIB, has["current"] / MIB))
ask("MOVE", "large", "/")
ask("CREATE", "filler", "pw-filler", "tiny")
ask("LIMIT", "/tiny", "MAX", MIB)
assert "no room" in admin("TENANT", "MOVE", "large", "tiny")
eventually(lambda: not admin.tenant("large")["moving"])
assert present(large, n, 8192) == n and admin.tenant("large")["group"] == "/large"

# ---- dropped while it moves: what has gone over and what has not ----
for attempt in range(3):
    ask("CREATE", "torn", "pw-torn")
    torn = login("torn")
    fill(torn, 3000, 8192)
    # In one turn of a thread, which does its chores between turns: the move has begun, and not more.
    admin.send(request("TENANT", "MOVE", "torn", "gold8192") + request("TENANT", "DROP", "torn"))
    assert [admin.reply(), admin.reply()] == ["OK", "OK"] and admin.tenant("torn") is None
    answer = torn("GET", "key:1")
    assert isinstance(answer, Error) and "dropped" in answer, answer

# ---- drop: at once, whatever it has ----
fill(large, 20000, 1000, "more")
begin = time.monotonic()
ask("DROP", "large")
took = time.monotonic() - begin
assert admin.tenant("large") is None
print("dropped 20500 keys: answered in %.2f ms" % (took * 1000))
answer = large("GET", "key:1")
assert isinstance(answer, Error) and "dropped" in answer, answer
assert large.is_closed()
assert Client(port)("AUTH", "large", "pw-large").startswith("WRONGPASS")
# One in the middle of a request is closed as well, however much that still announces.
halfway = login("victim")
halfway.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$200000000\r\n" + b"x" * 100000)
eventually(lambda: admin.tenant("victim")["sock"] > 90000)
ask("DROP", "victim")
try:
    for i in range(100):
        halfway.send(b"x" * MIB)
    assert False, "a client of a dropped tenant has sent 100M"
except ConnectionError:
    pass
ask("CREATE", "victim", "pw-victim")
ask("CREATE", "large", "pw-large")
large = login("large")
assert large("DBSIZE") == 0 and large("SET", "a", "b") == "OK"
for name in ("one", "two", "noisy", "victim", "large"):
    ask("DROP", name)
# What they had comes back in steps: what is left over all groups is what the library itself keeps.
END
stop
# Keys of dropped tenants were the root's, then nobody's: none is left.
awk '$1 == "/" && $NF > 4194304 { exit 1 }' tenantd.log || fail "dropped tenants' memory is still there"
! grep -q torn tenantd.log || fail "a tenant that was dropped while it moved has left a group"

# One thread, and a client with much to do: the other has its turns in between. It may be the test that
# does not run meanwhile, so it is tried again.
start --threads 1
/usr/bin/python3 - "$port" <<'END' || fail "see above"
import sys, time
from resp import Client, Error, request

KEYS, MANY = 20000, 1500
busy, other = Client(sys.argv[1]), Client(sys.argv[1])
for i in range(0, KEYS, 1000):
    busy.send(b"".join(request("SET", j, "v") for j in range(i, i + 1000)))
    assert all(busy.reply() == "OK" for _ in range(1000))

cursor, found = busy("SCAN", 0, "COUNT", 10**12)
assert int(cursor) and len(found) < KEYS, "one SCAN looks at any number of keys"
while int(cursor):
    cursor, some = busy("SCAN", cursor, "COUNT", 10**12)
    found += some
assert len(set(found)) == KEYS


# No request holds a tenant's lock for as long as it likes.
assert busy("DEL", *["no%d" % i for i in range(16000)]) == 0
for name in ("DEL", "MGET", "MSET", "EXISTS"):
    answer = busy(name, *["no%d" % i for i in range(20000)])
    assert isinstance(answer, Error) and "16384 words" in answer, answer
for length, error in ((50000, False), (100000, True)):
    assert busy("SET", "a" * length, "v") == "OK"
    cursor, failed = None, False
    while cursor != b"0" and not failed:
        answer = busy("SCAN", cursor or 0, "MATCH", "a*" * 100 + "b", "COUNT", 10**12)
        failed = isinstance(answer, Error)
        cursor = None if failed else answer[0]
    assert failed == error, (length, answer)
    assert busy("DEL", "a" * length) == 1


def commands():
    words = other("INFO").split(b"total_commands_processed:")
    return int(words[1].split()[0])


def turns():
    """How often the other had an answer while the first one's requests were carried out."""
    begin = commands()
    busy.send(request("SCAN", 0, "MATCH", "none", "COUNT", 10**12) * MANY)
    n = 0
    while commands() - begin - n - 1 < MANY:
        n += 1
    for _ in range(MANY):
        assert busy.reply()[1] == []
    return n


most = 0
for attempt in range(20):
    most = max(most, turns())
    if most >= 12:
        break
print("a client beside %d long requests had %d turns" % (MANY, most))
assert most >= 12, "a client's requests are carried out in one go"

# Keys whose time is over go though nobody looks for them, however many, and down to the last between
# empty buckets.
assert busy("FLUSHDB") == "OK" and busy("SET", "stays", "v", "EX", 100000) == "OK"
busy.send(b"".join(request("SET", i, "v", "PX", 1) for i in range(KEYS)))
assert all(busy.reply() == "OK" for _ in range(KEYS))
end = time.monotonic() + 60
while other("DBSIZE") > 1:
    assert time.monotonic() < end, "keys whose time is over stay"
    time.sleep(0.01)
assert busy("GET", "stays") == b"v"
END
stop
exit 0
