"""The curves of docs/scaling.md: which rows are their points, and whether they are linear.

An operation costs the same however many there are where the whole is linear. A curve is named when
its last point costs more than TWICE the first, and the best peer's does not grow as much: what
caches do to every program is nobody's defect.
"""
from dataclasses import dataclass

TWICE = 2.0
MORE = 1.25  # than the peer


@dataclass
class Curve:
    name: str
    title: str
    along: str  # what grows
    prefix: str
    suffix: str = ""
    peers: bool = True


CURVES = [
    Curve("threads", "Free and malloc in N threads at once, a group each", "threads", "crowd/"),
    Curve("handed-on", "The same in blocks that other threads allocated (remote frees)", "threads",
          "server/"),
    Curve("tenants", "Free and malloc in one of N groups", "groups", "tenants/", "/local"),
    Curve("live", "Free and malloc beside N live objects", "live objects", "many/"),
    Curve("charge-depth", "Charge and uncharge, N levels down", "levels", "charge/", peers=False),
    Curve("create-depth", "Create and destroy a group, N levels down", "levels", "growth/depth/",
          peers=False),
    Curve("create", "Create and destroy a group beside N others", "groups", "growth/create/",
          peers=False),
    Curve("stat", "memcg_stat of the parent of N groups, 64 of them changed since", "groups",
          "growth/stat/", peers=False),
]


def points(curve, rows, variant="own"):
    """(N, row) in order."""
    end = curve.suffix + ("/" + variant if curve.peers else "")
    found = []
    for row in rows:
        name = row["bench"]
        if name.startswith(curve.prefix) and name.endswith(end):
            middle = name[len(curve.prefix):len(name) - len(end)]
            if middle.isdigit() and row["value"] is not None:
                found.append((int(middle), row))
    return sorted(found, key=lambda point: point[0])


def growth(found):
    """What the last point costs in terms of the first, and the same of the peer that is best at the
    last; None where there are no peers."""
    first, last = found[0][1], found[-1][1]
    own = last["value"] / first["value"]
    peers = {p: v / first["peers"][p] for p, v in last.get("peers", {}).items()
             if first.get("peers", {}).get(p)}
    best = min(peers, default=None, key=lambda p: last["peers"][p])
    return own, best, peers.get(best)


def worse(own, peer):
    return own > TWICE and (peer is None or own > peer * MORE)
