#!/usr/bin/python3
"""What a scrape says, read strictly.

    scrape.py check openmetrics|prometheus FILE      it is of that format, by the letter
    scrape.py value FILE NAME [LABEL=VALUE...]       prints the value of the one sample that is like that
    scrape.py count FILE NAME [LABEL=VALUE...]       prints how many are
    scrape.py get URL [METHOD [ACCEPT]]              status, content type, Allow; the body to standard error
    scrape.py many FORMAT URL N                      N clients at once, each answer is checked
    scrape.py half URL N                             N clients that begin a request; then a whole one is answered,
                                                     and they are all closed
"""
import http.client
import re
import socket
import sys
import threading
import urllib.parse

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(r"(%s)\{(.*)\} ([0-9]+(?:\.[0-9]+)?)" % NAME)
META = re.compile(r"# (HELP|TYPE|UNIT) (%s) (.+)" % NAME)
TYPES = {"openmetrics": {"gauge", "counter", "unknown"}, "prometheus": {"gauge", "counter", "untyped"}}


def unescape(value):
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        assert m and (m[3] == "," or m.end() == len(text)), "labels: " + text
        assert m[1] not in labels, "label twice: " + text
        labels[m[1]] = unescape(m[2])
        at = m.end()
    assert not text.endswith(","), text
    return labels


class Strict:
    """Families one after another, each with its head first; no sample twice."""

    def __init__(self, form):
        self.form, self.meta, self.family, self.seen, self.samples = form, {}, None, set(), []
        self.sampled = set()

    def head(self, kind, name, text):
        if name != self.family:
            assert name not in self.meta, "not together: " + name
            self.meta[name], self.family = {}, name
        assert kind not in self.meta[name] and name not in self.sampled, "late: " + name
        self.meta[name][kind] = text
        if kind == "TYPE":
            assert text in TYPES[self.form], text
        if kind == "UNIT":
            assert self.form == "openmetrics" and name.endswith("_" + text), name

    def sample(self, name, labels, value):
        family = self.family
        kind = self.meta[family]["TYPE"]
        suffix = "_total" if kind == "counter" and self.form == "openmetrics" else ""
        assert name == family + suffix, "%s among %s" % (name, family)
        assert (kind == "counter") == name.endswith("_total"), name
        assert "HELP" in self.meta[family], name
        key = (name, tuple(sorted(labels.items())))
        assert key not in self.seen, "twice: %s %s" % key
        self.seen.add(key)
        self.sampled.add(family)
        self.samples.append((name, labels, value))


def parse(form, body):
    text = body.decode("utf-8")
    assert text.endswith("\n"), "cut off: " + text[-100:]
    lines = text[:-1].split("\n")
    if form == "openmetrics":
        assert lines.pop() == "# EOF", "no end"
    s = Strict(form)
    for line in lines:
        m = META.fullmatch(line)
        if m:
            s.head(*m.groups())
            continue
        m = SAMPLE.fullmatch(line)
        assert m, "neither sample nor head: " + line
        s.sample(m[1], parse_labels(m[2]), m[3])
    assert s.sampled == set(s.meta), "without samples: %s" % (set(s.meta) - s.sampled)
    return s.samples


def like(path, name, wanted):
    body = open(path, "rb").read()
    form = "openmetrics" if body.endswith(b"# EOF\n") else "prometheus"
    wanted = dict(w.split("=", 1) for w in wanted)
    return [v for n, l, v in parse(form, body)
            if n == name and all(l.get(k) == w for k, w in wanted.items())]


def fetch(url, method="GET", accept=None):
    at = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
    c.request(method, at.path, headers={"Accept": accept} if accept else {})
    r = c.getresponse()
    return r, r.read()


def many(form, url, n):
    accept = "application/openmetrics-text" if form == "openmetrics" else "text/plain"
    said = []

    def one():
        r, body = fetch(url, accept=accept)
        said.append((r.status, len(parse(form, body))))
    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(said) == n and all(status == 200 and samples for status, samples in said), said


def half(url, n):
    at = urllib.parse.urlsplit(url)
    begun = [socket.create_connection((at.hostname, at.port), timeout=30) for _ in range(n)]
    for i, c in enumerate(begun):
        c.sendall([b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\nG"][i % 4])
    r, body = fetch(url)
    assert r.status == 200 and parse("prometheus", body)
    for c in begun:
        try:
            while c.recv(4096):
                pass
        except ConnectionResetError:
            pass


def main(verb, *args):
    if verb == "check":
        parse(args[0], open(args[1], "rb").read())
    elif verb == "value":
        (value,) = like(args[0], args[1], args[2:])
        print(value)
    elif verb == "count":
        print(len(like(args[0], args[1], args[2:])))
    elif verb == "get":
        r, body = fetch(*args)
        print(r.status, r.getheader("Content-Type"), r.getheader("Allow") or "-")
        sys.stderr.buffer.write(body)
    elif verb == "many":
        many(args[0], args[1], int(args[2]))
    elif verb == "half":
        half(args[0], int(args[1]))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
