# resp.py - a client of Redis's protocol for the tenantd scenarios: replies as Python values, one class
# for errors. What is sent can be cut into pieces by the caller.
import socket

TIMEOUT = 120  # seconds, on a busy machine: past that it hangs


class Error(str):
    """An error reply, without the minus."""


def request(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", int(port)), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Error(rest.decode("latin1"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            data = self.file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise EOFError("closed in a value")
            assert data.endswith(b"\r\n"), data[-10:]
            return data[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        raise ValueError("not a reply: %r" % line)

    def __call__(self, *words):
        self.send(request(*words))
        return self.reply()

    def tenant(self, name):
        """What TENANT LIST says of it, numbers as such."""
        for line in self("TENANT", "LIST"):
            words = line.decode().split()
            if words[0] == name:
                pairs = dict(word.split("=", 1) for word in words[1:] if "=" in word)
                out = {k: v if v.startswith("/") else int(v) for k, v in pairs.items()}
                out["moving"] = "moving" in words
                return out
        return None

    def is_closed(self):
        """True once the other end has closed; what comes before that is read."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True
