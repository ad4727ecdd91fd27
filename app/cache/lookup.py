"""One request on its way through the tiers: what they hold, what another thread computes, what is left to do."""

from collections.abc import Collection, Mapping, Sequence
from time import monotonic, perf_counter, time
from typing import NamedTuple

import numpy as np

from app import deadlines
from app.cache.base import Entry, Tier
from app.cache.book import Book, Subject
from app.cache.flights import PATIENCE_S, Flight, Flights
from app.cache.likeness import Likeness
from app.cache.memory import MemoryTier
from app.tensors import Array, Feed, Freshness, Source

Found = dict[bytes, Entry]

_LEADERS = 3
"""How many may compute a row in vain, one after the other, until everybody who waits for it computes it alone."""


class Outcome(NamedTuple):
    """Outputs by name, where they came from, and the age in whole seconds of the oldest row."""

    outputs: Mapping[str, Array]
    source: Source
    age: int = 0


class Ask(NamedTuple):
    """What is wanted of which version, with one key per row. ``started`` is a ``perf_counter`` reading."""

    book: Book
    subject: Subject
    feed: Feed
    keys: Sequence[bytes]
    freshness: Freshness
    started: float


class Lookup:
    """Answers one ask with the tiers that take part in it, None for one that does not."""

    __slots__ = (
        "_ask",
        "_computed",
        "_elsewhere",
        "_far",
        "_flights",
        "_found_far",
        "_found_near",
        "_joins",
        "_near",
        "_rows",
    )

    def __init__(self, ask: Ask, near: MemoryTier | None, far: Tier | None, flights: Flights) -> None:
        self._ask = ask
        self._rows = len(ask.keys)
        self._near = near
        self._far = far
        self._flights = flights
        self._found_near: Found = {}
        self._found_far: Found = {}
        self._computed = 0
        self._joins = 0
        self._elsewhere = 0.0

    def answer(self, near_looked_s: float | None = None) -> Outcome:
        """Every row, remembered, awaited or computed. ``near_looked_s``: tier 1 had none, and took so long to say so.

        Raises:
            ModelFailed, Overloaded, DeadlineExceeded: from the computation; nothing is remembered then.
        """
        keys, read = self._ask.keys, self._ask.freshness.read
        if near_looked_s is not None:
            self._elsewhere = near_looked_s
        elif read and self._near is not None:
            self._look_near(self._near)
        if read and self._far is not None and not all(key in self._found_near for key in keys):
            self._look_far(self._far)
        found = {**self._found_near, **self._found_far}
        missing = {key: row for row, key in enumerate(keys) if key not in found}
        try:
            outputs = self._fill(missing, found) if missing else _stacked(keys, found)
        except _NotByRowError:
            self._ask.book.likeness = Likeness.MIXED
            outputs, missing, self._joins = self._compute(range(self._rows)), dict.fromkeys(keys, 0), 0
        return self._counted(outputs, missing)

    def _look_near(self, near: MemoryTier) -> None:
        ask = self._ask
        self._found_near = _fresh(ask, ask.keys, near.get_many(ask.keys))
        hits = sum(key in self._found_near for key in ask.keys)
        self._elsewhere = perf_counter() - ask.started
        ask.book.near.observe(self._elsewhere, hits, self._rows)

    def _look_far(self, far: Tier) -> None:
        ask = self._ask
        keys = [key for key in dict.fromkeys(ask.keys) if key not in self._found_near]
        started = perf_counter()
        entries = far.get_many(keys, ask.book.tally)
        took = perf_counter() - started
        self._elsewhere += took
        if entries is None:
            return
        self._found_far = found = _fresh(ask, keys, entries)
        ask.book.far.observe(took, len(found), len(keys))
        if found and self._near is not None:
            age = max(0.0, time() - min(entry.stored_at for entry in found.values()))
            self._near.put_many(found, ask.book.ttl - age, ask.book.tally)

    def _fill(self, missing: Mapping[bytes, int], found: Found) -> Mapping[str, Array]:
        """Compute or await what was not found; ``found`` grows by it.

        Where those who computed a row have failed, one of those who waited computes it and the others wait again.
        """
        outputs, joined = self._lead(missing, found)
        if self._computed == self._rows:
            return outputs
        until = monotonic() + _patience()
        for _ in range(_LEADERS):
            left = {key: missing[key] for key in self._await(joined, found, until)}
            if not left:
                break
            _, joined = self._lead(left, found)
        else:
            _, alone = self._computed_now({key: missing[key] for key in joined})
            self._keep_far(alone)
            found |= alone
        return _stacked(self._ask.keys, found)

    def _lead(self, missing: Mapping[bytes, int], found: Found) -> tuple[Mapping[str, Array], Mapping[bytes, Flight]]:
        """Compute what nobody else does; the outputs of that, and the flights of others."""
        read = self._ask.freshness.read
        joined = self._flights.board(missing) if read else {}
        led = {key: row for key, row in missing.items() if key not in joined}
        try:
            meanwhile = self._landed_meanwhile(led)
            found |= meanwhile
            self._joins += len(meanwhile)
            outputs, computed = self._computed_now({key: row for key, row in led.items() if key not in found})
            found |= computed
        finally:
            if read:
                self._flights.land(led, found)
        self._keep_far(computed)
        return outputs, joined

    def _landed_meanwhile(self, led: Collection[bytes]) -> Found:
        """What another thread finished between our lookup and our boarding; with it nothing is computed twice."""
        if self._near is None or not self._ask.freshness.read:
            return {}
        keys = list(led)
        return _fresh(self._ask, keys, self._near.get_many(keys))

    def _await(self, joined: Mapping[bytes, Flight], found: Found, until: float) -> list[bytes]:
        """Collect what other threads computed; the keys of what they could not."""
        started = perf_counter()
        landed = {key: flight.wait(until - monotonic()) for key, flight in joined.items()}
        self._elsewhere += perf_counter() - started
        deadlines.check()
        entries = {key: entry for key, entry in landed.items() if entry is not None}
        found |= entries
        self._joins += len(entries)
        return [key for key in joined if key not in entries]

    def _computed_now(self, led: Mapping[bytes, int]) -> tuple[Mapping[str, Array], Found]:
        """The outputs of some rows, and an entry for each, which tier 1 keeps."""
        outputs = self._compute(led.values()) if led else {}
        computed = self._split(outputs, led)
        self._keep_near(computed)
        return outputs, computed

    def _compute(self, rows: Collection[int]) -> Mapping[str, Array]:
        """Run the model on some rows, in the kind of company their keys stand for."""
        ask, chosen = self._ask, list(rows)
        self._computed += len(chosen)
        lonely = len(chosen) == 1 < self._rows and ask.book.likeness is Likeness.APART
        feed = ask.feed
        if len(chosen) < self._rows:
            feed = {name: array[chosen * 2 if lonely else chosen] for name, array in feed.items()}
        started = perf_counter()
        outputs = ask.book.compute(ask.subject, feed)
        self._elsewhere += perf_counter() - started
        return {name: array[:1] for name, array in outputs.items()} if lonely else outputs

    def _split(self, outputs: Mapping[str, Array], led: Collection[bytes]) -> Found:
        """One entry per row. Rows of a batch are copied, lest one kept row keeps the whole batch alive."""
        now, cost = time(), self._ask.book.cost.value
        if self._rows == 1:
            return {key: Entry({name: _own(array) for name, array in outputs.items()}, now, cost) for key in led}
        if any(not array.ndim or len(array) != len(led) for array in outputs.values()):
            raise _NotByRowError
        return {
            key: Entry({name: _own(array[row : row + 1]) for name, array in outputs.items()}, now, cost)
            for row, key in enumerate(led)
        }

    def _keep_near(self, entries: Found) -> None:
        if self._near is not None and entries:
            self._near.put_many(entries, self._ask.book.ttl, self._ask.book.tally)

    def _keep_far(self, entries: Found) -> None:
        if self._far is not None and entries:
            started, book = perf_counter(), self._ask.book
            self._far.put_many(entries, book.ttl, book.tally)
            took = perf_counter() - started
            self._elsewhere += took
            book.far.store.add(took / len(entries))

    def _counted(self, outputs: Mapping[str, Array], missing: Collection[bytes]) -> Outcome:
        """Note in the tally what every row was; of several rows the farthest source names the answer."""
        ask, tally = self._ask, self._ask.book.tally
        if ask.freshness.force:
            tally.add("warmed", self._rows)
            return Outcome(outputs, "miss")
        hits = [entry for key in ask.keys if (entry := self._found_near.get(key) or self._found_far.get(key))]
        far = sum(key in self._found_far for key in ask.keys)
        missed = sum(key in missing for key in ask.keys)
        saved = sum(entry.cost_s for entry in hits) + max(missed - self._computed, 0) * ask.book.cost.value
        counts: dict[Source, int] = {"miss": missed, "hit-l2": far, "hit-l1": self._rows - missed - far}
        source = next(name for name, rows in counts.items() if rows)
        for other, rows in (*counts.items(), ("joins", self._joins)):
            if rows and other != source:
                tally.add(other, rows)
        seconds = perf_counter() - ask.started
        if self._near is not None and missed:
            ask.book.near.store.add((seconds - self._elsewhere) / missed)
        tally.answered(source, counts[source], seconds, saved)
        age = 0 if missed else max(0, int(time() - min(entry.stored_at for entry in hits)))
        return Outcome(outputs, source, age)


class _NotByRowError(Exception):
    """The outputs cannot be cut into rows, or rows of several computations cannot be laid together."""


def _patience() -> float:
    left = deadlines.left()
    return PATIENCE_S if left is None else min(left, PATIENCE_S)


def fresh_since(ask: Ask) -> float:
    """Unix time before which nothing may have been stored to satisfy this caller and the version's time to live."""
    limit = ask.freshness.max_age
    return time() - (ask.book.ttl if limit is None else min(limit, ask.book.ttl))


def _fresh(ask: Ask, keys: Sequence[bytes], entries: Sequence[Entry | None]) -> Found:
    oldest = fresh_since(ask)
    found = zip(keys, entries, strict=True)
    return {key: entry for key, entry in found if entry is not None and entry.stored_at >= oldest}


def _own(array: Array) -> Array:
    """Fit to be kept and shared: no view of a batch, and nobody writes to it."""
    kept = array if array.base is None else array.copy()
    kept.flags.writeable = False
    return kept


def _stacked(keys: Sequence[bytes], found: Found) -> Mapping[str, Array]:
    """The rows laid end to end.

    Raises:
        _NotByRowError: they are of different shapes.
    """
    if len(keys) == 1:
        return found[keys[0]].outputs
    entries = [found[key] for key in keys]
    try:
        return {name: np.concatenate([entry.outputs[name] for entry in entries]) for name in entries[0].outputs}
    except ValueError:
        raise _NotByRowError from None
