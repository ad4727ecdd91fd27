"""What one model version's cache did, counted in this worker and merged over all of them.

Counting is a few additions under a lock; once a second the differences go to shared state, where every worker's add
up. Latencies are kept as counts in quarter-octave buckets, which merge by addition and give percentiles to within 9 %.
"""

from collections.abc import Mapping
from math import log2
from threading import Lock

_STEPS = 4


class Tally:
    """Thread-safe counters of one version."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._lock = Lock()

    def answered(self, source: str, rows: int, seconds: float) -> None:
        """``rows`` rows answered in one go from ``source``: hit-l1, hit-l2, miss or bypass."""
        kind = "cached" if source.startswith("hit") else "uncached"
        bucket = f"{kind}_b{_bucket(seconds)}"
        with self._lock:
            counts = self._counts
            counts[source] = counts.get(source, 0) + rows
            counts[kind + "_s"] = counts.get(kind + "_s", 0) + seconds
            counts[kind + "_n"] = counts.get(kind + "_n", 0) + 1
            counts[bucket] = counts.get(bucket, 0) + 1

    def add(self, name: str, amount: float) -> None:
        """Any other figure: rows joined to a flight, compute seconds saved."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def take(self) -> dict[str, float]:
        """What was counted since the last take."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def give_back(self, counts: Mapping[str, float]) -> None:
        """Undo a take whose figures could not be delivered."""
        with self._lock:
            for name, amount in counts.items():
                self._counts[name] = self._counts.get(name, 0) + amount


def percentile_ms(counts: Mapping[str, float], kind: str, share: float) -> float | None:
    """The latency below which ``share`` of the answers of a kind (cached, uncached) lie, in ms."""
    prefix = f"{kind}_b"
    buckets = sorted((int(name[len(prefix) :]), n) for name, n in counts.items() if name.startswith(prefix))
    wanted = share * sum(n for _, n in buckets)
    for bucket, n in buckets:
        wanted -= n
        if wanted <= 0 and n:
            return float(2 ** ((bucket + 0.5) / _STEPS)) / 1000
    return None


def _bucket(seconds: float) -> int:
    return int(log2(max(seconds * 1e6, 1.0)) * _STEPS)
