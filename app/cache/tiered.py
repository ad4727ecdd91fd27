"""Two tiers in front of a model: look up row by row, compute only what is missing, remember it.

The order of one request: which tiers take part (``book``) -> keys -> tier 1 -> tier 2, one round trip -> join what
another thread already computes -> compute the rest in one batch -> tier 1, waiting threads, tier 2 (``lookup``).
"""

from collections.abc import Mapping
from threading import Lock
from time import perf_counter, time

from app.cache.base import Tier
from app.cache.book import Book, Plan, Subject
from app.cache.flights import Flights
from app.cache.likeness import Likeness
from app.cache.lookup import Ask, Lookup, Outcome, fresh_since
from app.cache.memory import MemoryTier
from app.cache.tally import Tally
from app.tensors import Feed, Freshness

_WARMING = Freshness(read=False, force=True)


class PredictionCache:
    """All versions' caches of one worker. ``epoch`` counts the clears; None until shared state has told it."""

    def __init__(
        self, near: MemoryTier, far: Tier | None, plans: Mapping[str, Plan], default: Plan, engine: str = ""
    ) -> None:
        self._near = near
        self._far = far
        self._plans = plans
        self._default = default
        self._engine = engine
        self._flights = Flights()
        self._books: dict[str, Book] = {}
        self._tallies: dict[str, Tally] = {}
        self._guard = Lock()
        self.epoch: int | None = None

    def outputs(self, subject: Subject, feed: Feed, rows: int, freshness: Freshness) -> Outcome:
        """The version's outputs for the feed, remembered or computed.

        Raises:
            ModelFailed: from the computation; nothing is remembered then.
        """
        started = perf_counter()
        book = self._book(subject)
        near, far = book.tiers(feed, freshness)
        if not (near or far) or (rows > 1 and not book.splits(subject, feed)):
            outputs = book.compute(subject, feed)
            book.tally.answered("bypass", rows, perf_counter() - started)
            return Outcome(outputs, "bypass")
        ask = Ask(book, subject, feed, book.keys(feed, rows), freshness, started)
        if rows == 1 and near and freshness.read:
            return self._near_first(ask, far)
        return self._lookup(ask, near, far).answer()

    def _near_first(self, ask: Ask, far: bool) -> Outcome:
        """The commonest case by far, written out: one row, tier 1 takes part."""
        (key,), book = ask.keys, ask.book
        entry = self._near.get(key)
        seconds = perf_counter() - ask.started
        if entry is None or (ask.freshness.max_age is not None and entry.stored_at < fresh_since(ask)):
            book.near.observe(seconds, 0, 1)
            return self._lookup(ask, True, far or book.wants_far(ask.feed)).answer(seconds)
        book.near.observe(seconds, 1, 1)
        book.tally.answered("hit-l1", 1, seconds, entry.cost_s)
        return Outcome(entry.outputs, "hit-l1", max(0, int(time() - entry.stored_at)))

    def _lookup(self, ask: Ask, near: bool, far: bool) -> Lookup:
        return Lookup(ask, self._near if near else None, self._usable_far() if far else None, self._flights)

    def _usable_far(self) -> Tier | None:
        """Tier 2 while it can be reached, and once it is known which of its entries have been cleared."""
        return self._far if self._far is not None and self._far.up and self.epoch is not None else None

    def warm(self, subject: Subject, feed: Feed, rows: int) -> list[str]:
        """Compute rows and remember them, whether that pays or not, for requests of one row; the tiers that took them.

        Raises:
            ModelFailed
        """
        book = self._book(subject)
        if rows == 1 or (book.splits(subject, feed) and book.likeness is Likeness.SAME):
            self.outputs(subject, feed, rows, _WARMING)
        else:
            for row in range(rows):
                self.outputs(subject, {name: array[row : row + 1] for name, array in feed.items()}, 1, _WARMING)
        near, far = book.tiers(feed, _WARMING)
        return [name for name, used in (("l1", near), ("l2", far and self._usable_far() is not None)) if used]

    def turn_epoch(self, epoch: int) -> None:
        """Forget everything, here and in tier 2: every key made from now on is a new one. Older epochs are ignored."""
        with self._guard:
            known, self.epoch = self.epoch or 0, max(epoch, self.epoch or 0)
            if epoch > known:
                for book in self._books.values():
                    book.turn(epoch)
                self._near.clear()

    def books(self) -> list[Book]:
        """Every version asked for lately."""
        with self._guard:
            return list(self._books.values())

    def tallies(self) -> dict[str, Tally]:
        """By label: what every version asked for lately did, whatever file stood behind it."""
        with self._guard:
            return dict(self._tallies)

    def forget(self, label: str) -> None:
        """Drop the book of a version nobody asks for any more; its figures have been delivered."""
        with self._guard:
            self._books.pop(label, None)
            self._tallies.pop(label, None)

    def _book(self, subject: Subject) -> Book:
        book = self._books.get(subject.label)
        return book if book is not None and book.digest == subject.digest else self._open_book(subject)

    def _open_book(self, subject: Subject) -> Book:
        plan = self._plans.get(subject.label.partition("/")[0], self._default)
        with self._guard:
            tally = self._tallies.setdefault(subject.label, Tally())
            book = Book(subject, plan, self._far is not None, tally, self._engine)
            book.turn(self.epoch or 0)
            self._books[subject.label] = book
        return book
