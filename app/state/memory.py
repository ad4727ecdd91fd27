"""Shared state of one process: the embedded default, exact with one worker."""

from collections.abc import Mapping, Sequence
from threading import Lock


class MemoryState:
    """Tables in a dict."""

    shared = False

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, float]] = {}
        self._lock = Lock()

    def add(self, table: str, deltas: Mapping[str, float]) -> None:
        """See ``State.add``."""
        with self._lock:
            fields = self._tables.setdefault(table, {})
            for name, delta in deltas.items():
                fields[name] = fields.get(name, 0.0) + delta

    def put(self, table: str, values: Mapping[str, float]) -> None:
        """See ``State.put``."""
        with self._lock:
            self._tables.setdefault(table, {}).update(values)

    def read(self, table: str) -> dict[str, float]:
        """See ``State.read``."""
        with self._lock:
            return dict(self._tables.get(table, {}))

    def remove(self, table: str, fields: Sequence[str] | None = None) -> None:
        """See ``State.remove``."""
        with self._lock:
            for name in list(self._tables.get(table, {})) if fields is None else fields:
                self._tables.get(table, {}).pop(name, None)

    def health(self) -> str:
        """This process is always within reach of itself."""
        return "up"
