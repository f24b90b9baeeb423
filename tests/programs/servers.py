"""Programs that serve: started, asked over a Unix socket, told to end, waited for.

What the client was answered is compared. Under the small limit the client goes on until the server
says that it has no memory, or is gone.
"""

import hashlib
import os
import re
import socket
import subprocess
import time

import run

MIB = 1048576


class Server:
    """What they have in common; each says how it is started, asked and ended."""

    recounts = 1
    logs = ()
    max = 512 * MIB
    may_crash = False

    def prepare(self, work):
        pass

    def run(self, cwd, work, held=None, tight=False, looks=False):
        with run.Running(self.argv(cwd, work), cwd, None, held, looks) as running:
            self._wait_ready(running, cwd)
            answered = (self.overload if tight else self.ask)(cwd)
            self.end(cwd, running)
            return running.finish(answered, self.logs)

    def _wait_ready(self, running, cwd):
        until = time.monotonic() + run.DEADLINE
        while not self.ready(cwd):
            if not running.alive():
                raise RuntimeError(f"{self.name} ended at once, see its log: {self._told(cwd)}")
            if time.monotonic() > until:
                raise run.Hangs(f"{self.name} does not answer")
            time.sleep(0.01)

    def _told(self, cwd):
        text = ""
        for name in ("out", "err", *self.logs):
            path = os.path.join(cwd, name)
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text[-300:]

    @staticmethod
    def signal(pidfile, number):
        with open(pidfile, encoding="ascii") as f:
            os.kill(int(f.read()), number)


def accepts(path):
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
    return True


def output(argv, check=True):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=run.DEADLINE, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)[:80]}: {done.stdout[-300:]!r}")
    return done.stdout


class Redis(Server):
    name = "redis-server"
    needs = ["redis-server", "redis-cli", "redis-benchmark"]
    words = re.compile("Out Of Memory")
    tight = 32 * MIB
    may_crash = True  # it allocates to log that it cannot allocate, until its stack is full

    def argv(self, cwd, work):
        return ["redis-server", "--port", "0", "--unixsocket", f"{cwd}/s", "--save", "",
                "--dir", cwd, "--enable-debug-command", "yes"]

    def cli(self, cwd, *words, check=True):
        return output(["redis-cli", "-s", f"{cwd}/s", *words], check)

    def ready(self, cwd):
        return accepts(f"{cwd}/s")

    def ask(self, cwd):
        bench = output(["redis-benchmark", "-s", f"{cwd}/s", "-n", "40000", "-c", "20", "-P", "4",
                        "-q", "-t", "set,get,incr,lpush,mset"]).replace(b"\r", b"\n")
        said = b"benchmarks %d\n" % bench.count(b"requests per second")
        said += self.cli(cwd, "debug", "populate", "50000", "key", "200")
        said += self.cli(cwd, "eval", "local n = 0 for i = 0, 49999 do local v = redis.call('get', "
                         "'key:' .. i) n = n + #v end return n", "0")
        said += self.cli(cwd, "save")
        said += self.cli(cwd, "debug", "reload")
        digest = self.cli(cwd, "debug", "digest-value", *(f"key:{i}" for i in range(0, 50000, 1000)))
        return said + digest + self.cli(cwd, "dbsize")

    def overload(self, cwd):
        self.cli(cwd, "debug", "populate", "400000", "key", "400", check=False)
        return b""

    def end(self, cwd, running):
        self.cli(cwd, "shutdown", "nosave", check=False)


class Memcached(Server):
    name = "memcached"
    needs = ["memcached"]
    words = re.compile("SERVER_ERROR out of memory|STAT evictions [1-9]")
    tight = 32 * MIB

    def argv(self, cwd, work):
        # Rather too much to itself, so that the limit is what ends it.
        return ["memcached", "-s", f"{cwd}/s", "-P", f"{cwd}/pid", "-m", "256", "-t", "2",
                "-u", "root" if os.getuid() == 0 else str(os.getuid())]

    def ready(self, cwd):
        return accepts(f"{cwd}/s") and os.path.exists(f"{cwd}/pid")

    @staticmethod
    def store(f, key, value):
        f.write(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        f.flush()
        return f.readline()

    def ask(self, cwd):
        digest = hashlib.sha256()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{cwd}/s")
            with s.makefile("rwb") as f:
                for i in range(20000):
                    digest.update(self.store(f, b"k%d" % i, b"%d " % i * (i % 300)))
                for i in range(0, 20000, 3):
                    f.write(b"get k%d\r\n" % i)
                    f.flush()
                    while (line := f.readline()) != b"END\r\n":
                        digest.update(line)
        return digest.hexdigest().encode()

    def overload(self, cwd):
        said = b""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{cwd}/s")
            with s.makefile("rwb") as f:
                for i in range(2000):
                    answer = self.store(f, b"k%d" % i, bytes(100000))
                    if b"ERROR" in answer:
                        said += answer
                # It throws out what is old, and serves on.
                f.write(b"stats\r\n")
                f.flush()
                while (line := f.readline()) not in (b"END\r\n", b""):
                    said += line
        return said

    def end(self, cwd, running):
        self.signal(f"{cwd}/pid", 15)

    def run(self, cwd, work, held=None, tight=False, looks=False):
        done = super().run(cwd, work, held, tight, looks)
        if tight:
            done.said += done.out.decode(errors="replace")
        return done


NGINX = """\
{user}
worker_processes 2;
pid {cwd}/pid;
error_log {cwd}/error.log;
daemon off;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {cwd}/body;
    proxy_temp_path {cwd}/proxy;
    fastcgi_temp_path {cwd}/fastcgi;
    uwsgi_temp_path {cwd}/uwsgi;
    scgi_temp_path {cwd}/scgi;
    keepalive_requests 100000;
    sendfile off;
    server {{
        listen unix:{cwd}/s;
        root {work}/www;
        gzip on;
        gzip_types text/plain;
        default_type text/plain;
        location /big/ {{ output_buffers 1 64m; gzip off; }}
    }}
}}
"""


class Nginx(Server):
    name = "nginx"
    needs = ["nginx", "curl"]
    words = re.compile(r"failed \(12: Cannot allocate memory\)")
    tight = 48 * MIB
    logs = ("error.log",)
    recounts = 3  # master and two workers

    def prepare(self, work):
        os.makedirs(f"{work}/www/big")
        for i in range(1, 201):
            with open(f"{work}/www/file{i}", "w", encoding="ascii") as f:
                f.write("".join(f"{i} {n * i % 1009}\n" for n in range(i * 20)))
        with open(f"{work}/www/big/file", "wb") as f:
            f.write(bytes(64 * MIB))

    def argv(self, cwd, work):
        user = "user root;" if os.getuid() == 0 else ""
        os.chmod(cwd, 0o755)
        with open(f"{cwd}/conf", "w", encoding="ascii") as f:
            f.write(NGINX.format(cwd=cwd, work=work, user=user))
        return ["nginx", "-c", f"{cwd}/conf", "-p", cwd, "-e", f"{cwd}/error.log"]

    def ready(self, cwd):
        return accepts(f"{cwd}/s") and os.path.exists(f"{cwd}/pid")

    def curl(self, cwd, *words, check=True):
        return output(["curl", "-s", "--unix-socket", f"{cwd}/s", *words], check)

    def ask(self, cwd):
        digest = hashlib.sha256()
        for more in ((), ("--compressed",)):
            digest.update(self.curl(cwd, *more, *["http://x/file[1-200]"] * 5))
        return digest.hexdigest().encode()

    def overload(self, cwd):
        # A buffer of 64 MiB for the file: refused. Then it serves on.
        self.curl(cwd, "http://x/big/file", check=False)
        return self.curl(cwd, "http://x/file7")

    def end(self, cwd, running):
        self.signal(f"{cwd}/pid", 3)


PROGRAMS = [Redis(), Memcached(), Nginx()]
