"""The figures of ``/cache-stats`` and the clearing of the cache: what workers tell one another through shared state."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from threading import Lock, Thread
from time import sleep, time, time_ns
from typing import Any
from uuid import uuid4

import orjson

from app.cache.book import Book
from app.cache.figures import VersionFigures, added, headline
from app.cache.pages import SEPARATOR, Page, read_count, read_page
from app.cache.tiered import PredictionCache
from app.cache.upkeep import COUNTS, WORKERS, Upkeep
from app.state.base import State, StateUnavailable

EPOCH = "cache:epoch"
PUBLISH_S = 1.0

_STALE_S = 5.0
_EPOCH_DIGITS = 18
_NO_STORE = "there is no Redis: set SLUICE_REDIS_URL"


class CacheReport:
    """Publishes this worker's counters once a second and reads everybody's.

    ``store_holdings`` asks tier 2 how much it holds; None where there is none.
    """

    def __init__(
        self,
        cache: PredictionCache,
        state: State,
        usd_per_hour: float,
        store_holdings: Callable[[], Mapping[str, int]] | None = None,
    ) -> None:
        self._cache = cache
        self._state = state
        self._usd_per_second = usd_per_hour / 3600
        self._store_holdings = store_holdings
        self._worker = uuid4().hex[:12]
        self._upkeep = Upkeep(cache, state)
        self._publishing = Lock()
        self._started = False

    def start(self) -> None:
        """Learn what was cleared, then publish from a thread; called in the worker, after any fork."""
        if not self._started:
            self._started = True
            with suppress(StateUnavailable):
                self.publish()
            Thread(target=self._publish_forever, name="cache-report", daemon=True).start()

    def publish(self) -> None:
        """Deliver what was counted since last time, and learn whether somebody cleared the cache.

        Raises:
            StateUnavailable: nothing is lost, the next time delivers it.
        """
        with self._publishing:
            self._agree_on_epoch()
            self._deliver()
            self._state.put(WORKERS, {self._worker: orjson.dumps(self._page())})
            self._upkeep.run_when_due()

    def clear(self) -> None:
        """Make every remembered answer unreachable: in this worker at once, in the others within ``PUBLISH_S``.

        Raises:
            StateUnavailable: nothing has been cleared.
        """
        epoch = max(time_ns() // 1000, (self._cache.epoch or 0) + 1)
        self._state.put(EPOCH, {"n": b"%d" % epoch})
        self._cache.turn_epoch(epoch)

    def counts(self) -> dict[str, dict[str, float]]:
        """Label -> what ``Tally`` counts, over all workers; of this one alone while shared state is away."""
        return self._counts()[0]

    def _counts(self) -> tuple[dict[str, dict[str, float]], int]:
        """The same, and how many fields are no counters of ours."""
        undelivered: Mapping[str, float] = {}
        try:
            self.publish()
        except StateUnavailable:
            undelivered = self._undelivered()
        try:
            delivered = self._state.numbers(COUNTS)
        except StateUnavailable:
            delivered = {}
        found: dict[str, dict[str, float]] = {}
        foreign = 0
        for field, amount in added([delivered, undelivered]).items():
            counter = read_count(field, amount)
            if counter is None:
                foreign += 1
            else:
                found.setdefault(counter[0], {})[counter[1]] = amount
        return found, foreign

    def summary(self, wanted: Callable[[str], bool] = bool) -> dict[str, Any]:
        """The whole answer of ``/cache-stats``. While shared state is away it is about this worker alone.

        ``wanted`` is asked for each model's name; the others are not in the figures.
        """
        counts, foreign = self._counts()
        try:
            pages, damaged = self._live_pages()
            store = dict(self._store_holdings()) if self._store_holdings else None
        except StateUnavailable:
            pages, damaged, store = [self._page()], 0, None
        versions = [one for one in _versions(counts, pages) if wanted(one.label.partition("/")[0])]
        return {
            **headline(added([version.counts for version in versions]), self._usd_per_second),
            "scope": "all workers on this shared state" if store is not None else "this worker",
            "workers": len(pages),
            "unreadable": foreign + damaged,
            "state": self._state.health(),
            "degraded": _DEGRADED.get(self._state.health()),
            "store": store,
            "models": [version.shown(self._usd_per_second) for version in versions],
        }

    def _publish_forever(self) -> None:
        while True:
            sleep(PUBLISH_S)
            with suppress(StateUnavailable):
                self.publish()

    def _agree_on_epoch(self) -> None:
        """The latest clear counts, also after Redis has lost it or gone back to an older snapshot."""
        record = self._state.records(EPOCH).get("n", b"")
        told, known = int(record) if record.isdigit() and len(record) <= _EPOCH_DIGITS else 0, self._cache.epoch or 0
        if known > told:
            self._state.put(EPOCH, {"n": b"%d" % known})
        self._cache.turn_epoch(told)

    def _deliver(self) -> None:
        taken = {label: tally.take() for label, tally in self._cache.tallies().items()}
        self._upkeep.note(label for label, counts in taken.items() if counts)
        deltas = _flat(taken)
        try:
            if deltas:
                self._state.add(COUNTS, deltas)
        except StateUnavailable:
            for label, tally in self._cache.tallies().items():
                tally.give_back(taken.get(label, {}))
            raise

    def _undelivered(self) -> dict[str, float]:
        found = {label: tally.take() for label, tally in self._cache.tallies().items()}
        for label, tally in self._cache.tallies().items():
            tally.give_back(found.get(label, {}))
        return _flat(found)

    def _page(self) -> Page:
        """What this worker holds and how it judges, version by version."""
        return {"at": time(), "versions": {book.label: self._version(book) for book in self._cache.books()}}

    def _version(self, book: Book) -> dict[str, Any]:
        far = asdict(book.far.standing())
        return {
            "entries": book.tally.entries,
            "bytes": book.tally.bytes,
            "likeness": book.likeness.value if book.likeness else None,
            "l1": asdict(book.near.standing()),
            "l2": far if self._state.shared else far | {"why": _NO_STORE},
        }

    def _live_pages(self) -> tuple[list[Page], int]:
        """What workers said lately, and how many records are no pages."""
        pages = [read_page(record) for record in self._state.records(WORKERS).values()]
        return [page for page in pages if page and page["at"] > time() - _STALE_S], pages.count(None)


_DEGRADED = {
    "down": "redis is away; these are the figures of this worker that it has not delivered yet",
    "read-only": "redis takes no writes; new answers are remembered per worker",
}


def _flat(counts: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {SEPARATOR.join((label, name)): amount for label, named in counts.items() for name, amount in named.items()}


def _versions(counts: Mapping[str, dict[str, float]], pages: Sequence[Page]) -> list[VersionFigures]:
    found = {label: VersionFigures(label, named) for label, named in counts.items()}
    for page in pages:
        for label, said in page["versions"].items():
            found.setdefault(label, VersionFigures(label)).pages.append(said)
    return [found[label] for label in sorted(found)]
