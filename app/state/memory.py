"""Shared state of one process: the embedded default, exact with one worker."""

from collections.abc import Mapping, Sequence
from threading import Lock
from time import monotonic

from app.state.base import Grant


class MemoryState:
    """Tables in a dict."""

    shared = False

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, float]] = {}
        self._records: dict[str, dict[str, bytes]] = {}
        self._windows: dict[str, tuple[int, float]] = {}
        self._opened = 0
        self._lock = Lock()

    def add(self, table: str, deltas: Mapping[str, float]) -> None:
        """See ``State.add``."""
        with self._lock:
            fields = self._numbers.setdefault(table, {})
            for name, delta in deltas.items():
                fields[name] = fields.get(name, 0.0) + delta

    def numbers(self, table: str) -> dict[str, float]:
        """See ``State.numbers``."""
        with self._lock:
            return dict(self._numbers.get(table, {}))

    def put(self, table: str, records: Mapping[str, bytes]) -> None:
        """See ``State.put``."""
        with self._lock:
            self._records.setdefault(table, {}).update(records)

    def records(self, table: str) -> dict[str, bytes]:
        """See ``State.records``."""
        with self._lock:
            return dict(self._records.get(table, {}))

    def remove(self, table: str, fields: Sequence[str] | None = None) -> None:
        """See ``State.remove``."""
        with self._lock:
            for tables in (self._numbers, self._records):
                held = tables.get(table, {})
                for name in list(held) if fields is None else fields:
                    held.pop(name, None)

    def take(self, key: str, need: int, want: int, limit: int, seconds: int) -> Grant:
        """See ``State.take``."""
        now = monotonic()
        with self._lock:
            used, ends = self._windows.get(key, (0, 0.0))
            if now >= ends:
                self._drop_ended(now)
                used, ends = 0, now + seconds
            units = 0 if used + need > limit else min(want, limit - used)
            if units:
                self._windows[key] = (used + units, ends)
            return Grant(units, max(0, limit - used - units), ends - now)

    def _drop_ended(self, now: float) -> None:
        """Windows that are over, looked for whenever as many have been opened as were left last time."""
        self._opened += 1
        if self._opened > len(self._windows) // 2 + 1000:
            self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
            self._opened = 0

    def health(self) -> str:
        """This process is always within reach of itself."""
        return "up"
