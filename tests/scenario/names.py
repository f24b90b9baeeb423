"""names.py REPO - what documents name is there: links, the files of the tour, functions of the walkthrough.

Says a line for each that is not; exit 1 then. Last line: how many of each were looked at.
"""
import os
import re
import subprocess
import sys

repo = os.path.realpath(sys.argv[1])
wrong = []
count = {"links": 0, "files": 0, "functions": 0, "settings": 0}


def read(name):
    with open(os.path.join(repo, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def there(name):
    return os.path.exists(os.path.join(repo, name))


def tree():
    """Files of the tree: as git has them; of a copy without git, those below it that are not built."""
    said = subprocess.run(["git", "-C", repo, "ls-files", "-co", "--exclude-standard"], capture_output=True,
                          text=True, check=False).stdout.split("\n")
    files = [f for f in said if f and there(f)]
    for top, directories, names in os.walk(repo):
        directories[:] = [d for d in directories if not d.startswith((".", "build"))]
        files += [os.path.relpath(os.path.join(top, n), repo) for n in names]
    return sorted(set(files))


def heads(name):
    """Anchors of a document, as they are made of its headings."""
    found = re.findall(r"^#+ +(.*)$", read(name), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in found}


def links(files):
    """[text](place): a file or directory beside the document, and in it a heading."""
    for name in files:
        if not name.endswith(".md"):
            continue
        text = re.sub(r"^```.*?^```", "", read(name), flags=re.S | re.M)
        for place in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
            if re.match(r"[a-z]+:", place):
                continue
            count["links"] += 1
            path, _, head = place.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if not there(target):
                wrong.append(f"{name}: the link to {place} leads nowhere")
            elif head and head not in heads(target):
                wrong.append(f"{name}: {target} has no heading {head}")


def layers():
    """The table of layers: each word in its second column is a module."""
    text = read("ARCHITECTURE.md")
    rows = re.findall(r"^\| (\w+) \| ([\w ]+) \| ", text.split("## 3. Layers")[1].split("\n## ")[0], re.M)
    listed = [r for r in rows if r[0] != "layer"]
    named = re.findall(r"^(\w+)$", read("src/LAYERS"), re.M)
    if [r[0] for r in listed] != named:
        wrong.append("ARCHITECTURE.md: the table of layers is not src/LAYERS")
    for layer, modules in listed:
        for module in modules.split():
            count["files"] += 1
            if not any(there(f"src/{layer}/{module}.{end}") for end in "ch"):
                wrong.append(f"ARCHITECTURE.md: src/{layer}/{module}.c is not there")


def tour(files):
    """Paths anywhere in it, from the root or from src/; and names of files without one."""
    bases = {os.path.basename(f) for f in files}
    text = re.sub(r"\]\([^)]*\)|<memcg/\w\.h>", " ", read("ARCHITECTURE.md"))
    for path in re.findall(r"(?<![\w/.<*-])([\w-][\w.-]*(?:/[\w.-]+)*/?)(?![\w/*])", text):
        path = path.rstrip(".")
        if re.search(r"\.(c|h|md|css|js|py|sh|list|map)$", path) and "/" not in path:
            ok = path in bases
        elif path.endswith("/") or re.search(r"/[\w-]+\.(c|h|md|html|css|js)$", path):
            ok = any(there(start + path) for start in ("", "src/", "docs/", "include/"))
        else:
            continue
        count["files"] += 1
        if not ok and path != "layer/file.h": # how includes are written
            wrong.append(f"ARCHITECTURE.md: {path} is not there")


def walkthrough():
    """`function` (file): it is defined there, which in this style begins a line."""
    for function, path in re.findall(r"`(\w+)`\s+\(([\w./]+\.[ch])\)", read("docs/walkthrough.md")):
        count["functions"] += 1
        if not there(path):
            wrong.append(f"docs/walkthrough.md: {path} is not there")
        elif not re.search(r"^[a-z_][^;\n]*\b" + function + r"\((?:[^;{]*)\{", read(path), re.M):
            wrong.append(f"docs/walkthrough.md: {function} is not in {path}")


def settings():
    """Every row of the table of settings, and every field of the struct, is in the table for tuning."""
    table = read("docs/tuning.md")
    for variable in re.findall(r'^\t\{"(MEMCG_\w+)",', read("src/ctl/conf.c"), re.M):
        count["settings"] += 1
        if f"| `{variable}` |" not in table:
            wrong.append(f"docs/tuning.md: no {variable}")
    body = re.search(r"struct memcg_config \{(.*?)\n\};", read("include/memcg/base.h"), re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    for field in re.findall(r"(\w+);", body):
        count["settings"] += 1
        if field != "size" and f"| `{field}` |" not in table:
            wrong.append(f"docs/tuning.md: no field {field}")


def contents(files):
    """The book's list has every chapter."""
    listed = read("docs/README.md")
    for name in files:
        if re.fullmatch(r"docs/[\w-]+\.md", name) and name != "docs/README.md":
            if f"({os.path.basename(name)})" not in listed:
                wrong.append(f"docs/README.md: {name} is not listed")


def main():
    files = tree()
    links(files)
    layers()
    tour(files)
    walkthrough()
    settings()
    contents(files)
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    print(" ".join(f"{n} {what}" for what, n in count.items()))
    # A pattern that finds nothing any more finds nothing wrong either.
    return bool(wrong) or count["links"] < 20 or count["files"] < 100 or count["functions"] < 30 or \
        count["settings"] < 20


sys.exit(main())
