#!/usr/bin/env bash
# examples/tenantd and clients that mean no good: what is malformed, endless, lies about its length, is never
# read, is broken off in a value, or comes by the thousand. Each is answered or closed, and afterwards
# the tenant is charged what it was.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/tenantd_common.bash
. "$REPO/tests/scenario/tenantd_common.bash"
ulimit -n "$(ulimit -Hn)" 2>/dev/null
start --threads 2 --timeout 1

/usr/bin/python3 - "$port" <<'END' || fail "see above"
import random, resource, socket, struct, sys, time
from resp import Client, Error, request

port, MIB = sys.argv[1], 1 << 20
admin = Client(port)
assert admin("TENANT", "CREATE", "t", "pw") == "OK"
assert admin("TENANT", "LIMIT", "t", "MAX", 32 * MIB) == "OK"
rnd = random.Random(1)


def login():
    client = Client(port)
    assert client("AUTH", "t", "pw") == "OK"
    return client


def pages():
    """What network pages the tenant pays for."""
    return admin.tenant("t")["sock"]


def eventually(what, why):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, (why, admin.tenant("t"))
        time.sleep(0.01)


def settled(base, why):
    # A page that small reads go on in may be there.
    eventually(lambda: pages() <= base + 4 * 4096, why)


def reset(client):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.file.close()
    client.socket.close()


keeper = login()
big = rnd.randbytes(100000)
assert keeper("SET", "big", big) == "OK" and keeper("SET", "small", "s") == "OK"
base = pages()

# ---- malformed: one error, then closed ----
for bad in (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$-5\r\n", b"*1\r\n$99999999999999999999\r\n", b"*99999999999\r\n",
            b"*1\r\n$4\r\nPINGxx", b"*" + b"1" * 70, b"*1\r\n$" + b"9" * 70, b"*2\r\n+OK\r\n", b"*-9x\r\n"):
    client = login()
    client.send(bad)
    answer = client.reply()
    assert isinstance(answer, Error) and "Protocol error" in answer, (bad, answer)
    assert client.is_closed(), bad

# ---- endless lines ----
client = login()
try:
    for _ in range(64):
        client.send(b"x" * 4096)
except ConnectionError:
    pass
assert client.is_closed()

# ---- lengths that lie: nothing is taken for them ----
liars = [login() for _ in range(50)]
for client in liars:
    client.send(b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc")
for client in liars:
    client.send(b"def")
assert admin.tenant("t")["current"] < 4 * MIB, admin.tenant("t")
for client in liars:
    reset(client)
settled(base, "liars")

# ---- an endless value: until the tenant is full, and the others' keys of its own have gone ----
client = login()
try:
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$500000000\r\n")
    for _ in range(500):
        client.send(b"y" * MIB)
    raise SystemExit("a value past the limit was taken")
except ConnectionError:
    pass
assert admin.tenant("t")["current"] <= 32 * MIB
keeper = login()
assert keeper("SET", "big", big) == "OK" and keeper("GET", "big") == big
settled(base, "an endless value")

# ---- more arguments than there is memory for ----
client = login()
try:
    client.send(b"*1000000\r\n" + b"$1\r\nx\r\n" * 1000000)
    client.reply()
except (ConnectionError, EOFError):
    pass
client.file.close()
client.socket.close()
settled(base, "many arguments")
keeper("SET", "big", big)

# ---- broken off in a value ----
for i in range(100):
    client = login()
    data = request("SET", "cut", big)
    client.send(data[:rnd.randrange(30, len(data) - 1)])
    reset(client)
settled(base, "broken off")
assert keeper("GET", "cut") is None

# ---- byte by byte ----
client = login()
for byte in request("SET", "slow", "x" * 50):
    client.send(bytes([byte]))
assert client.reply() == "OK" and client("GET", "slow") == b"x" * 50

# ---- never reads: closed after --timeout, and the pages of its replies go home ----
client = login()
client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
hits = admin.tenant("t")["hits"]
try:
    while True:
        client.send(request("GET", "big") * 200)
except ConnectionError:
    pass
assert admin.tenant("t")["hits"] > hits
assert keeper("DEL", "big") == 1
eventually(lambda: pages() <= 4 * 4096, "never reads")
assert keeper("SET", "big", big) == "OK" and keeper("GET", "big") == big
assert keeper("PING") == "PONG"

# ---- thousands of idle clients ----
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
many = min(3000, soft - 100)
had = admin.tenant("t")["current"]
idle = []
for i in range(many):
    idle.append(socket.create_connection(("127.0.0.1", int(port)), 60))
assert keeper("GET", "big") == big
for s in idle[::2]:
    s.close()
for s in idle[1::2]:
    s.sendall(b"PING\r\n")
for s in idle[1::2]:
    assert s.recv(7) == b"+PONG\r\n"
    s.close()
assert admin.tenant("t")["current"] <= had + 16 * 4096
print("%d idle clients" % many)

assert keeper("FLUSHDB") == "OK"
eventually(lambda: pages() <= 4 * 4096, "the end")
del client, liars, idle, s
eventually(lambda: "connected_clients:2\r" in admin("INFO").decode(), "clients are left")
END
stop
exit 0
