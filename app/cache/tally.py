"""What one model version's cache did, counted in this worker and merged over all of them.

Counting is a few additions under a lock; once a second the differences go to shared state, where every worker's add
up. Latencies are kept as counts in quarter-octave buckets, which merge by addition and give percentiles to within 9 %.
"""

from collections.abc import Mapping
from math import log2
from threading import Lock

_STEPS = 4


class Tally:
    """Thread-safe counters of one version, and what it holds in tier 1 (``entries``, ``bytes``) right now."""

    def __init__(self) -> None:
        self.entries = 0
        self.bytes = 0
        self._counts: dict[str, float] = {}
        self._answers: dict[str, _Answers] = {}
        self._lock = Lock()

    def answered(self, source: str, rows: int, seconds: float, saved_s: float = 0.0) -> None:
        """One request of ``rows`` rows answered from one source: hit-l1, hit-l2, miss or bypass.

        ``saved_s`` is the computing that was spared.
        """
        bucket = int(log2(seconds * 1e6) * _STEPS) if seconds > 1e-6 else 0
        with self._lock:
            answers = self._answers.get(source) or self._answers.setdefault(source, _Answers())
            answers.rows += rows
            answers.requests += 1
            answers.seconds += seconds
            answers.buckets[bucket] = answers.buckets.get(bucket, 0) + 1
            if saved_s:
                self._counts["saved_s"] = self._counts.get("saved_s", 0.0) + saved_s

    def add(self, name: str, amount: float) -> None:
        """Any other figure: rows of a request that came from elsewhere than the rest, joins, dropped writes."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def hold(self, entries: int, size: int) -> None:
        """Tier 1 took or let go of entries; called under its lock."""
        self.entries += entries
        self.bytes += size

    def take(self) -> dict[str, float]:
        """What was counted since the last take."""
        with self._lock:
            counts, self._counts = self._counts, {}
            answers, self._answers = self._answers, {}
        for source, told in answers.items():
            _add(counts, {source: told.rows, f"{source}_n": told.requests, f"{source}_s": told.seconds})
            _add(counts, {f"{source}_b{bucket}": n for bucket, n in told.buckets.items()})
        return counts

    def give_back(self, counts: Mapping[str, float]) -> None:
        """Undo a take whose figures could not be delivered."""
        with self._lock:
            _add(self._counts, counts)


class _Answers:
    """Answers from one source."""

    __slots__ = ("buckets", "requests", "rows", "seconds")

    def __init__(self) -> None:
        self.rows = 0
        self.requests = 0
        self.seconds = 0.0
        self.buckets: dict[int, int] = {}


def _add(counts: dict[str, float], more: Mapping[str, float]) -> None:
    for name, amount in more.items():
        counts[name] = counts.get(name, 0) + amount


def percentile_ms(counts: Mapping[str, float], source: str, share: float) -> float | None:
    """The latency below which ``share`` of the requests answered from a source lie, in ms."""
    prefix = f"{source}_b"
    buckets = sorted((int(name[len(prefix) :]), n) for name, n in counts.items() if name.startswith(prefix))
    wanted = share * sum(n for _, n in buckets)
    for bucket, n in buckets:
        wanted -= n
        if wanted <= 0 and n:
            return float(2 ** ((bucket + 0.5) / _STEPS)) / 1000
    return None
