"""browser.py - a page looked at by headless Chromium, over chromedriver's wire protocol."""
import base64
import json
import os
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zlib


class Browser:
    """One window. Everything it logs and every request it makes is kept from the start."""

    def __init__(self, width=1200, height=1000):
        self.home = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=dict(os.environ, HOME=self.home.name))
        for line in self.driver.stdout:
            if "successfully on port" in line:
                self.base = "http://127.0.0.1:" + line.rsplit(" ", 1)[1].strip().rstrip(".")
                break
        else:
            raise OSError("chromedriver does not start")
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--disable-background-networking", "--no-first-run",
                     f"--window-size={width},{height}", f"--user-data-dir={self.home.name}/profile"]
        if os.getuid() == 0:
            arguments.append("--no-sandbox")
        self.session = None
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})["sessionId"]

    def close(self):
        try:
            if self.session:
                self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.home.cleanup()

    def call(self, method, path, body=None):
        url = self.base + (f"/session/{self.session}" if self.session else "") + path
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise OSError(error.read().decode()) from None

    def cdp(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, path):
        self.call("POST", "/url", {"url": "file://" + os.path.abspath(path)})

    def ask(self, expression):
        return self.call("POST", "/execute/sync", {"script": "return " + expression, "args": []})

    def scheme(self, name):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def wide(self, width, height=1000):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=False)

    def shot(self, path=None):
        """The window's pixels, as Picture; also to a file."""
        png = base64.b64decode(self.call("GET", "/screenshot"))
        if path:
            with open(path, "wb") as to:
                to.write(png)
        return Picture(png)

    def complaints(self):
        """What stands in the console above a notice."""
        log = self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """Addresses asked for since the last call."""
        log = self.call("POST", "/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in log]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


class Picture:
    """Rows of RGB out of a PNG of 8 bits, not interlaced."""

    def __init__(self, png):
        at, data = 8, b""
        while at < len(png):
            size, kind = struct.unpack_from(">I4s", png, at)
            if kind == b"IHDR":
                self.width, self.height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", png, at + 8)
                assert bits == 8 and not interlaced and colour in (2, 6)
                self.depth = 3 if colour == 2 else 4
            elif kind == b"IDAT":
                data += png[at + 8:at + 8 + size]
            at += 12 + size
        self.rows = self.unfilter(zlib.decompress(data))

    def unfilter(self, data):
        n, step, before, rows = self.depth, self.width * self.depth, bytearray(self.width * self.depth), []
        for start in range(0, len(data), step + 1):
            kind, row = data[start], bytearray(data[start + 1:start + 1 + step])
            for i in range(step if kind else 0):
                left, up, corner = row[i - n] if i >= n else 0, before[i], before[i - n] if i >= n else 0
                if kind == 4:
                    guess = left + up - corner
                    away = abs(guess - left), abs(guess - up), abs(guess - corner)
                    add = (left, up, corner)[away.index(min(away))]
                else:
                    add = {1: left, 2: up, 3: (left + up) // 2}[kind]
                row[i] = (row[i] + add) & 255
            rows.append(bytes(row))
            before = row
        return rows

    def pixels(self):
        n = self.depth
        return [row[i:i + 3] for row in self.rows[::4] for i in range(0, len(row), 4 * n)]

    def colours(self):
        """How many pixels of a sample have each colour."""
        counts = {}
        for pixel in self.pixels():
            counts[pixel] = counts.get(pixel, 0) + 1
        return counts

    def light(self):
        pixels = self.pixels()
        return sum(map(sum, pixels)) / (3 * 255 * len(pixels))


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)
