"""Two tiers in front of a model: look up row by row, compute only what is missing, remember it.

The order of one request: which tiers take part (``book``) -> keys -> tier 1 -> tier 2, one round trip -> join what
another thread already computes -> compute the rest in one batch -> hand it to waiting threads and to both tiers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, time

import numpy as np

from app.cache.base import Entry, Tier
from app.cache.book import Book, Plan, Subject
from app.cache.flights import Flight, Flights
from app.cache.key import row_keys
from app.cache.memory import MemoryTier
from app.tensors import Array, Feed, Freshness, Source


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request on its way through the tiers; ``near`` and ``far`` say which of them take part."""

    book: Book
    subject: Subject
    feed: Feed
    rows: int
    freshness: Freshness
    near: bool
    far: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outputs by name, where they came from, and the age in whole seconds of the oldest row."""

    outputs: Mapping[str, Array]
    source: Source
    age: int = 0


class PredictionCache:
    """All versions' caches of one worker."""

    def __init__(self, near: MemoryTier, far: Tier | None, plans: Mapping[str, Plan], default: Plan) -> None:
        self._near = near
        self._far = far
        self._plans = plans
        self._default = default
        self._flights = Flights()
        self._epoch = 0
        self.books: dict[tuple[str, str], Book] = {}

    def outputs(self, subject: Subject, feed: Feed, rows: int, freshness: Freshness) -> Outcome:
        """The version's outputs for the feed, remembered or computed.

        Raises:
            ModelFailed: from the computation; nothing is remembered then.
        """
        book = self.books.get((subject.label, subject.digest)) or self._open_book(subject)
        near, far = book.tiers(feed, freshness)
        started = perf_counter()
        if near or far:
            outcome = self._answer(_Ask(book, subject, feed, rows, freshness, near, far), started)
        else:
            outcome = Outcome(self._compute(book, subject, feed, rows), "bypass")
        book.tally.answered(outcome.source, rows, perf_counter() - started)
        return outcome

    def turn_epoch(self, epoch: int) -> None:
        """Forget everything, here and in tier 2: every key made from now on is a new one."""
        if epoch != self._epoch:
            self._epoch = epoch
            self.books = {}
            self._near.clear()

    def figures(self, label: str) -> dict[str, dict[str, float]]:
        """What each tier holds of one version."""
        held = {"l1": self._near.figures(label)}
        return held | ({"l2": self._far.figures(label)} if self._far else {})

    def _open_book(self, subject: Subject) -> Book:
        plan = self._plans.get(subject.label.partition("/")[0], self._default)
        book = Book(subject, plan, self._epoch, self._far is not None)
        return self.books.setdefault((subject.label, subject.digest), book)

    def _compute(self, book: Book, subject: Subject, feed: Feed, rows: int) -> dict[str, Array]:
        started = perf_counter()
        outputs = subject.run(feed)
        book.computed(outputs, rows, perf_counter() - started)
        return outputs

    def _answer(self, ask: _Ask, started: float) -> Outcome:
        keys = row_keys(ask.book.seed, ask.feed, ask.rows)
        found: dict[bytes, Entry] = {}
        source: Source = "hit-l1"
        if ask.freshness.read:
            found = self._look_near(ask, keys, started) if ask.near else {}
            if ask.far and len(found) < ask.rows:
                remote = self._look_far(ask, [key for key in dict.fromkeys(keys) if key not in found])
                if remote:
                    found |= remote
                    source = "hit-l2"
        if not all(key in found for key in keys):
            return Outcome(self._fill(ask, keys, found), "miss")
        ask.book.tally.add("saved_s", ask.rows * ask.book.compute.value)
        entries = [found[key] for key in keys]
        age = max(0, int(time() - min(entry.stored_at for entry in entries)))
        return Outcome(_stacked(entries), source, age)

    def _look_near(self, ask: _Ask, keys: Sequence[bytes], started: float) -> dict[bytes, Entry]:
        found = _fresh(keys, self._near.get_many(keys), ask.freshness)
        ask.book.near.observe(perf_counter() - started, len(found), ask.rows)
        return found

    def _look_far(self, ask: _Ask, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        if self._far is None:
            return {}
        started = perf_counter()
        found = _fresh(keys, self._far.get_many(keys), ask.freshness)
        ask.book.far.observe(perf_counter() - started, len(found), len(keys))
        if found and ask.near and ask.freshness.store:
            self._near.put_many(found, ask.book.ttl, ask.book.label)
        return found

    def _fill(self, ask: _Ask, keys: Sequence[bytes], found: dict[bytes, Entry]) -> Mapping[str, Array]:
        """Compute or wait for every row that was not found; ``found`` grows by them."""
        missing = {key: row for row, key in enumerate(keys) if key not in found}
        joined = self._flights.board(list(missing))
        led = {key: row for key, row in missing.items() if key not in joined}
        outputs: Mapping[str, Array] = {}
        entries: dict[bytes, Entry] = {}
        try:
            if led:
                outputs = self._compute_rows(ask, list(led.values()))
                entries = _split(outputs, list(led)) if ask.book.rowwise else {}
        finally:
            self._flights.land(list(led), entries)
        if not ask.book.rowwise:
            return outputs if len(led) == ask.rows else self._compute(ask.book, ask.subject, ask.feed, ask.rows)
        self._remember(ask, entries)
        if len(led) == ask.rows:
            return outputs
        found |= entries
        return self._await(ask, keys, found, {key: (missing[key], flight) for key, flight in joined.items()})

    def _await(
        self, ask: _Ask, keys: Sequence[bytes], found: dict[bytes, Entry], joined: Mapping[bytes, tuple[int, Flight]]
    ) -> Mapping[str, Array]:
        """Collect what other threads computed; what they could not, compute here."""
        for key, (row, flight) in joined.items():
            entry = flight.wait()
            if entry is None:
                entry = _split(self._compute_rows(ask, [row]), [key])[key]
            found[key] = entry
        if joined:
            ask.book.tally.add("joins", len(joined))
        return _stacked([found[key] for key in keys])

    def _compute_rows(self, ask: _Ask, rows: Sequence[int]) -> dict[str, Array]:
        feed = ask.feed if len(rows) == ask.rows else {name: array[rows] for name, array in ask.feed.items()}
        return self._compute(ask.book, ask.subject, feed, len(rows))

    def _remember(self, ask: _Ask, entries: Mapping[bytes, Entry]) -> None:
        if not entries or not ask.freshness.store:
            return
        if ask.near:
            started = perf_counter()
            self._near.put_many(entries, ask.book.ttl, ask.book.label)
            ask.book.near.store.add((perf_counter() - started) / len(entries))
        if ask.far and self._far is not None:
            started = perf_counter()
            self._far.put_many(entries, ask.book.ttl, ask.book.label)
            ask.book.far.store.add((perf_counter() - started) / len(entries))


def _fresh(keys: Sequence[bytes], entries: Sequence[Entry | None], freshness: Freshness) -> dict[bytes, Entry]:
    """What was found and is young enough for this caller."""
    oldest = 0.0 if freshness.max_age is None else time() - freshness.max_age
    return {
        key: entry for key, entry in zip(keys, entries, strict=True) if entry is not None and entry.stored_at >= oldest
    }


def _split(outputs: Mapping[str, Array], keys: Sequence[bytes]) -> dict[bytes, Entry]:
    """One entry per row. Rows of a batch are copied, lest one kept row keeps the whole batch alive."""
    now = time()
    if len(keys) == 1:
        return {keys[0]: Entry(outputs, now)}
    return {
        key: Entry({name: array[row : row + 1].copy() for name, array in outputs.items()}, now)
        for row, key in enumerate(keys)
    }


def _stacked(entries: Sequence[Entry]) -> Mapping[str, Array]:
    if len(entries) == 1:
        return entries[0].outputs
    return {name: np.concatenate([entry.outputs[name] for entry in entries]) for name in entries[0].outputs}
