"""From samples to rows, as memcg-bench prints them (bench/driver/stats.h: the same intervals and
the same verdicts).

A program's CPU time and time are held against the best single peer: the one with the lowest
geometric mean over all programs, not the best of each, which nobody can have at once. Resident memory
is held against mimalloc.
"""
import math
import statistics

PEERS = ["glibc", "jemalloc", "mimalloc", "tcmalloc"]
OURS = ["own", "shared", "unaccounted"]
ENOUGH = 6
METRICS = {"cpu": "s", "wall": "s", "rss": "MiB"}  # the first is the main one
MEAN_GOAL, ONE_GOAL, OFF_GOAL = 1.0, 1.1, 1.05


def left_out(n):
    """How many samples at each end the interval of 95 % leaves out."""
    p = tail = 0.5 ** n
    k = 0
    while k < n // 2:
        p *= (n - k) / (k + 1)
        if tail + p > 0.025:
            break
        tail += p
        k += 1
    return k


def spread(samples):
    """Median, low, high."""
    ordered = sorted(samples)
    k = left_out(len(ordered))
    return statistics.median(ordered), ordered[k], ordered[-1 - k]


def verdict(low, high, n, goal):
    if n < ENOUGH:
        return "cannot-tell"
    if high <= goal:
        return "met"
    return "missed" if low > goal else "cannot-tell"


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


class Samples:
    """value(metric, program, allocator) -> one figure a repeat."""

    def __init__(self, programs, noisy):
        self.programs, self.noisy, self.others, self.of = programs, noisy, 0.0, {}

    def add(self, program, allocator, took):
        for metric in METRICS:
            # A clock that did not move is no zero: geometric means end there.
            self.of.setdefault((metric, program, allocator), []).append(
                max(getattr(took, metric), 1e-4))

    def value(self, metric, program, allocator):
        return self.of.get((metric, program, allocator), [])

    def has(self, allocator):
        return all(self.value("cpu", p, allocator) for p in self.programs)

    def best_peer(self, metric):
        """The single one; None: no peer is there."""
        if metric == "rss":
            return "mimalloc" if self.has("mimalloc") else None
        there = [p for p in PEERS if self.has(p)]
        return min(there, default=None, key=lambda peer: mean(
            [statistics.median(self.value(metric, p, peer)) for p in self.programs]))

    def row(self, name, metric, mine, other, against, goal, peers, unit=None):
        n = min(len(mine), len(other)) if other else len(mine)
        value, low, high = spread(mine)
        row = {"bench": name, "unit": unit or METRICS[metric], "value": value, "low": low,
               "high": high, "reference": None, "ratio": None, "ratio_low": None,
               "ratio_high": None}
        if other:
            _, low, high = spread([a / b for a, b in zip(mine, other)])
            row.update(reference=statistics.median(other), ratio_low=low, ratio_high=high,
                       ratio=value / statistics.median(other), against=against)
            if goal:
                row.update(goal=goal, verdict=verdict(low, high, n, goal))
        row.update(peers=peers, runs=n, noisy=self.noisy)
        if self.noisy:
            row["others"] = self.others
        return row

    def medians(self, metric, program):
        return {p: statistics.median(self.value(metric, program, p)) for p in PEERS
                if self.value(metric, program, p)}

    def rows(self):
        for metric in METRICS:
            best = self.best_peer(metric)
            suffix = "" if metric == "cpu" else f"/{metric}"
            for ours in OURS:
                if not self.has(ours):
                    continue
                for p in self.programs:
                    # Of resident memory only the mean was promised.
                    goal = ONE_GOAL if ours == "own" and metric != "rss" else None
                    yield self.row(f"programs/{p}/{ours}{suffix}", metric,
                                   self.value(metric, p, ours), self.value(metric, p, best), best,
                                   goal, self.medians(metric, p))
                yield self.geomean(metric, ours, best, suffix)

    def geomean(self, metric, ours, best, suffix):
        """Over all programs, repeat by repeat; of ratios to the best peer, so that it is itself 1."""
        base = best or ours

        def over(allocator):
            runs = min(len(self.value(metric, p, a)) for p in self.programs
                       for a in (allocator, base))
            return [mean([self.value(metric, p, allocator)[i] /
                          self.value(metric, p, base)[i] for p in self.programs])
                    for i in range(runs)]
        goal = {"own": MEAN_GOAL, "unaccounted": OFF_GOAL}.get(ours)
        if ours == "unaccounted" and metric == "rss":
            goal = None
        return self.row(f"programs/geomean/{ours}{suffix}", metric, over(ours),
                        over(best) if best else None, best, goal,
                        {p: statistics.median(over(p)) for p in PEERS if self.has(p)}, "ratio")
