"""What keeps the cache's records from growing for ever: workers that are gone, versions nobody asks for any more."""

from collections.abc import Iterable, Mapping
from time import monotonic, time

from app.cache.pages import SEPARATOR, read_page
from app.cache.tiered import PredictionCache
from app.state.base import State

COUNTS = "cache:counts"
SEEN = "cache:seen"
WORKERS = "cache:workers:1"
EVERY_S = 600.0
"""How often a worker cleans up."""

GONE_S = 3600.0
"""A worker that was not heard of for so long is gone; a version that was not asked for gets no memory in a worker."""

OUTLIVED_S = 30 * 86_400.0
"""The figures of a version that nobody asked for in so long are dropped."""


class Upkeep:
    """Cleans up in this worker and in shared state."""

    def __init__(self, cache: PredictionCache, state: State) -> None:
        self._cache = cache
        self._state = state
        self._asked_at: dict[str, float] = {}
        self._due_at = monotonic() + EVERY_S

    def note(self, labels: Iterable[str]) -> None:
        """These versions were asked for just now."""
        self._asked_at |= dict.fromkeys(labels, monotonic())

    def run_when_due(self) -> None:
        """Clean, if it is time.

        Raises:
            StateUnavailable: it is tried again next time.
        """
        if monotonic() >= self._due_at:
            self.run()
            self._due_at = monotonic() + EVERY_S

    def run(self) -> None:
        """Clean now.

        Raises:
            StateUnavailable
        """
        self._forget_idle()
        self._drop_outlived()
        self._state.remove(WORKERS, [worker for worker, at in self._heard_of().items() if abs(time() - at) > GONE_S])

    def _forget_idle(self) -> None:
        for label, tally in self._cache.tallies().items():
            asked_at = self._asked_at.setdefault(label, monotonic())
            if asked_at < monotonic() - GONE_S and not tally.entries:
                self._cache.forget(label)
                del self._asked_at[label]

    def _drop_outlived(self) -> None:
        fields = list(self._state.numbers(COUNTS))
        known = {field.rpartition(SEPARATOR)[0] for field in fields}
        seen = {label: _number(at) for label, at in self._state.records(SEEN).items()}
        fresh = {label for label, at in self._asked_at.items() if at > monotonic() - 2 * EVERY_S} | (
            known - seen.keys()
        )
        if fresh:
            self._state.put(SEEN, dict.fromkeys(fresh, b"%d" % time()))
        outlived = {label for label, at in seen.items() if at < time() - OUTLIVED_S and label not in fresh}
        self._state.remove(COUNTS, [field for field in fields if field.rpartition(SEPARATOR)[0] in outlived])
        self._state.remove(SEEN, list(outlived))

    def _heard_of(self) -> Mapping[str, float]:
        return {worker: written_at(record) for worker, record in self._state.records(WORKERS).items()}


def written_at(record: bytes) -> float:
    """When a worker wrote its page; long ago for a record that is none."""
    page = read_page(record)
    return page["at"] if page else 0.0


def _number(text: bytes) -> float:
    return float(text) if text.isdigit() else 0.0
