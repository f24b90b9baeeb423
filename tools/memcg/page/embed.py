#!/usr/bin/env python3
"""embed.py REPORT.HTML OUT.C - the frame of the page as parts of a program (tools/memcg/web.h).

[[style]] and [[script]] are replaced by report.css and report.js from beside it, [[style-hash]] and
[[script-hash]] by what a content security policy knows them by. Each {{name}} ends a part, after
which web_name() is called.
"""
import base64
import hashlib
import pathlib
import re
import sys


def policy_hash(text):
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def whole_page(frame):
    there = {"style": frame.with_name("report.css"), "script": frame.with_name("report.js")}
    parts = {}
    for name, path in there.items():
        text = "\n" + path.read_text()
        if f"</{name}" in text or "<!--" in text:
            sys.exit(f"{path}: holds what ends its element")
        parts[name] = text
        parts[name + "-hash"] = policy_hash(text)
    return re.sub(r"\[\[([a-z-]+)\]\]", lambda m: parts[m[1]], frame.read_text())


def c_string(text):
    def escape(byte):
        if byte in b'"\\':
            return "\\" + chr(byte)
        return chr(byte) if 32 <= byte < 127 and byte != ord("?") else f"\\{byte:03o}"

    lines = text.encode().splitlines(keepends=True) or [b""]
    return "\n".join('\t "' + "".join(map(escape, line)) + '"' for line in lines)


def main(frame, out):
    pieces = re.split(r"\{\{([a-z_]+)\}\}", whole_page(pathlib.Path(frame)))
    with open(out, "w") as to:
        to.write("/* Made by tools/memcg/page/embed.py. */\n#include \"tools/memcg/web.h\"\n\n")
        to.write("const struct web_part web_parts[] = {\n")
        for i in range(0, len(pieces), 2):
            then = f"web_{pieces[i + 1]}" if i + 1 < len(pieces) else "NULL"
            size = len(pieces[i].encode())
            to.write(f"\t{{\n{c_string(pieces[i])},\n\t {size}, {then}}},\n")
        to.write("};\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
