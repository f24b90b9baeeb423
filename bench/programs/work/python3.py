"""Objects of all kinds: records, text, JSON, a tree, sorted and thrown away."""
import collections
import json
import re

by = collections.defaultdict(list)
for i in range(45000):
    by["dir%d" % (i * 7919 % 2003)].append((i, "file-%d" % (i * 31 % 50021), float(i)))
texts = [json.dumps(v) for k, v in sorted(by.items())]
back = [json.loads(t) for t in texts]


class Node:
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None


def insert(root, key):
    while True:
        side = "left" if key < root.key else "right"
        if getattr(root, side) is None:
            setattr(root, side, Node(key))
            return
        root = getattr(root, side)


root = Node(0)
for i in range(1, 9000):
    insert(root, i * 7919 % 12007)
words = collections.Counter(w for t in texts for w in re.findall(r"[a-z]+-\d+", t))
print(len(by), sum(map(len, texts)), len(back), words.most_common(3),
      len("".join(sorted(words, reverse=True))))
