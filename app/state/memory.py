"""Shared state of one process: the embedded default, exact with one worker."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic

from app.state.base import Document, Grant
from app.state.files import DocumentFiles


class Windows:
    """Quota windows of this process."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, float]] = {}
        self._opened = 0
        self._lock = Lock()

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


class MemoryState:
    """Tables in dicts; documents in files of the data folder."""

    shared = False

    def __init__(self, folder: Path) -> None:
        self._files = DocumentFiles(folder)
        self._leases: dict[str, tuple[str, float]] = {}
        self._numbers: dict[str, dict[str, float]] = {}
        self._records: dict[str, dict[str, bytes]] = {}
        self._windows = Windows()
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
        return self._windows.take(key, need, want, limit, seconds)

    def documents(self, kind: str) -> dict[str, Document]:
        """See ``State.documents``."""
        return self._files.read(kind)

    def swap(self, kind: str, name: str, generation: int, text: str) -> Document | None:
        """See ``State.swap``."""
        return self._files.swap(kind, name, generation, text)

    def restore(self, kind: str, name: str, document: Document) -> bool:
        """See ``State.restore``."""
        return self._files.restore(kind, name, document)

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """See ``State.lease``."""
        now = monotonic()
        with self._lock:
            held_by, until = self._leases.get(name, ("", 0.0))
            if held_by not in {"", holder} and until > now:
                return False
            self._leases[name] = (holder, now + seconds)
            return True

    def health(self) -> str:
        """This process is always within reach of itself."""
        return "up"
